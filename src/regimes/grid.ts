// Exact evaluation at many dyadic points in the WASM core. Every neuron gets a power of two of its own of which all its values are
// multiples, so that the whole network becomes one of 64-bit integers; where those could overflow, BigInt takes over, just as exactly.
import { checkInteger, checkList, Lattice, wrongKind, yieldToEventLoop } from "../core/index.ts";
import { bitLength, type Dyadic, dyadic, scaled } from "./dyadic.ts";
import { checkNetwork, type DyadicNetwork, evaluateChecked } from "./network.ts";

/** Points handed to the core at once; a multiple of 2. */
const POINTS = 64;
/** Weights and points beyond this go to BigInt. */
const MOST_BITS = 62;

/** Exact values: the value of output i at point k is outputs[i][k]·2^-exponents[i]. */
export interface GridValues {
  /** Numerators by output and point; BigInt64Array where 64 bits held them. */
  readonly outputs: readonly (BigInt64Array | bigint[])[];
  /** By output. */
  readonly exponents: readonly number[];
  /** Points whose intermediates left 64 bits and were computed in BigInt. */
  readonly wide: number;
}

export interface GridOptions {
  signal?: AbortSignal;
  /** Called about every 4096 points with the number of points done. */
  onProgress?: (points: number) => void;
}

/** The integer form of a network for inputs that are multiples of 2^-exponent. */
interface IntegerForm {
  readonly words: BigInt64Array<ArrayBuffer> | undefined;
  readonly exponents: readonly number[];
  readonly widest: number;
}

/**
 * All outputs at all points, exactly.
 *
 * @param inputs one array per input with the points' numerators; point k is inputs[i][k]·2^-exponent
 * @param exponent at least 0
 * @throws the signal's reason
 */
export async function evaluatePoints(
  network: DyadicNetwork,
  inputs: readonly BigInt64Array[],
  exponent: number,
  options: GridOptions = {},
): Promise<GridValues> {
  checkNetwork(network);
  checkList("inputs", inputs);
  for (const input of inputs)
    if (!(input instanceof BigInt64Array)) throw wrongKind("inputs", "a list of BigInt64Arrays", input);
  checkInteger("exponent", exponent, 0, 1024);
  if (inputs.length !== network.inputs)
    throw new RangeError(`"inputs" expected ${network.inputs} arrays, got ${inputs.length}`);
  const { words, exponents, widest } = integerForm(network, exponent);
  const count = inputs[0]!.length;
  const outputs: (BigInt64Array | bigint[])[] = exponents.map(() => new BigInt64Array(count));
  let wide = 0;
  const runner =
    words === undefined ? undefined : new Runner(await Lattice.create(), words, network, exponents.length, widest);
  for (let first = 0; first < count; first += POINTS) {
    options.signal?.throwIfAborted();
    const size = Math.min(POINTS, count - first);
    const chunk = inputs.map((values) => values.subarray(first, first + size));
    const fast = runner?.run(chunk, size);
    if (fast !== undefined) {
      for (let i = 0; i < fast.length; i++) (outputs[i] as BigInt64Array).set(fast[i]!, first);
    } else {
      wide += size;
      for (let k = 0; k < size; k++) {
        const point = chunk.map((values) => dyadic(values[k]!, exponent));
        evaluateChecked(network, point).forEach((value, i) => {
          if (bitLength(value.numerator) + exponents[i]! - value.exponent > 63) outputs[i] = Array.from(outputs[i]!);
          outputs[i]![first + k] = scaled(value, exponents[i]!);
        });
      }
    }
    if ((first & 4095) === 0) {
      options.onProgress?.(first);
      if (first > 0) await yieldToEventLoop();
    }
  }
  options.onProgress?.(count);
  return { outputs, exponents, wide };
}

/** The points k·2^-exponent, k = 0 … 2^exponent, of [0, 1]. */
export function unitGrid(exponent: number): BigInt64Array {
  checkInteger("exponent", exponent, 0, 26);
  return BigInt64Array.from({ length: 2 ** exponent + 1 }, (_, k) => BigInt(k));
}

function integerForm(network: DyadicNetwork, exponent: number): IntegerForm {
  let before: number[] = new Array<number>(network.inputs).fill(exponent);
  let widest = network.inputs;
  let total = 2;
  for (const layer of network.layers) {
    widest = Math.max(widest, layer.length);
    total += 1 + layer.reduce((sum, { weights }) => sum + 2 + 2 * weights.length, 0);
  }
  const words = new BigInt64Array(total);
  words.set([BigInt(network.inputs), BigInt(network.layers.length)]);
  let at = 2;
  let fits = true;
  const put = (value: bigint): void => {
    if (bitLength(value) > MOST_BITS) fits = false;
    else words[at] = value;
    at++;
  };
  for (const layer of network.layers) {
    put(BigInt(layer.length));
    before = layer.map(({ bias, indices, weights }) => {
      let own = indices.length === 0 || bias.numerator !== 0n ? bias.exponent : Number.NEGATIVE_INFINITY;
      for (let k = 0; k < indices.length; k++) own = Math.max(own, before[indices[k]!]! + weights[k]!.exponent);
      put(BigInt(indices.length));
      put(scaled(bias, own));
      for (let k = 0; k < indices.length; k++) {
        put(BigInt(indices[k]!));
        put(scaled(weights[k]!, own - before[indices[k]!]!));
      }
      return own;
    });
  }
  return { words: fits ? words : undefined, exponents: before, widest };
}

/** A network placed in the core's memory. */
class Runner {
  private readonly network: number;
  private readonly inputs: number;
  private readonly front: number;
  private readonly back: number;
  private readonly most: number;
  private readonly outputs: number;

  constructor(
    private readonly lattice: Lattice,
    words: BigInt64Array<ArrayBuffer>,
    network: DyadicNetwork,
    private readonly outputCount: number,
    private readonly widest: number,
  ) {
    const plane = widest * POINTS * 8;
    this.network = lattice.place(words);
    this.inputs = lattice.allocate(network.inputs * POINTS * 8);
    this.front = lattice.allocate(plane);
    this.back = lattice.allocate(plane);
    this.most = lattice.allocate(2 * widest * 8);
    this.outputs = lattice.allocate(outputCount * POINTS * 8);
  }

  /** The outputs of a chunk, or undefined when 64 bits might not be enough. */
  run(chunk: readonly BigInt64Array[], size: number): BigInt64Array[] | undefined {
    const points = size + (size & 1);
    const buffer = this.lattice.memory.buffer as ArrayBuffer;
    chunk.forEach((values, i) => {
      const row = new BigInt64Array(buffer, this.inputs + i * points * 8, points);
      row.set(values);
      if (points > size) row[size] = values[size - 1]!;
    });
    const status = this.lattice.exports.evaluateDyadic(
      this.network,
      points,
      this.inputs,
      this.front,
      this.back,
      this.most,
      this.outputs,
      this.widest,
    );
    if (status !== 0) return undefined;
    return Array.from({ length: this.outputCount }, (_, i) =>
      new BigInt64Array(buffer, this.outputs + i * points * 8, size).slice(),
    );
  }
}

/** Output i at point k of grid values, as a dyadic number. */
export function gridValue(values: GridValues, i: number, k: number): Dyadic {
  return dyadic(values.outputs[i]![k]!, values.exponents[i]!);
}
