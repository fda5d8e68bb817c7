import { checkHolds, shown, wrongKind } from "../core/index.ts";
import { type Activation, activationTable } from "./activations.ts";
import { checkFormat, clamp, EXACT, maximum, rdiv, rdivBig } from "./arithmetic.ts";

/** An affine layer: z = clamp(round(B + Σ w·x / s)), one rounding. All numbers in units of 1/s. */
export interface FixedLayer {
  /** Values that it reads, ≥ 1. */
  readonly inputs: number;
  /** Values that it gives, ≥ 1. */
  readonly outputs: number;
  /** outputs × inputs, row-major, |w| ≤ M. */
  readonly weights: Int32Array;
  /** One per output; any integer below 2^53. */
  readonly biases: Float64Array;
}

/** A network over Q_{p,s}: the activation follows every layer but the last. */
export interface FixedNetwork {
  /** Bits of a number without its sign: |k| ≤ M = 2^p − 1. */
  readonly p: number;
  /** Scale: numbers are multiples of 1/s. */
  readonly s: number;
  /** Name of the activation, or its table as numbers. */
  readonly activation: string | readonly number[];
  /** The activation table, 2M + 1 entries. */
  readonly table: Int32Array;
  /** From the inputs to the outputs; each reads what the one before gives. */
  readonly layers: readonly FixedLayer[];
}

/** A network as JSON; `weights` row-major, outputs × inputs. */
export interface FixedNetworkJson {
  /** Says what the file is. */
  readonly format: "bitbasis fixed-point network";
  /** Of this form. */
  readonly version: 1;
  /** Bits of a number without its sign: |k| ≤ M = 2^p − 1. */
  readonly p: number;
  /** Scale: numbers are multiples of 1/s. */
  readonly s: number;
  /** Name of the activation, or its table as numbers. */
  readonly activation: string | readonly number[];
  /** From the inputs to the outputs. */
  readonly layers: readonly {
    /** Values that the layer reads. */
    readonly inputs: number;
    /** Values that it gives. */
    readonly outputs: number;
    /** Integers in units of 1/s, outputs × inputs of them. */
    readonly weights: readonly number[];
    /** Integers in units of 1/s, one per output. */
    readonly biases: readonly number[];
  }[];
}

/** Size of a network. */
export interface NetworkSize {
  /** Weights and biases, zeros included. */
  readonly parameters: number;
  /** Weights and biases that are not 0. */
  readonly nonZero: number;
  /** Affine layers. */
  readonly depth: number;
  /** Neurons of the widest layer. */
  readonly width: number;
  /** Neurons of every layer, the last one included. */
  readonly widths: readonly number[];
}

/**
 * Checks and builds a network.
 *
 * @throws RangeError for shapes that do not fit, weights beyond M, biases that are not integers
 * @example
 * createNetwork({ p: 3, s: 1, activation: "relu", layers: [{ inputs: 1, outputs: 1, weights: [2], biases: [0] }] });
 */
export function createNetwork(description: {
  readonly p: number;
  readonly s: number;
  readonly activation: Activation;
  readonly layers: readonly {
    readonly inputs: number;
    readonly outputs: number;
    readonly weights: ArrayLike<number>;
    readonly biases: ArrayLike<number>;
  }[];
}): FixedNetwork {
  checkHolds("description", "an object", description);
  const { p, s, activation } = description;
  const table = activationTable(activation, p, s);
  if (!Array.isArray(description.layers) || description.layers.length === 0) {
    throw new RangeError('"layers" expected at least one layer, got none');
  }
  let width: number | undefined;
  const layers = description.layers.map((layer, i): FixedLayer => {
    const { inputs, outputs, weights, biases } = layer;
    for (const [name, value] of Object.entries({ inputs, outputs })) {
      if (!Number.isInteger(value) || value < 1)
        throw new RangeError(`"layers[${i}].${name}" expected a positive integer, got ${shown(value)}`);
    }
    if (width !== undefined && inputs !== width) {
      throw new RangeError(`"layers[${i}].inputs" expected ${width}, the outputs of the layer before, got ${inputs}`);
    }
    width = outputs;
    checkIntegers(`layers[${i}].weights`, weights, inputs * outputs, maximum(p));
    checkIntegers(`layers[${i}].biases`, biases, outputs, EXACT - 1);
    return { inputs, outputs, weights: Int32Array.from(weights), biases: Float64Array.from(biases) };
  });
  return { p, s, activation: typeof activation === "string" ? activation : Array.from(table), table, layers };
}

function checkIntegers(name: string, list: ArrayLike<number>, length: number, limit: number): void {
  if (list?.length !== length)
    throw new RangeError(`"${name}" expected ${length} integers, got ${list?.length ?? typeof list}`);
  for (let i = 0; i < length; i++) {
    const value = list[i]!;
    if (!Number.isInteger(value) || Math.abs(value) > limit) {
      throw new RangeError(`"${name}" expected integers in ${-limit}..${limit}, got ${shown(value)} at ${i}`);
    }
  }
}

