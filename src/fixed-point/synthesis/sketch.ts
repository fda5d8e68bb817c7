import { createNetwork, type FixedNetwork } from "../network.ts";
import { mapSteps, type Steps } from "./steps.ts";

/** What every construction needs to know about the format. */
export interface Format {
  readonly p: number;
  readonly s: number;
  readonly m: number;
  readonly activation: string | readonly number[];
  /** Entry k + M for input k. */
  readonly table: Int32Array;
  /** Largest z such that the table is constant up to z, and smallest from which it is constant. */
  readonly low: number;
  readonly high: number;
  /** a(M) − a(−M). */
  readonly rise: number;
}

export function makeFormat(p: number, s: number, activation: string | readonly number[], table: Int32Array): Format {
  const m = (table.length - 1) / 2;
  let low = 0;
  while (low + 1 < table.length && table[low + 1] === table[0]) low++;
  let high = 2 * m;
  while (high > 0 && table[high - 1] === table[2 * m]) high--;
  return { p, s, m, activation, table, low: low - m, high: high - m, rise: table[2 * m]! - table[0]! };
}

interface Neuron {
  /** Source in the layer before → integer coefficient in units of 1/s, of any size. */
  readonly terms: ReadonlyMap<number, number>;
  readonly bias: number;
}

/**
 * A network whose coefficients may exceed M. A coefficient c is later spread over ⌈|c|/M⌉ copies of its source; only the inputs have no copies,
 * so the first layer must keep to M by itself. Equal neurons of a layer are one.
 */
export class Sketch {
  readonly layers: Neuron[][] = [];
  private readonly known: Map<string, number>[] = [];

  constructor(readonly d: number) {}

  /** Adds a neuron to layer `layer` (0 is the first) and returns its index there. */
  add(layer: number, terms: Iterable<readonly [number, number]>, bias: number): number {
    const sum = new Map<number, number>();
    for (const [source, coefficient] of terms) sum.set(source, (sum.get(source) ?? 0) + coefficient);
    const list = [...sum].filter(([, coefficient]) => coefficient !== 0).sort(([a], [b]) => a - b);
    const key = `${bias}|${list.join(" ")}`;
    while (this.layers.length <= layer) {
      this.layers.push([]);
      this.known.push(new Map());
    }
    const neurons = this.layers[layer]!;
    const index = this.known[layer]!;
    const found = index.get(key);
    if (found !== undefined) return found;
    index.set(key, neurons.length);
    neurons.push({ terms: new Map(list), bias });
    return neurons.length - 1;
  }
}

/** Copies of every neuron: as many as its largest coefficient needs, none where nobody uses it; a layer keeps at least one. */
export function* fullCopies(sketch: Sketch, m: number): Steps<number[][]> {
  const copies = sketch.layers.map((layer) => new Array<number>(layer.length).fill(0));
  copies[copies.length - 1]!.fill(1);
  for (let l = sketch.layers.length - 1; l > 0; l--) {
    const sources = copies[l - 1]!;
    for (const [i, { terms }] of sketch.layers[l]!.entries()) {
      if (i % 64 === 0) yield;
      if (copies[l]![i] === 0) continue;
      for (const [source, c] of terms) sources[source] = Math.max(sources[source]!, Math.ceil(Math.abs(c) / m));
    }
    if (!sources.some((n) => n > 0)) sources[0] = 1;
  }
  return copies;
}

/**
 * The same for weights ±s only: coefficients are multiples of s, and every consumer of a neuron must have coefficients of one parity, because with n
 * copies only −n, −n + 2 … n are sums of n signs. Undefined where that fails.
 */
export function* binaryCopies(sketch: Sketch, s: number): Steps<number[][] | undefined> {
  const copies = sketch.layers.map((layer) => new Array<number>(layer.length).fill(0));
  copies.at(-1)!.fill(1);
  for (let l = sketch.layers.length - 1; l > 0; l--) {
    const consumers = sketch.layers[l]!.filter((_, i) => copies[l]![i]! > 0);
    const own = copies[l - 1]!;
    for (let source = 0; source < own.length; source++) {
      yield;
      const counts = consumers.map(({ terms }) => (terms.get(source) ?? 0) / s);
      const most = counts.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      if (counts.some((c) => !Number.isInteger(c) || Math.abs(c - most) % 2 === 1)) return undefined;
      own[source] = most;
    }
    // A layer needs neurons; two with opposite signs add nothing.
    if (!own.some((n) => n > 0)) own[0] = 2;
  }
  const first = sketch.layers[0]!.filter((_, i) => copies[0]![i]! > 0);
  for (const { terms } of first) {
    for (let i = 0; i < sketch.d; i++) if (Math.abs(terms.get(i) ?? 0) !== s) return undefined;
  }
  return copies;
}

/** Weights and biases of the network that `build` would give, zeros included. */
export function countParameters(sketch: Sketch, copies: readonly (readonly number[])[]): number {
  let width = sketch.d;
  let sum = 0;
  for (const layer of copies) {
    const outputs = layer.reduce((a, b) => a + b, 0);
    sum += outputs * (width + 1);
    width = outputs;
  }
  return sum;
}

/** The network, with every coefficient spread over copies. */
export function* build(
  sketch: Sketch,
  format: Format,
  copies: readonly (readonly number[])[],
  binary: boolean,
): Steps<FixedNetwork> {
  const { p, s, activation } = format;
  let width = sketch.d;
  let starts = Array.from({ length: width }, (_, i) => i);
  let before: readonly number[] = new Array<number>(width).fill(1);
  const layers = yield* mapSteps(sketch.layers, function* (neurons, l) {
    const own = copies[l]!;
    const outputs = own.reduce((a, b) => a + b, 0);
    const weights = new Int32Array(outputs * width);
    const biases = new Float64Array(outputs);
    const next: number[] = [];
    let row = 0;
    for (const [i, { terms, bias }] of neurons.entries()) {
      yield;
      next.push(row);
      const first = row * width;
      for (let copy = 0; copy < own[i]!; copy++, row++) {
        biases[row] = bias;
        if (copy > 0) weights.copyWithin(row * width, first, first + width);
        else if (binary) {
          for (let source = 0; source < before.length; source++) {
            spreadSigns(weights, first + starts[source]!, before[source]!, terms.get(source) ?? 0, s);
          }
        } else for (const [source, c] of terms) spread(weights, first + starts[source]!, before[source]!, c);
      }
    }
    const layer = { inputs: width, outputs, weights, biases };
    [width, starts, before] = [outputs, next, own];
    return layer;
  });
  return createNetwork({ p, s, activation, layers });
}

function spread(weights: Int32Array, at: number, copies: number, coefficient: number): void {
  const size = Math.abs(coefficient);
  const base = Math.floor(size / copies);
  for (let i = 0; i < copies; i++)
    weights[at + i] = Math.sign(coefficient) * (base + (i < size - base * copies ? 1 : 0));
}

/** n signs that sum to coefficient/s, times s. */
function spreadSigns(weights: Int32Array, at: number, copies: number, coefficient: number, s: number): void {
  const positive = (copies + coefficient / s) / 2;
  for (let i = 0; i < copies; i++) weights[at + i] = i < positive ? s : -s;
}
