import { expect, test } from "vitest";
import { roundAway } from "../../src/fixed-point/arithmetic.ts";
import { type RealNetwork, roundNetwork, roundOff } from "../../src/fixed-point/round-off.ts";

/** |x − y| by ReLU, with weights that are multiples of 1/4. */
const network: RealNetwork = {
  activation: "relu",
  layers: [
    { inputs: 2, outputs: 2, weights: [1, -1, -1, 1], biases: [0, 0] },
    { inputs: 2, outputs: 2, weights: [1, 1, -0.25, -0.25], biases: [0, 0.5] },
  ],
};
const samples = Array.from({ length: 81 }, (_, i) => [(i % 9) / 4 - 1, Math.floor(i / 9) / 4 - 1]);

test("a format that holds all weights and values costs nothing", () => {
  const { points } = roundOff(network, samples, { formats: [[6, 16]] });
  expect(points[0]).toMatchObject({
    agreement: 1,
    error: 0,
    saturated: 0,
    lostWeights: 0,
    dead: 0,
    belowThreshold: true,
    separates: true,
  });
});

test("what each format loses is counted", () => {
  const { points } = roundOff(network, samples, {
    formats: [
      [3, 1],
      [3, 4],
      [2, 8],
      [3, 16],
    ],
  });
  const [coarse, exact, saturating, beyond] = points as [
    (typeof points)[0],
    (typeof points)[0],
    (typeof points)[0],
    (typeof points)[0],
  ];
  expect(coarse.lostWeights).toBe(0.25); // −1/4 twice among eight
  expect(coarse.equalInputs).toBeGreaterThan(0.5);
  expect(exact).toMatchObject({ lostWeights: 0, equalInputs: 0 });
  expect(saturating.saturated).toBe(0.75); // 1·8 > 3
  expect(saturating).toMatchObject({ belowThreshold: false, separates: false });
  expect(beyond).toMatchObject({ belowThreshold: false, separates: false });
  expect(beyond.error).toBeGreaterThan(exact.error);
});

test("ties round away from zero, as everywhere in this arithmetic", () => {
  // −1/2 becomes −1 (Math.round has 0): weights, biases and inputs.
  const half: RealNetwork = {
    activation: "identity",
    layers: [{ inputs: 1, outputs: 2, weights: [-0.5, 0.5], biases: [-1.5, -0.5] }],
  };
  const rounded = roundNetwork(half, 3, 1);
  expect([...rounded.layers[0]!.weights, ...rounded.layers[0]!.biases]).toEqual([-1, 1, -2, -1]);
  const { points } = roundOff(half, [[-0.5]], { formats: [[3, 1]] });
  // x = −1: outputs −2 + 1 and −1 − 1, against 0.25 − 1.5 and −0.25 − 0.5.
  expect(points[0]!.error).toBeCloseTo(Math.sqrt((0.25 ** 2 + 1.25 ** 2) / 2), 12);
  expect(points[0]!.lostWeights).toBe(0);
  expect([roundAway(0.49999999999999994), roundAway(-2.5), Object.is(roundAway(-0.2), 0)]).toEqual([0, -3, true]);
});

test("bad studies are named", () => {
  expect(() => roundOff(network, [], { formats: [[3, 1]] })).toThrow('"samples" expected at least one input, got none');
  expect(() => roundOff(network, samples, { formats: [[3, 1]], labels: [1] })).toThrow(
    '"labels" expected 81 labels, got 1',
  );
  expect(() => roundOff({ ...network, activation: [0, 0, 1] }, samples, { formats: [[3, 1]] })).toThrow(TypeError);
});