/** @throws TypeError or RangeError unless the layers of a network, which may have been made by hand, have what their sizes say */
function checkLayers(network: unknown): asserts network is Pick<FixedNetwork, "layers"> {
  checkHolds("network", "a fixed-point network", network, "layers");
  const { layers } = network as { layers: readonly Partial<FixedLayer>[] };
  if (layers.length === 0) throw new RangeError('"network.layers" expected at least one layer, got none');
  for (const [l, layer] of layers.entries()) {
    const { inputs = 0, outputs = 0, weights, biases } = layer ?? {};
    const fits = weights instanceof Int32Array && biases instanceof Float64Array;
    if (!fits || weights.length !== inputs * outputs || biases.length !== outputs || outputs < 1 || inputs < 1)
      throw wrongKind(`network.layers[${l}]`, "a layer as `createNetwork` makes it", layer);
    const before = layers[l - 1]?.outputs ?? inputs;
    if (inputs !== before) throw new RangeError(`"network.layers[${l}].inputs" expected ${before}, got ${inputs}`);
  }
}

/** @throws TypeError or RangeError unless it is a network, also one made by hand */
export function checkNetwork(network: unknown): asserts network is FixedNetwork {
  checkLayers(network);
  const { p, s, table } = network as FixedNetwork;
  checkFormat(p, s);
  if (!(table instanceof Int32Array) || table.length !== 2 * maximum(p) + 1)
    throw wrongKind("network.table", `an Int32Array of ${2 * maximum(p) + 1} entries`, table);
}

/**
 * A network as JSON, which `networkFromJson` reads; an activation that was given as a function is its table there.
 *
 * @throws TypeError unless it is a network of this module
 * @example
 * await writeFile("network.json", JSON.stringify(networkToJson(network)));
 */
export function networkToJson(network: FixedNetwork): FixedNetworkJson {
  checkNetwork(network);
  const { p, s, activation, layers } = network;
  return {
    format: "bitbasis fixed-point network",
    version: 1,
    p,
    s,
    activation,
    layers: layers.map(({ inputs, outputs, weights, biases }) => ({
      inputs,
      outputs,
      weights: Array.from(weights),
      biases: Array.from(biases),
    })),
  };
}

/** @throws TypeError, RangeError for anything that is not such a network */
export function networkFromJson(json: unknown): FixedNetwork {
  if (
    typeof json !== "object" ||
    json === null ||
    (json as FixedNetworkJson).format !== "bitbasis fixed-point network"
  ) {
    throw new TypeError('"json" expected a network with "format": "bitbasis fixed-point network"');
  }
  const { version } = json as FixedNetworkJson;
  if (version !== 1) throw new RangeError(`"version" expected 1, got ${shown(version)}`);
  return createNetwork(json as FixedNetworkJson);
}

/**
 * The outputs for one input, exactly.
 *
 * @param x integers in −M … M, one per input
 * @example
 * evaluate(network, [3, -1]); // [2]
 */
export function evaluate(network: FixedNetwork, x: ArrayLike<number>): number[] {
  checkNetwork(network);
  const { p, s, table, layers } = network;
  const m = maximum(p);
  checkIntegers("x", x, layers[0]!.inputs, m);
  let values = Array.from(x);
  layers.forEach((layer, l) => {
    const rounded = Array.from(layer.biases, (bias, row) => neuron(layer, row, bias, values, s, m));
    values = l + 1 < layers.length ? rounded.map((z) => table[z + m]!) : rounded;
  });
  return values;
}

function neuron(layer: FixedLayer, row: number, bias: number, x: readonly number[], s: number, m: number): number {
  const { inputs, weights } = layer;
  const start = row * inputs;
  let sum = s * bias;
  let size = Math.abs(sum);
  for (let i = 0; i < inputs; i++) {
    const product = weights[start + i]! * x[i]!;
    sum += product;
    size += Math.abs(product);
  }
  if (size < EXACT) return clamp(rdiv(sum, s), m);
  let exact = BigInt(s) * BigInt(bias);
  for (let i = 0; i < inputs; i++) exact += BigInt(weights[start + i]!) * BigInt(x[i]!);
  const z = rdivBig(exact, BigInt(s));
  return z > BigInt(m) ? m : z < BigInt(-m) ? -m : Number(z);
}

/**
 * What a network costs to store.
 *
 * @example
 * networkSize(network).parameters; // weights and biases of all layers
 */
export function networkSize(network: Pick<FixedNetwork, "layers">): NetworkSize {
  checkLayers(network);
  const { layers } = network;
  const widths = layers.map((layer) => layer.outputs);
  const count = (list: ArrayLike<number>): number => {
    let sum = 0;
    for (let i = 0; i < list.length; i++) if (list[i] !== 0) sum++;
    return sum;
  };
  return {
    parameters: layers.reduce((sum, layer) => sum + layer.outputs * (layer.inputs + 1), 0),
    nonZero: layers.reduce((sum, layer) => sum + count(layer.weights) + count(layer.biases), 0),
    depth: layers.length,
    width: Math.max(...widths),
    widths,
  };
}
