import { digitsOf, packDigits, planeOf, type SparsePart, termBits, type WeightSeries } from "../series/index.ts";

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
export function selectedSeries(base: WeightSeries, selection: TapSelection): WeightSeries {
  const { rows, zeros, sparse } = base;
  const { sides, channels } = selection;
  const all = { length: rows * sides.length };
  const columns = sides[0]!.length * channels;
  const made: Uint8Array[] = [];
  return {
    ...base,
    ...{ axis: 0, rows: all.length, columns, shape: [all.length, columns] },
    scales: Float32Array.from(all, (_, r) => base.scales[r % rows]!),
    ...(zeros && { zeros: Int32Array.from(all, (_, r) => zeros[r % rows]!) }),
    ...(sparse && { sparse: selectOutliers(base, sparse, selection) }),
    get planes() {
      for (let i = made.length; i < base.planes.length; i++) {
        const bits = termBits(base, i);
        const bytes = (bits * channels) / 8;
        // Taps of whole bytes move as they are; to unpack and pack 2^24 digits took 0.15 s.
        made.push(
          bytes % 1 === 0
            ? selectTaps(planeOf(base, i), rows, { sides, channels: bytes })
            : packDigits(selectTaps(digitsOf(base, i), rows, selection), bits),
        );
      }
      return made;
    },
  };
}

function selectOutliers({ rows, columns }: WeightSeries, sparse: SparsePart, selection: TapSelection): SparsePart {
  const whole = new Int16Array(rows * columns);
  sparse.indices.forEach((e, i) => {
    whole[e] = sparse.values[i]!;
  });
  const kept = selectTaps(whole, rows, selection);
  const indices = Uint32Array.from(kept.keys()).filter((e) => kept[e] !== 0);
  return { indices, values: Int16Array.from(indices, (e) => kept[e]!) };
}
