// ReLU networks with exact dyadic weights, stored sparsely: layers of neurons, ReLU after every layer but the last.
import { checkHolds, checkInteger, checkList, isRecord, wrongKind } from "../core/index.ts";
import { absolute, type Dyadic, dyadic, formatDyadic, parseDyadic, scaled, trailingZeros } from "./dyadic.ts";

/** One neuron: bias + Σ weights[k]·input[indices[k]]; indices are distinct, weights not 0. */
export interface Neuron {
  readonly bias: Dyadic;
  readonly indices: readonly number[];
  readonly weights: readonly Dyadic[];
}

export type Layer = readonly Neuron[];

/** A ReLU network of `layers.length` affine maps; no ReLU after the last. */
export interface DyadicNetwork {
  /** Number of inputs. */
  readonly inputs: number;
  /** From the inputs to the outputs. */
  readonly layers: readonly Layer[];
}

/** What a network costs to store. */
export interface NetworkSize {
  /** Affine maps. */
  readonly depth: number;
  /** Neurons of the widest layer, the output included, the input not. */
  readonly width: number;
  /** The least a ≥ 0 such that every weight and bias is at most 2^a in magnitude. */
  readonly a: number;
  /** Fractional bits: every weight and bias is a multiple of 2^-b. */
  readonly b: number;
  /** a + b + 1, the bits that one weight takes. */
  readonly bitsPerWeight: number;
  /** Weights and biases, zeros included. */
  readonly parameters: number;
  /** Weights and biases that are not 0. */
  readonly nonZero: number;
  /** parameters · bitsPerWeight. */
  readonly denseMemory: number;
  /** nonZero · bitsPerWeight; the positions of the non-zeros are not counted. */
  readonly sparseMemory: number;
}

/** Depth, width, weight format and memory in bits of a network. */
export function networkSize(network: DyadicNetwork): NetworkSize {
  checkNetwork(network);
  let previous = network.inputs;
  let parameters = 0;
  let nonZero = 0;
  let width = 0;
  let b = 0;
  let a = 0;
  for (const layer of network.layers) {
    parameters += layer.length * (previous + 1);
    previous = layer.length;
    width = Math.max(width, previous);
    for (const { bias, weights } of layer) {
      nonZero += weights.length + (bias.numerator === 0n ? 0 : 1);
      for (const value of weights) {
        b = Math.max(b, value.exponent);
        a = Math.max(a, magnitude(value));
      }
      b = Math.max(b, bias.exponent);
      a = Math.max(a, magnitude(bias));
    }
  }
  const bitsPerWeight = a + b + 1;
  const denseMemory = parameters * bitsPerWeight;
  const sparseMemory = nonZero * bitsPerWeight;
  return {
    depth: network.layers.length,
    width,
    a,
    b,
    bitsPerWeight,
    parameters,
    nonZero,
    denseMemory,
    sparseMemory,
  };
}

/** The least k with |value| ≤ 2^k; -Infinity for 0. */
export function magnitude(value: Dyadic): number {
  if (value.numerator === 0n) return Number.NEGATIVE_INFINITY;
  const { numerator, exponent } = absolute(value);
  // An odd numerator is a power of two only if it is 1.
  return (numerator === 1n ? 0 : numerator.toString(2).length) - exponent;
}

/** A network as JSON: layers of neurons `[bias, { index: weight }]`, numbers as exact fractions. */
export type NetworkJson = readonly (readonly [string, Readonly<Record<string, string>>])[][];

/**
 * A network as JSON, exact: `networkFromJson` gives it back.
 *
 * @throws TypeError unless it is a network of dyadic weights
 * @example
 * JSON.stringify(networkToJson(network)); // [[["1/2",{"0":"-3/8"}]]]
 */
export function networkToJson(network: DyadicNetwork): NetworkJson {
  checkNetwork(network);
  return network.layers.map((layer) =>
    layer.map(({ bias, indices, weights }) => [
      formatDyadic(bias),
      Object.fromEntries(indices.map((index, k) => [String(index), formatDyadic(weights[k]!)])),
    ]),
  );
}

/**
 * Reads what `networkToJson` writes.
 * @param inputs number of inputs, 1 unless told
 * @throws RangeError when a weight is not dyadic or an index names no neuron of the layer before
 */
export function networkFromJson(json: NetworkJson, inputs = 1): DyadicNetwork {
  checkList("json", json);
  for (const [l, layer] of json.entries()) {
    checkList(`json[${l}]`, layer);
    for (const [i, neuron] of layer.entries())
      if (!Array.isArray(neuron) || typeof neuron[0] !== "string" || !isRecord(neuron[1]))
        throw wrongKind(`json[${l}][${i}]`, "[bias, { index: weight }]", neuron);
  }
  return checkNetwork({
    inputs,
    layers: json.map((layer) =>
      layer.map(([bias, weights]) => {
        const entries = Object.entries(weights).map(([index, weight]) => [Number(index), parseDyadic(weight)] as const);
        const nonZero = entries.filter(([, weight]) => weight.numerator !== 0n);
        return {
          bias: parseDyadic(bias),
          indices: nonZero.map(([index]) => index),
          weights: nonZero.map(([, weight]) => weight),
        };
      }),
    ),
  });
}

/** A layer from a dense matrix [outputs][inputs] and a bias per output. */
export function denseLayer(weights: readonly (readonly Dyadic[])[], bias: readonly Dyadic[]): Layer {
  return weights.map((row, i) => {
    const indices: number[] = [];
    row.forEach((weight, j) => {
      if (weight.numerator !== 0n) indices.push(j);
    });
    return { bias: bias[i]!, indices, weights: indices.map((j) => row[j]!) };
  });
}

