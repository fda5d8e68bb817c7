import { atOnce } from "../core/index.ts";
import { digitsOf, packDigits, planeOf, termBits, type WeightSeries } from "../series/index.ts";

/** Some taps of a kernel, as the weights of a layer of their own. */
export interface TapSelection {
  readonly key: string;
  /** Row-major positions in the kernel, as many for each of the output pixels that the layer computes side by side. */
  readonly sides: readonly (readonly number[])[];
  /** Input channels of a tap. */
  readonly channels: number;
}

/** Elements of the selected taps, of weights [rows][taps][channels]: [side][row][tap][channel]. */
export function selectTaps<T extends Float32Array | Int16Array | Uint8Array>(
  values: T,
  rows: number,
  { sides, channels }: Omit<TapSelection, "key">,
): T {
  const columns = values.length / rows;
  const result = values.slice(0, rows * sides.length * sides[0]!.length * channels) as T;
  let to = 0;
  for (const taps of sides) {
    for (let from = 0; from < values.length; from += columns) {
      for (const tap of taps) {
        const at = from + tap * channels;
        result.set(values.subarray(at, at + channels), to);
        to += channels;
      }
    }
  }
  return result;
}

/** The selected taps of a series, whose planes follow those of `base` as they arrive. The bounds of all taps hold for some of them. */
export class SelectedSeries implements WeightSeries {
  readonly name: string;
  readonly shape: readonly number[];
  readonly axis = 0;
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly terms: number;
  readonly lastBits?: number;
  readonly digits: WeightSeries["digits"];
  readonly scales: Float32Array;
  readonly zeros?: Int32Array;
  readonly sparse?: NonNullable<WeightSeries["sparse"]>;
  readonly largestL1: number;
  readonly largestSum: number;
  private readonly made: Uint8Array[] = [];

  constructor(
    private readonly base: WeightSeries,
    private readonly selection: TapSelection,
  ) {
    const { sides, channels } = selection;
    this.name = base.name;
    this.rows = base.rows * sides.length;
    this.columns = sides[0]!.length * channels;
    this.shape = [this.rows, this.columns];
    this.bits = base.bits;
    this.terms = base.terms;
    if (base.lastBits !== undefined) this.lastBits = base.lastBits;
    this.digits = base.digits;
    this.scales = Float32Array.from({ length: this.rows }, (_, r) => base.scales[r % base.rows]!);
    const { zeros } = base;
    if (zeros !== undefined) this.zeros = Int32Array.from({ length: this.rows }, (_, r) => zeros[r % base.rows]!);
    const moved = this.outliers();
    if (moved !== undefined) this.sparse = moved;
    this.largestL1 = base.largestL1;
    this.largestSum = base.largestSum;
  }

  get planes(): readonly Uint8Array[] {
    atOnce(this.selecting());
    return this.made;
  }

  /** Selects the taps of the planes that are there, with a stop after each. */
  *selecting(): Generator<undefined, void, void> {
    const { base, selection } = this;
    const { sides } = selection;
    for (let i = this.made.length; i < base.planes.length; i++) {
      const bits = termBits(base, i);
      // Taps of whole bytes move as they are; to unpack and pack 2^24 digits took 0.15 s.
      const channels = (bits * selection.channels) / 8;
      this.made.push(
        Number.isInteger(channels)
          ? selectTaps(planeOf(base, i), base.rows, { sides, channels })
          : packDigits(selectTaps(digitsOf(base, i), base.rows, selection), bits),
      );
      yield;
    }
  }

  private outliers(): WeightSeries["sparse"] {
    const { sparse, rows, columns } = this.base;
    if (sparse === undefined) return undefined;
    const { sides, channels } = this.selection;
    const [indices, values]: [number[], number[]] = [[], []];
    sparse.indices.forEach((e, i) => {
      const [row, tap] = [Math.floor(e / columns), Math.floor((e % columns) / channels)];
      for (const [side, taps] of sides.entries()) {
        const at = taps.indexOf(tap);
        if (at < 0) continue;
        indices.push(((side * rows + row) * taps.length + at) * channels + (e % channels));
        values.push(sparse.values[i]!);
      }
    });
    return { indices: Uint32Array.from(indices), values: Int16Array.from(values) };
  }
}
