import { checkExtents, checkInteger, checkList, checkOptions, wrongKind } from "../core/index.ts";
import type { Shape } from "../tensor/index.ts";
import { sizeOf } from "../tensor/index.ts";
import type { WeightSeries } from "./weights.ts";

/**
 * The state of a linear layer before bias and nonlinearity: integers on the lattice s_k·r_t·ℤ, an element of the Abelian group
 * (ℤ/2³²)^shape. Sums may wrap on the way: any partition of the products over workers and any order of adding gives the same bits, and
 * these are the true integers whenever `accumulatorBits` of the layer is at most 32.
 */
export class Accumulator {
  constructor(
    /** Of the layer's output. */
    readonly shape: Shape,
    /** Two's complement, row-major. */
    readonly data: Int32Array,
  ) {
    checkShape(shape);
    if (!(data instanceof Int32Array)) throw wrongKind("data", "an Int32Array", data);
    if (data.length !== sizeOf(shape)) {
      throw new RangeError(`"data" expected ${sizeOf(shape)} integers for shape [${shape}], got ${data.length}`);
    }
  }

  /** The identity. */
  static zero(shape: Shape): Accumulator {
    checkShape(shape);
    return new Accumulator(shape, new Int32Array(sizeOf(shape)));
  }

  /** The sum modulo 2³². @throws RangeError when the shapes differ */
  add(other: Accumulator): Accumulator {
    checkAccumulator(other);
    if (!sameShape(this.shape, other.shape)) {
      throw new RangeError(`"other" expected shape [${this.shape}], got [${other.shape}]`);
    }
    return new Accumulator(
      this.shape,
      this.data.map((v, i) => (v + other.data[i]!) | 0),
    );
  }

  /** The inverse: `a.add(a.negate())` is zero. */
  negate(): Accumulator {
    return new Accumulator(
      this.shape,
      this.data.map((v) => -v | 0),
    );
  }

  /** Times 2^bits modulo 2³²: brings the product of two terms onto the finest lattice. */
  shift(bits: number): Accumulator {
    checkInteger("bits", bits, 0, 2 ** 31);
    return new Accumulator(this.shape, bits >= 32 ? new Int32Array(this.data.length) : this.data.map((v) => v << bits));
  }

  /** Whether shape and all integers are the same. */
  equals(other: Accumulator): boolean {
    checkAccumulator(other);
    return sameShape(this.shape, other.shape) && this.data.every((v, i) => v === other.data[i]);
  }
}

function checkShape(shape: unknown): void {
  checkList("shape", shape);
  checkExtents("shape", shape);
}

function checkAccumulator(other: unknown): void {
  if (!(other instanceof Accumulator)) throw wrongKind("other", "an Accumulator", other);
}

function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/**
 * Bits of two's complement that hold the sum Σ (Q − zero)(q − z) of a layer for every input, at every number of terms: proved from the
 * weights alone. At most 32: int32 is exact, whatever wraps on the way.
 *
 * @param layer - its weights, and n, the bits of an activation: activation terms × bits of one, 2 … 16
 * @example
 * accumulatorBits({ weights: expansion, activationWidth: 12 }) <= 32; // exact in int32
 */
export function accumulatorBits(layer: { weights: Pick<WeightSeries, "largestSum">; activationWidth: number }): number {
  checkOptions(layer, "layer");
  const { weights, activationWidth } = layer;
  if (!Number.isSafeInteger(weights?.largestSum)) throw wrongKind("layer.weights", "a series", weights);
  checkInteger("layer.activationWidth", activationWidth, 1, 16);
  return bitsFor(weights.largestSum * (2 ** activationWidth - 1));
}

/** Bits that hold the sum of a product of two activations over K elements, both n bits with a zero point. */
export function productBits(depth: number, activationWidth: number): number {
  return bitsFor(depth * (2 ** activationWidth - 1) ** 2);
}

/** Bits of two's complement for −largest … largest. */
function bitsFor(largest: number): number {
  let bits = 1;
  while (2 ** (bits - 1) <= largest) bits++;
  return bits;
}