/** Inputs of a network at most: a row of float32 numbers is 64 MB then. */
const MOST_INPUTS = 2 ** 24;

/**
 * Refuses a network whose parts do not fit together, also one made by hand.
 * @throws TypeError or RangeError that names the layer and neuron
 */
export function checkNetwork(network: DyadicNetwork): DyadicNetwork {
  checkHolds("network", "a network of dyadic weights", network, "layers");
  checkInteger("network.inputs", network.inputs, 1, MOST_INPUTS);
  if (network.layers.length === 0) throw new RangeError('"network.layers" expected at least one layer, got none');
  let previous = network.inputs;
  network.layers.forEach((layer, l) => {
    checkList(`network.layers[${l}]`, layer);
    // Lowering leaves hidden layers without neurons where a function is constant.
    if (layer.length === 0 && l === network.layers.length - 1)
      throw new RangeError(`"network.layers[${l}]" expected at least one neuron, got an empty layer`);
    layer.forEach((neuron, i) => {
      checkHolds(`network.layers[${l}][${i}]`, "a neuron", neuron, "indices", "weights");
      const { bias, indices, weights } = neuron;
      if (!isDyadic(bias) || !weights.every(isDyadic))
        throw new TypeError(`layer ${l}, neuron ${i} expected a bias and weights that are dyadic numbers`);
      if (indices.length !== weights.length)
        throw new RangeError(
          `layer ${l}, neuron ${i} expected as many weights as indices, got ${weights.length} and ${indices.length}`,
        );
      for (const index of indices) {
        if (!Number.isInteger(index) || index < 0 || index >= previous)
          throw new RangeError(`layer ${l}, neuron ${i} expected indices in 0..${previous - 1}, got ${index}`);
      }
    });
    previous = layer.length;
  });
  return network;
}

function isDyadic(value: unknown): value is Dyadic {
  return isRecord(value) && typeof value["numerator"] === "bigint" && Number.isSafeInteger(value["exponent"]);
}

/**
 * The exact outputs for one exact input.
 * @param x one dyadic value per input
 */
export function evaluate(network: DyadicNetwork, x: readonly Dyadic[]): Dyadic[] {
  checkList("x", x);
  for (const [i, value] of x.entries()) if (!isDyadic(value)) throw wrongKind(`x[${i}]`, "a dyadic number", value);
  checkPoint({ numerators: x.map(({ numerator }) => numerator), denominator: 1n }, checkNetwork(network).inputs);
  return evaluateChecked(network, x);
}

/** `evaluate` for many points of one network, which has been checked: the check costs about what a point does. */
export function evaluateChecked(network: DyadicNetwork, x: readonly Dyadic[]): Dyadic[] {
  const exponent = x.reduce((most, value) => Math.max(most, value.exponent), 0);
  const result = forward(
    network,
    x.map((value) => scaled(value, exponent)),
    1n << BigInt(exponent),
  );
  return result.numerators.map((value) => dyadic(value, result.exponent + exponent));
}

/** Rational inputs over one denominator: x[i] = numerators[i] / denominator. */
export interface RationalPoint {
  readonly numerators: readonly bigint[];
  readonly denominator: bigint;
}

/** @throws TypeError or RangeError unless it is a point of so many coordinates */
export function checkPoint(point: unknown, inputs: number): RationalPoint {
  checkHolds("point", "a rational point", point, "numerators");
  const { numerators, denominator } = point as RationalPoint;
  if (numerators.length !== inputs)
    throw new RangeError(`"point.numerators" expected ${inputs} integers, got ${numerators.length}`);
  for (const value of numerators) if (typeof value !== "bigint") throw wrongKind("point.numerators", "bigints", value);
  if (typeof denominator !== "bigint") throw wrongKind("point.denominator", "a bigint", denominator);
  if (denominator < 1n) throw new RangeError(`"point.denominator" expected at least 1, got ${denominator}`);
  return { numerators, denominator };
}

/**
 * The exact outputs for one input off any grid: output i is numerators[i] / (denominator·2^exponent), with the denominator given.
 * Used to test that networks agree on all rationals, not on dyadic points only.
 */
export function evaluateRational(
  network: DyadicNetwork,
  point: RationalPoint,
): {
  /** One per output. */
  numerators: bigint[];
  /** As given. */
  denominator: bigint;
  /** Fractional bits that the network adds, ≥ 0. */
  exponent: number;
} {
  checkNetwork(network);
  const { numerators, denominator } = checkPoint(point, network.inputs);
  return { ...forward(network, numerators, denominator), denominator };
}

function forward(
  network: DyadicNetwork,
  inputs: readonly bigint[],
  denominator: bigint,
): { numerators: bigint[]; exponent: number } {
  let values = [...inputs];
  let exponent = 0;
  network.layers.forEach((layer, l) => {
    const last = l === network.layers.length - 1;
    let b = 0;
    for (const { bias, weights } of layer) {
      b = Math.max(b, bias.exponent - exponent);
      for (const weight of weights) b = Math.max(b, weight.exponent);
    }
    exponent += b;
    values = layer.map(({ bias, indices, weights }) => {
      let sum = scaled(bias, exponent) * denominator;
      for (let k = 0; k < indices.length; k++) sum += values[indices[k]!]! * scaled(weights[k]!, b);
      return !last && sum < 0n ? 0n : sum;
    });
    // Deep networks double and halve: without this the integers would grow with the depth.
    let spare = exponent;
    for (const value of values) {
      if (value !== 0n) spare = Math.min(spare, trailingZeros(value));
    }
    if (spare > 0) {
      exponent -= spare;
      values = values.map((value) => value >> BigInt(spare));
    }
  });
  return { numerators: values, exponent };
}
