import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Opcode } from "../../src/core/abi/opcode.ts";
import { layerOf } from "../../src/core/index.ts";
import { BUILDS, dirty, newCore, turnsOf } from "./harness.ts";
import { random } from "./layer.ts";

const kernel = Opcode.ConvI16 as const;

interface Sizes {
  readonly groups: number;
  readonly rows: number;
  readonly taps: number;
  readonly channels: number;
  readonly largest: number;
  readonly seed: number;
}

/** The turns of every panel of random weights: by the core, and pair by pair. */
async function both(
  build: (typeof BUILDS)[number],
  { largest, seed, ...shape }: Sizes,
): Promise<{ found: number[][]; expected: number[][] }> {
  const core = await newCore(build);
  const layer = { kernel, ...shape };
  const next = random(seed);
  const bytes = core.exports.panelBytes(...layerOf(layer));
  const at = dirty(core, bytes);
  const weights = core.i16(at, bytes / 2);
  for (let i = 0; i < weights.length; i++) weights[i] = Math.round((2 * next() - 1) * largest * next());
  const perPanel = shape.taps * Math.ceil(shape.channels / 2);
  const counts = core.u8(turnsOf(core, layer, at), bytes / 32);
  const [found, expected]: [number[][], number[][]] = [[], []];
  for (let panel = 0; panel < bytes / 32 / perPanel; panel++) {
    const turns: number[] = [];
    let sums = new Array<number>(8).fill(0);
    for (let pair = 0; pair < perPanel; pair++) {
      const from = 16 * (panel * perPanel + pair);
      const sizes = sums.map((_, i) => Math.abs(weights[from + 2 * i]!) + Math.abs(weights[from + 2 * i + 1]!));
      const more = sums.map((sum, i) => sum + sizes[i]!);
      // The sum of a turn and 2^16 − 1 that are left from the one before, under activations of −2^15.
      const fits = more.every((sum) => sum * 2 ** 15 + 2 ** 16 - 1 < 2 ** 31);
      if (pair === 0 || !fits || turns.at(-1) === 255) {
        turns.push(0);
        sums = sizes;
      } else {
        sums = more;
      }
      turns[turns.length - 1]!++;
    }
    expected.push(turns);
    found.push([...counts.subarray(panel * perPanel, panel * perPanel + turns.length)]);
  }
  return { found, expected };
}

describe("turns", () => {
  it.each(BUILDS)("%s: as many pairs as leave no column of a panel beyond int32", async (build) => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          groups: fc.integer({ min: 1, max: 3 }),
          rows: fc.integer({ min: 1, max: 17 }),
          taps: fc.integer({ min: 1, max: 4 }),
          channels: fc.integer({ min: 1, max: 20 }),
          largest: fc.constantFrom(2047, 20000, 32767),
          seed: fc.integer({ min: 0, max: 2 ** 31 }),
        }),
        async (of) => {
          const { found, expected } = await both(build, of);
          expect(found).toEqual(expected);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("are at most 255 pairs, and one where two are too many", async () => {
    const small = { groups: 1, rows: 1, taps: 1, seed: 1 };
    expect((await both("simd", { ...small, channels: 1100, largest: 1 })).found).toEqual([[255, 255, 40]]);
    const core = await newCore("simd");
    const at = dirty(core, 64);
    core.i16(at, 32).fill(0).set([32767, -32767], 0);
    core.i16(at, 32)[16] = 1;
    const counts = turnsOf(core, { kernel, groups: 1, rows: 1, taps: 1, channels: 4 }, at);
    expect([...core.u8(counts, 2)]).toEqual([1, 1]);
  });
});
