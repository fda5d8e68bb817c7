import {
  digitsOf,
  type FusedProduct,
  fusedProducts,
  isEveryPair,
  type LayerPlan,
  packDigits,
  type WeightSeries,
} from "../series/index.ts";

/**
 * A layer that leaves pairs of terms out, as one product: its fused products (`fusedProducts`) stacked along the input channels,
 * [w-group 1 | w-group 2 | …] by [a-group 1; a-group 2; …]. Zero points and outliers belong to the first weight term, and an activation's zero
 * point to its first term.
 */
export interface Stack {
  readonly key: string;
  readonly products: readonly FusedProduct[];
}

/** The stack of a layer, or undefined where all pairs are kept: then the whole operands are multiplied. */
export function stackOf(series: WeightSeries, { pairs = "all", activationTerms }: LayerPlan): Stack | undefined {
  const products = fusedProducts(pairs, series.terms, activationTerms);
  if (isEveryPair(products, series.terms, activationTerms)) return undefined;
  const key = products.map((p) => `${p.weightTerms}*${p.activationTerms}`).join("+");
  return { key, products };
}

/** Channels of one product of a stack: the kernels read activations two at a time, the odd one out beside a 0. */
export function stackedChannels(channels: number): number {
  return 2 * Math.ceil(channels / 2);
}

/** Activations whose terms are taken apart have 15 bits at most: rounding to a prefix may add to them, and an operand is an int16. */
export const LARGEST_STACKED = 15;

/** The digits of `bits` bits in digits of `digit` bits, the most significant first, as StackDigits knows them. */
export class ActivationDigits {
  constructor(
    private readonly bits: number,
    private readonly digit: number,
  ) {}

  /** Half of each digit's radix, added up. */
  get halves(): number {
    let sum = 0;
    for (let high = this.bits; high > 0; high -= this.digit) sum += 2 ** (high - 1);
    return sum;
  }

  /** What keeps these terms, counted from 0. */
  slot(terms: readonly number[]): { mask: number; offset: number } {
    let [mask, offset] = [0, 0];
    for (const term of terms) {
      const high = this.bits - term * this.digit;
      if (high <= 0) continue;
      mask += 2 ** (term === 0 ? 16 : high) - 2 ** Math.max(0, high - this.digit);
      offset -= 2 ** (high - 1);
    }
    return { mask, offset };
  }
}

/**
 * The weights of a stacked layer as a series of their own, whose planes follow those of `base` as they arrive: row by row [tap][product][channel],
 * zeros where a term is not part of a product, channels rounded up to pairs as the kernels read them.
 */
export class StackedSeries implements WeightSeries {
  readonly name: string;
  readonly shape: readonly number[];
  readonly axis = 0;
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly terms: number;
  readonly digits: WeightSeries["digits"];
  readonly scales: Float32Array;
  readonly sparse?: NonNullable<WeightSeries["sparse"]>;
  readonly largestL1: number;
  readonly largestSum: number;
  private readonly made: Uint8Array[] = [];
  private readonly width: number;

  constructor(
    private readonly base: WeightSeries,
    private readonly products: readonly FusedProduct[],
    private readonly channels: number,
  ) {
    const { name, rows, columns, bits, terms, digits, scales } = base;
    this.width = stackedChannels(channels);
    this.name = name;
    this.rows = rows;
    this.columns = (columns / channels) * products.length * this.width;
    this.shape = [rows, this.columns];
    this.bits = bits;
    this.terms = terms;
    this.digits = digits;
    this.scales = scales;
    const moved = this.firstTerm();
    if (moved !== undefined) this.sparse = moved;
    const parts = partsOf(products);
    this.largestL1 = parts * base.largestL1;
    this.largestSum = parts * base.largestSum;
  }

  get planes(): readonly Uint8Array[] {
    for (let i = this.made.length; i < this.base.planes.length; i++) {
      const digits = digitsOf(this.base, i);
      const stacked = new Int16Array(this.rows * this.columns);
      this.products.forEach(({ weightTerms }, slot) => {
        if (!weightTerms.includes(i)) return;
        for (const [e, digit] of digits.entries()) stacked[this.place(e, slot)] = digit;
      });
      this.made.push(packDigits(stacked, this.bits));
    }
    return this.made;
  }

  /** Where element `e` of the layer lies in slot `slot`. */
  private place(e: number, slot: number): number {
    const pixel = Math.floor(e / this.channels);
    return (pixel * this.products.length + slot) * this.width + (e % this.channels);
  }

  /** The zero points and outliers of the base in every slot with the first term; as outliers, since other slots have none. */
  private firstTerm(): WeightSeries["sparse"] {
    const { zeros, sparse, rows, columns } = this.base;
    if (zeros === undefined && sparse === undefined) return undefined;
    const shifts = new Map<number, number>();
    if (zeros !== undefined) for (let e = 0; e < rows * columns; e++) shifts.set(e, -zeros[Math.floor(e / columns)]!);
    sparse?.indices.forEach((e, i) => {
      shifts.set(e, (shifts.get(e) ?? 0) + sparse.values[i]!);
    });
    const [indices, values]: [number[], number[]] = [[], []];
    this.products.forEach(({ weightTerms }, slot) => {
      if (!weightTerms.includes(0)) return;
      for (const [e, shift] of shifts) {
        // A zero point may lie beyond int16 where Q − zero does not.
        for (let rest = shift; rest !== 0; ) {
          const value = Math.max(-32768, Math.min(32767, rest));
          indices.push(this.place(e, slot));
          values.push(value);
          rest -= value;
        }
      }
    });
    return { indices: Uint32Array.from(indices), values: Int16Array.from(values) };
  }
}

/**
 * How many prefixes of a series the weights of a stack are sums and differences of: so many times the bounds of the series, which hold for all
 * of its prefixes, are bounds of the stack.
 */
export function partsOf(products: readonly FusedProduct[]): number {
  return products.reduce((sum, { weightTerms }) => sum + prefixesOf(weightTerms), 0);
}

function prefixesOf(terms: readonly number[]): number {
  return terms.reduce(
    (sum, i) => sum + (terms.includes(i + 1) ? 0 : 1) + (i === 0 || terms.includes(i - 1) ? 0 : 1),
    0,
  );
}
