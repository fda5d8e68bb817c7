import { checkSeries, type DigitSystem, planeBytes, termBits, type WeightSeries } from "../series/index.ts";
import { type Shape, sizeOf, Tensor } from "../tensor/index.ts";
import { damaged } from "./damaged.ts";

/** A series in the container's JSON; the arrays are tensors of the file. */
export interface SeriesRecord {
  readonly shape: Shape;
  readonly axis: number;
  readonly bits: number;
  readonly terms: number;
  /** Bits of the last term; absent: as many as of the others. */
  readonly last?: number;
  /** Absent: signed. */
  readonly digits?: DigitSystem;
  readonly l1: number;
  readonly sum: number;
}

/** Terms of one series while they arrive. */
export type LoadingSeries = WeightSeries & { readonly planes: Uint8Array[] };

/** Digit planes are padded to multiples of this, inside their own shape. */
const PLANE_ALIGNMENT = 16;

/**
 * Name of a tensor of the file: `#` parts a series' name from what of it the tensor holds, therefore it is doubled in names, and the one
 * name that safetensors reserves gets a part of its own.
 */
export function escapeName(name: string): string {
  return name === "__metadata__" ? "__metadata__#" : name.replaceAll("#", "##");
}

export function unescapeName(name: string): string {
  return name === "__metadata__#" ? "__metadata__" : name.replaceAll("##", "#");
}

function part(name: string, what: string): string {
  return `${escapeName(name)}#${what}`;
}

export function recordOf(series: WeightSeries): SeriesRecord {
  const { shape, axis, bits, terms, lastBits: last, digits, largestL1: l1, largestSum: sum } = series;
  return {
    shape,
    axis,
    bits,
    terms,
    ...(last === undefined ? {} : { last }),
    ...(digits === "signed" ? {} : { digits }),
    l1,
    sum,
  };
}

/** What of a series comes before its first term. */
export function sideTensors(series: WeightSeries): [string, Tensor][] {
  const { name, scales, zeros, sparse } = series;
  const tensors: [string, Tensor][] = [[part(name, "scale"), new Tensor("float32", scales)]];
  if (zeros !== undefined) tensors.push([part(name, "zero"), narrowed(zeros)]);
  if (sparse !== undefined) {
    tensors.push([part(name, "outlier.index"), new Tensor("uint32", sparse.indices)]);
    tensors.push([part(name, "outlier.value"), new Tensor("int16", sparse.values)]);
  }
  return tensors;
}

/** Zero points in the narrowest type that holds them. */
function narrowed(zeros: Int32Array): Tensor {
  const fits = (most: number) => zeros.every((z) => z >= -most && z < most);
  if (fits(2 ** 7)) return new Tensor("int8", Int8Array.from(zeros));
  return fits(2 ** 15) ? new Tensor("int16", Int16Array.from(zeros)) : new Tensor("int32", zeros);
}

/** Term `i`, padded. */
export function termTensor(series: WeightSeries, i: number): [string, Tensor] {
  const plane = series.planes[i];
  if (plane === undefined) {
    throw new RangeError(`"model" expected all ${series.terms} terms of "${series.name}", got ${series.planes.length}`);
  }
  const padded = new Uint8Array(Math.max(1, Math.ceil(plane.length / PLANE_ALIGNMENT)) * PLANE_ALIGNMENT);
  padded.set(plane);
  return [part(series.name, `${i + 1}`), new Tensor("uint8", padded)];
}

