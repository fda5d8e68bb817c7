import { Batch, LayerRecord, NetworkRecord } from "../core/abi/lattice.ts";
import { checkPace, Lattice, Turns } from "../core/index.ts";
import { EXACT, maximum } from "./arithmetic.ts";
import { checkNetwork, evaluate, type FixedLayer, type FixedNetwork } from "./network.ts";
import { checkTarget, fillTargets, inputAt, inputCount, type Target } from "./targets.ts";

/** How a long check is watched and stopped. */
export interface VerifyOptions {
  /** Rejects with the signal's reason between slices of about 20 ms. */
  signal?: AbortSignal;
  /** Inputs evaluated so far, and all of them. */
  onProgress?: (progress: { phase: string; loaded: number; total: number }) => void;
}

/** What `verify` found. */
export interface Verification {
  /** The network gives the wanted outputs on every input of Q^d. */
  readonly ok: boolean;
  /** Inputs evaluated, up to and including the counterexample. */
  readonly evaluated: number;
  /** The first input, in lexicographic order, on which they differ. */
  readonly counterexample?: {
    /** d integers in units of 1/s. */
    readonly input: number[];
    /** What was wanted, in units of 1/s. */
    readonly expected: number[];
    /** What the network gives, in units of 1/s. */
    readonly actual: number[];
  };
}

/** Multiply-adds per slice of about 20 ms, in the kernel and in TypeScript. */
const SLICE = 2 ** 27;
const SLOW_SLICE = 2 ** 20;
/** p up to which values fit the kernel's i16. */
const KERNEL_P = 15;

/**
 * Evaluates a network on every input of Q^d, exactly, and compares: a proof, not a test. Runs in the SIMD kernel of the lattice module, which
 * takes p ≤ 15 and sums below 2^53; beyond that in TypeScript.
 *
 * @param f the wanted function, in units of 1/s
 * @example
 * const { ok, counterexample } = await verify(network, (x, y) => Math.min(x, y));
 */
export async function verify(network: FixedNetwork, f: Target, options: VerifyOptions = {}): Promise<Verification> {
  checkNetwork(network);
  checkPace(options);
  const { p, layers } = network;
  const d = layers[0]!.inputs;
  const outputs = layers.at(-1)!.outputs;
  const total = inputCount(p, d);
  checkTarget(f, p, d, outputs);
  options.signal?.throwIfAborted();
  const turns = new Turns(options.signal);
  const parameters = layers.reduce((sum, layer) => sum + layer.inputs * layer.outputs, 0);
  const kernel = p <= KERNEL_P && layers.every((layer) => bound(layer, network) < EXACT);
  const slice = kernel
    ? Batch.Block * Math.max(1, Math.floor(SLICE / parameters / Batch.Block))
    : Math.max(1, Math.floor(SLOW_SLICE / parameters));
  const find = kernel ? await kernelSearch(network, f, total) : slowSearch(network, f);
  for (let first = 0; first < total; first += slice) {
    const at = find(first, Math.min(slice, total - first));
    if (at >= 0) return { ok: false, evaluated: at + 1, counterexample: counterexample(network, f, at) };
    const loaded = Math.min(first + slice, total);
    options.onProgress?.({ phase: "verify", loaded, total });
    await turns.next();
  }
  return { ok: true, evaluated: total };
}

type Search = (first: number, count: number) => number;

/** Largest |sB| + Σ|w|·M of a layer's neurons. */
function bound({ inputs, outputs, weights, biases }: FixedLayer, { p, s }: FixedNetwork): number {
  let most = 0;
  for (let row = 0; row < outputs; row++) {
    let sum = 0;
    for (let i = 0; i < inputs; i++) sum += Math.abs(weights[row * inputs + i]!);
    most = Math.max(most, s * Math.abs(biases[row]!) + sum * maximum(p));
  }
  return most;
}

function counterexample(network: FixedNetwork, f: Target, index: number) {
  const d = network.layers[0]!.inputs;
  const outputs = network.layers.at(-1)!.outputs;
  const input = inputAt(index, network.p, d);
  const expected = new Int32Array(outputs);
  fillTargets(f, expected, { p: network.p, d, outputs, first: index, count: 1 });
  return { input, expected: Array.from(expected), actual: evaluate(network, input) };
}

function slowSearch(network: FixedNetwork, f: Target): Search {
  const d = network.layers[0]!.inputs;
  const outputs = network.layers.at(-1)!.outputs;
  const wanted = new Int32Array(outputs);
  return (first, count) => {
    for (let i = first; i < first + count; i++) {
      fillTargets(f, wanted, { p: network.p, d, outputs, first: i, count: 1 });
      if (evaluate(network, inputAt(i, network.p, d)).some((value, o) => value !== wanted[o])) return i;
    }
    return -1;
  };
}

const padded = (n: number): number => 4 * Math.ceil(n / 4);

/** Writes the record of src/core/abi/lattice.ts; the memory goes with the instance. */
async function kernelSearch(network: FixedNetwork, f: Target, total: number): Promise<Search> {
  const { p, s, table, layers } = network;
  const m = maximum(p);
  const d = layers[0]!.inputs;
  const outputs = layers.at(-1)!.outputs;
  const lattice = await Lattice.create();
  const widest = Math.max(padded(d), ...layers.map((layer) => padded(layer.outputs)));
  const record = new Int32Array(NetworkRecord.length + layers.length * LayerRecord.length);
  record[NetworkRecord.Dimensions] = d;
  record[NetworkRecord.Side] = 2 * m + 1;
  record[NetworkRecord.Maximum] = m;
  record[NetworkRecord.Scale] = s;
  record[NetworkRecord.Layers] = layers.length;
  record[NetworkRecord.Even] = lattice.allocate(2 * widest * Batch.Block);
  record[NetworkRecord.Odd] = lattice.allocate(2 * widest * Batch.Block);
  record[NetworkRecord.Sums] = lattice.allocate(4 * 16 * 8);
  record[NetworkRecord.Table] = lattice.place(Int16Array.from(table));
  const targets = lattice.allocate(2 * total * outputs);
  record[NetworkRecord.Targets] = targets;
  layers.forEach((layer, l) => {
    record.set(placeLayer(lattice, layer, s, m), NetworkRecord.length + l * LayerRecord.length);
  });
  const at = lattice.place(record);
  return (first, count) => {
    fillTargets(f, lattice.i16(targets + 2 * first * outputs, count * outputs), { p, d, outputs, first, count });
    return lattice.exports.verify(at, first, count);
  };
}

function placeLayer(lattice: Lattice, layer: FixedLayer, s: number, m: number): Int32Array {
  const { inputs, outputs, weights, biases } = layer;
  const columns = padded(inputs);
  const packed = lattice.allocate(2 * columns * padded(outputs));
  const view = lattice.i16(packed, columns * padded(outputs));
  for (let row = 0; row < outputs; row++) view.set(weights.subarray(row * inputs, (row + 1) * inputs), row * columns);
  const scaled = lattice.allocate(8 * padded(outputs));
  lattice.f64(scaled, outputs).set(biases.map((bias) => s * bias));
  const record = new Int32Array(LayerRecord.length);
  record[LayerRecord.Rows] = outputs;
  record[LayerRecord.Pairs] = columns / 2;
  record[LayerRecord.Weights] = packed;
  record[LayerRecord.Biases] = scaled;
  record[LayerRecord.BlockPairs] = Math.floor((2 ** 31 - 1) / (2 * m * m));
  return record;
}
