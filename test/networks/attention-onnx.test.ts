import { describe, expect, it } from "vitest";
import { gamma } from "../../src/attention/index.ts";
import { gammaOnnx, gammaTokens } from "../../src/networks/attention-onnx.ts";
import { InferenceSession } from "../../src/session/session.ts";

/** Answers of the exported layer on all pairs, run in float32. */
async function answers(p: number, d: number, embeddingBits?: number) {
  const n = Number(gamma(p, d).alphabet);
  const pairs = Array.from({ length: n * n }, (_, i) => [Math.floor(i / n), i % n] as const);
  const onnx = gammaOnnx(p, d, embeddingBits === undefined ? {} : { embeddingBits });
  const session = await InferenceSession.create(onnx, { preset: "float32" });
  const { equal, readout } = await session.run({ tokens: gammaTokens(p, d, pairs) });
  await session.release();
  const wrong = pairs.filter(([i, j], at) => (Number(equal!.data[at]) === 1) !== (i === j)).length;
  return { pairs, wrong, readout: readout!.data as Float32Array };
}

describe("gammaOnnx", () => {
  it.each([
    [2, 1],
    [3, 1],
    [4, 1],
    [5, 1],
    [2, 2],
  ])("is right on all pairs in a session at p = %i, d = %i, number by number", async (p, d) => {
    const g = gamma(p, d);
    const { pairs, wrong, readout } = await answers(p, d);
    expect(wrong).toBe(0);
    pairs.forEach(([i, j], at) => {
      if (readout[at] !== g.evaluate(g.symbol(i), g.symbol(j)).readout / 2) expect.unreachable(`pair ${i}, ${j}`);
    });
  });

  // [p, wrong answers of this layer with p − 1 bits, wrong answers that p − 1 bits force on every layer]
  it.each([
    [2, 12, 5],
    [3, 20, 9],
    [4, 36, 17],
    [5, 68, 33],
  ])("makes %i − 1 bits wrong on %i pairs, at least %i", async (p, expected, least) => {
    const { wrong } = await answers(p, 1, p - 1);
    expect(wrong).toBe(expected);
    expect(gamma(p, 1).leastWrongBelow).toBe(BigInt(least));
    expect(wrong).toBeGreaterThanOrEqual(least);
  });

  it("refuses what it cannot write", () => {
    expect(() => gammaOnnx(2, 1, { embeddingBits: 3 })).toThrow('"embeddingBits" expected integer in 1..2, got 3');
    expect(() => gammaOnnx(8, 3)).toThrow("at most 65536 symbols");
    expect(() => gammaOnnx(1, 1)).toThrow('"p" expected integer in 2..16, got 1');
  });
});
