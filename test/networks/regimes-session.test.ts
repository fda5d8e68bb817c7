import { describe, expect, test } from "vitest";
import { networkToOnnx } from "../../src/networks/regimes.ts";
import {
  approximate,
  type DyadicNetwork,
  denseNetwork,
  evaluate,
  fromNumber,
  lowerPrecision,
  toNumber,
} from "../../src/regimes/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { lipschitzWalk, random } from "../regimes/helpers.ts";

/** Outputs of a session in float32, row by row. */
async function inSession(network: DyadicNetwork, rows: readonly (readonly number[])[]): Promise<number[][]> {
  const session = await InferenceSession.create(networkToOnnx(network), { preset: "float32" });
  try {
    const x = new Tensor("float32", Float32Array.from(rows.flat()), [rows.length, network.inputs]);
    const { y } = await session.run({ x });
    const data = Array.from(y!.data as Float32Array);
    const width = data.length / rows.length;
    return rows.map((_, r) => data.slice(r * width, (r + 1) * width));
  } finally {
    await session.release();
  }
}

const exactly = (network: DyadicNetwork, rows: readonly (readonly number[])[]) =>
  rows.map((row) => evaluate(network, row.map(fromNumber)).map(toNumber));

describe("in a session", () => {
  test("a lowered network gives the exact outputs of its original", async () => {
    const next = random(11);
    const eighths = (n: number) => Array.from({ length: n }, () => Math.round((2 * next() - 1) * 8) / 8);
    const layer = (outputs: number, inputs: number) => ({
      weights: Array.from({ length: outputs }, () => eighths(inputs)),
      bias: eighths(outputs),
    });
    const network = denseNetwork([layer(12, 3), layer(12, 12), layer(2, 12)]);
    const rows = Array.from({ length: 50 }, () => eighths(3).map((value) => value * 4));
    for (const bits of [1, 2]) {
      const lowered = await lowerPrecision(network, bits);
      expect(await inSession(lowered.network, rows)).toEqual(exactly(network, rows));
    }
  });

  test("so do the constructions on their grid", async () => {
    const rows = Array.from({ length: 129 }, (_, k) => [k / 128]);
    for (const style of ["interpolant", "scan", "table"] as const) {
      const { network } = await approximate(lipschitzWalk(2, 7), { lipschitz: 1, error: 0.11, style });
      expect(await inSession(network, rows)).toEqual(exactly(network, rows));
    }
  });

  test("beyond 24 bits float32 rounds, and comes close", async () => {
    const next = random(12);
    const layer = (outputs: number, inputs: number) => ({
      weights: Array.from({ length: outputs }, () =>
        Array.from({ length: inputs }, () => Math.round((2 * next() - 1) * 128) / 128),
      ),
    });
    const network = denseNetwork([layer(32, 4), layer(32, 32), layer(32, 32), layer(3, 32)]);
    const { network: lowered } = await lowerPrecision(network, 1);
    const rows = Array.from({ length: 10 }, () => Array.from({ length: 4 }, () => Math.fround(2 * next() - 1)));
    const [got, expected] = [await inSession(lowered, rows), exactly(network, rows)];
    const largest = Math.max(...expected.flat().map(Math.abs));
    got.flat().forEach((value, i) => {
      expect(Math.abs(value - expected.flat()[i]!) / largest).toBeLessThan(1e-5);
    });
  });
});