/** The series of a record without its terms; takes its tensors out of `tensors`. */
export function openSeries(name: string, record: unknown, tensors: Map<string, Tensor>): LoadingSeries {
  const { shape, axis, bits, terms, last, digits = "signed", l1, sum } = checkRecord(name, record);
  const rows = shape[axis] ?? 1;
  const columns = sizeOf(shape) / Math.max(rows, 1);
  const take = (what: string) => {
    const tensor = tensors.get(part(name, what));
    tensors.delete(part(name, what));
    return tensor;
  };
  const fits = <T extends "float32" | "int32" | "uint32" | "int16" | "int8">(
    tensor: Tensor,
    type: T,
    length: number,
  ) => {
    if (tensor.type !== type || tensor.size !== length) {
      throw damaged(
        `the series of "${name}" expected ${length} values of ${type}, got ${tensor.size} of ${tensor.type}`,
      );
    }
    return (tensor as Tensor<T>).data;
  };
  const scale = take("scale");
  const zero = take("zero");
  const index = take("outlier.index");
  const value = take("outlier.value");
  if (scale === undefined) throw damaged(`the series of "${name}" has no scales`);
  const scales = fits(scale, "float32", rows);
  if (!scales.every((s) => s >= 0 && s < Number.POSITIVE_INFINITY)) {
    throw damaged(`the series of "${name}" has a scale that is no finite number ≥ 0`);
  }
  const series = {
    ...{ name, shape, axis, rows, columns, bits, terms, digits, scales, planes: [] as Uint8Array[] },
    ...{ largestL1: l1, largestSum: sum },
    ...(last === undefined ? {} : { lastBits: last }),
    ...(zero === undefined ? {} : { zeros: Int32Array.from(fits(zero, integerType(zero.type), rows)) }),
  };
  if (index === undefined || value === undefined) return series;
  const indices = fits(index, "uint32", value.size);
  if (!indices.every((e, i) => e < rows * columns && (i === 0 || e > indices[i - 1]!))) {
    throw damaged(`the outliers of "${name}" expected ascending positions below ${rows * columns}`);
  }
  return { ...series, sparse: { indices, values: fits(value, "int16", value.size) } };
}

function integerType(type: string): "int8" | "int16" | "int32" {
  return type === "int8" || type === "int16" ? type : "int32";
}

/** Takes term `i` of the series out of `tensors`: its digits. */
export function openTerm(series: LoadingSeries, i: number, tensors: Map<string, Tensor>): Uint8Array {
  const name = part(series.name, `${i + 1}`);
  const tensor = tensors.get(name);
  tensors.delete(name);
  const bytes = planeBytes(series.rows, series.columns, termBits(series, i));
  if (tensor === undefined) throw damaged(`term ${i + 1} of "${series.name}" is missing`);
  if (!isBytes(tensor) || tensor.size < bytes || tensor.size >= bytes + 2 * PLANE_ALIGNMENT) {
    throw damaged(`term ${i + 1} of "${series.name}" expected ${bytes} bytes, got ${tensor.size}`);
  }
  return tensor.data.subarray(0, bytes);
}

function isBytes(tensor: Tensor): tensor is Tensor<"uint8"> {
  return tensor.type === "uint8";
}

function checkRecord(name: string, record: unknown): SeriesRecord {
  const { shape, axis, bits, terms, last, digits = "signed", l1, sum } = (record ?? {}) as Partial<SeriesRecord>;
  const counts = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
  if (!Array.isArray(shape) || !shape.every(counts) || !counts(axis) || axis >= Math.max(1, shape.length)) {
    throw damaged(`the series of "${name}" expected a shape and an axis of it`);
  }
  if (!counts(l1) || !counts(sum)) throw damaged(`the series of "${name}" expected the sums of its weights`);
  try {
    checkSeries(Number(bits), Number(terms), digits);
  } catch (cause) {
    throw damaged(`the series of "${name}": ${(cause as Error).message}`);
  }
  const odd = last !== undefined && (!counts(last) || last < 1 || last >= Number(bits) || digits !== "signed");
  if (odd) throw damaged(`the series of "${name}" expected fewer bits of its last term`);
  return {
    shape,
    axis,
    bits: Number(bits),
    terms: Number(terms),
    ...(last === undefined ? {} : { last }),
    digits,
    l1,
    sum,
  };
}
