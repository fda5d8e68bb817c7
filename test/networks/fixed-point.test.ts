import { expect, test } from "vitest";
import { randomIntegers } from "../../src/core/random.ts";
import {
  createNetwork,
  evaluate,
  type FixedNetwork,
  inputAt,
  inputCount,
  maximum,
  synthesize,
} from "../../src/fixed-point/index.ts";
import { exportFixedPoint, fixedPointGraph } from "../../src/networks/fixed-point.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";

/** Outputs of the exported network on all inputs, by a session. */
async function runEverywhere(network: FixedNetwork): Promise<number[]> {
  const d = network.layers[0]!.inputs;
  const total = inputCount(network.p, d);
  const x = new Float32Array(total * d);
  for (let i = 0; i < total; i++) x.set(inputAt(i, network.p, d), i * d);
  const session = await InferenceSession.create(exportFixedPoint(network), { preset: "float32" });
  try {
    const { y } = await session.run({ x: new Tensor("float32", x, [total, d]) });
    return Array.from(y!.data as Float32Array, (value) => value + 0);
  } finally {
    await session.release();
  }
}

test("synthesized networks give their tables in a session, for several activations, scales and widths", async () => {
  const random = randomIntegers(9);
  for (const [activation, p, s, d] of [
    ["relu", 3, 1, 2],
    ["identity", 2, 3, 2],
    ["gelu", 3, 4, 1],
    ["sigmoid", 2, 1, 2],
    ["tanh", 3, 2, 1],
    ["cos", 2, 2, 1],
    ["relu", 7, 20, 1],
  ] as const) {
    const f = Array.from({ length: inputCount(p, d) }, () => random(-maximum(p), maximum(p)));
    const { network } = await synthesize(f, { d, activation, p, s });
    expect(await runEverywhere(network!), `${activation} p=${p} s=${s}`).toEqual(f);
  }
});

test("sums beyond the exact range of float32 are split, and stay exact", async () => {
  const random = randomIntegers(10);
  const m = maximum(8);
  const width = 700;
  const network = createNetwork({
    p: 8,
    s: 3,
    activation: "relu",
    layers: [
      {
        inputs: 1,
        outputs: width,
        weights: Array.from({ length: width }, () => random(-m, m)),
        biases: Array.from({ length: width }, () => random(-2000, 2000)),
      },
      {
        inputs: width,
        outputs: 3,
        weights: Array.from({ length: 3 * width }, () => random(-m, m)),
        biases: [0, -90000, 123456],
      },
    ],
  });
  expect(fixedPointGraph(network).nodes.filter((node) => node.op === "MatMul")).toHaveLength(3);
  const wanted = Array.from({ length: 511 }, (_, i) => evaluate(network, [i - m])).flat();
  expect(await runEverywhere(network)).toEqual(wanted);
});

test("what float32 cannot do exactly is refused", () => {
  const layer = { inputs: 1, outputs: 1, weights: [1], biases: [0] };
  expect(() => fixedPointGraph(createNetwork({ p: 16, s: 4096, activation: "relu", layers: [layer] }))).toThrow(
    /rounding at s = 4096, M = 65535 is not exact in float32/,
  );
});
