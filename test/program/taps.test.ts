import { describe, expect, it } from "vitest";
import { selectedSeries } from "../../src/program/taps.ts";
import { digitsOf, packDigits, termBits, type WeightSeries } from "../../src/series/index.ts";
import { Random } from "../support/random.ts";

const [ROWS, TAPS] = [3, 6];

/** A series of two terms whose last one is a bit shorter, with outliers. */
function seriesOf(bits: number, channels: number, random: Random): WeightSeries {
  const count = ROWS * TAPS * channels;
  const cut = { bits, terms: 2, lastBits: Math.max(1, bits - 1) };
  const planes = [0, 1].map((i) => {
    const digits = Int16Array.from({ length: count }, () => random.integer(0, 2 ** termBits(cut, i) - 1));
    return packDigits(digits, termBits(cut, i));
  });
  const indices = Uint32Array.from({ length: count }, (_, i) => i).filter(() => random.integer(0, 3) === 0);
  return {
    ...{ name: "w", shape: [ROWS, TAPS, channels], axis: 0, rows: ROWS, columns: TAPS * channels, ...cut },
    ...{ digits: "unsigned", scales: Float32Array.of(1, 2, 3), zeros: Int32Array.of(4, 5, 6), planes },
    sparse: { indices, values: Int16Array.from(indices, (e) => e + 1) },
    ...{ largestL1: 1, largestSum: 1 },
  };
}

describe("some taps of a series", () => {
  const sides = [
    [5, 1],
    [0, 2],
  ];
  const all = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((bits) => [1, 2, 3, 8].map((channels) => [bits, channels] as const));

  it.each(all)("have the digits and outliers of their elements: %i bits, %i channels", (bits, channels) => {
    const base = seriesOf(bits, channels, new Random(8 * bits + channels));
    const chosen = selectedSeries(base, { key: "k", sides, channels });
    // Element [side][row][tap][channel] of those chosen, in the weight.
    const from = sides.flatMap((taps) =>
      Array.from({ length: ROWS }, (_, row) => row).flatMap((row) =>
        taps.flatMap((tap) => Array.from({ length: channels }, (_, c) => (row * TAPS + tap) * channels + c)),
      ),
    );
    expect(chosen.planes).toHaveLength(2);
    for (const i of [0, 1]) {
      const digits = digitsOf(base, i);
      expect([...digitsOf(chosen, i)]).toEqual(from.map((e) => digits[e]));
    }
    const { indices, values } = chosen.sparse!;
    const outliers = new Map([...base.sparse!.indices].map((e, i) => [e, base.sparse!.values[i]]));
    const expected = new Map(from.map((e, at) => [at, outliers.get(e)] as const).filter(([, value]) => value));
    expect(new Map([...indices].map((e, i) => [e, values[i]]))).toEqual(expected);
    expect(expected.size).toBe(indices.length);
    expect([...chosen.scales]).toEqual([1, 2, 3, 1, 2, 3]);
    expect([...chosen.zeros!]).toEqual([4, 5, 6, 4, 5, 6]);
  });

  it("follow the terms that arrive", () => {
    const whole = seriesOf(4, 2, new Random(1));
    const planes: Uint8Array[] = [];
    const chosen = selectedSeries({ ...whole, planes }, { key: "k", sides, channels: 2 });
    for (const [i, plane] of whole.planes.entries()) {
      expect(chosen.planes).toHaveLength(i);
      planes.push(plane);
    }
    expect(chosen.planes).toHaveLength(2);
  });
});
