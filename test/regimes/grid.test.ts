import { describe, expect, test } from "vitest";
import { bitExtractionNetwork } from "../../src/regimes/construct/bit-extraction.ts";
import { dyadic, formatDyadic, fromNumber } from "../../src/regimes/dyadic.ts";
import { evaluatePoints, gridValue, unitGrid } from "../../src/regimes/grid.ts";
import { checkNetwork, type DyadicNetwork, denseLayer, evaluate, evaluateRational } from "../../src/regimes/network.ts";
import { FUNCTIONS, lipschitzPath, random } from "./helpers.ts";

function randomNetwork(seed: number, dims: readonly number[], bits: number): DyadicNetwork {
  const next = random(seed);
  const value = () => dyadic(BigInt(Math.floor((2 * next() - 1) * 2 ** bits)), Math.floor(next() * bits));
  return {
    inputs: dims[0]!,
    layers: dims.slice(1).map((outputs, l) =>
      denseLayer(
        Array.from({ length: outputs }, () => Array.from({ length: dims[l]! }, value)),
        Array.from({ length: outputs }, value),
      ),
    ),
  };
}

describe("exact evaluation in the core", () => {
  test("agrees with BigInt on random networks, odd numbers of points included", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const network = randomNetwork(seed, [2, 1 + (seed % 7), 5, 3], 6);
      const next = random(seed + 100);
      const count = 1 + seed * 7;
      const inputs = [0, 1].map(() =>
        BigInt64Array.from({ length: count }, () => BigInt(Math.floor((next() - 0.5) * 4096))),
      );
      const values = await evaluatePoints(network, inputs, 5);
      expect(values.wide).toBe(0);
      for (let k = 0; k < count; k++) {
        const exact = evaluate(
          network,
          inputs.map((column) => dyadic(column[k]!, 5)),
        );
        expect(exact.map((_, i) => formatDyadic(gridValue(values, i, k)))).toEqual(exact.map(formatDyadic));
      }
    }
  });

  test("numbers beyond 64 bits go to BigInt and stay exact", async () => {
    const big = randomNetwork(3, [1, 6, 6, 6, 1], 24);
    const values = await evaluatePoints(big, [unitGrid(4)], 4);
    expect(values.wide).toBe(17);
    for (let k = 0; k <= 16; k++)
      expect(formatDyadic(gridValue(values, 0, k))).toBe(formatDyadic(evaluate(big, [dyadic(BigInt(k), 4)])[0]!));
    const deep = bitExtractionNetwork(lipschitzPath(FUNCTIONS["wave"]!, 6), 5);
    const wide = await evaluatePoints(deep, [unitGrid(7)], 7);
    for (let k = 0; k <= 128; k++)
      expect(formatDyadic(gridValue(wide, 0, k))).toBe(formatDyadic(evaluate(deep, [dyadic(BigInt(k), 7)])[0]!));
  });

  test("rational inputs agree with dyadic ones where both exist", () => {
    const network = randomNetwork(9, [3, 4, 2], 5);
    const { numerators, denominator, exponent } = evaluateRational(network, {
      numerators: [3n, -5n, 7n],
      denominator: 4n,
    });
    const exact = evaluate(
      network,
      [3, -5, 7].map((k) => fromNumber(k / 4)),
    );
    expect(numerators.map((value) => formatDyadic(dyadic(value, exponent + 2)))).toEqual(exact.map(formatDyadic));
    expect(denominator).toBe(4n);
  });

  test("an aborted signal is obeyed, and parts that do not fit are named", async () => {
    const network = randomNetwork(1, [1, 2, 1], 3);
    await expect(
      evaluatePoints(network, [unitGrid(3)], 3, { signal: AbortSignal.abort(new Error("stop")) }),
    ).rejects.toThrow("stop");
    await expect(evaluatePoints(network, [], 3)).rejects.toThrow('"inputs" expected 1 arrays, got 0');
    expect(() =>
      checkNetwork({ inputs: 1, layers: [[{ bias: dyadic(0n), indices: [1], weights: [dyadic(1n)] }]] }),
    ).toThrow("layer 0, neuron 0 expected indices in 0..0, got 1");
  });
});
