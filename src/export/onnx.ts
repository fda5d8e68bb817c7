import { checkBytes, checkOptions, shown } from "../core/index.ts";
import type { Graph } from "../graph/index.ts";
import { type Model, readModel } from "../model/index.ts";
import { writeOnnx } from "../onnx/index.ts";
import { loadOperators } from "../program/operators/chunks.ts";
import { dequantize, digitsOf, fromRows, isSigned, termWeight, type WeightSeries } from "../series/index.ts";
import { type NumericType, sizeOf, Tensor } from "../tensor/index.ts";
import { type Arrangement, rearranged } from "./arrange.ts";
import type { Emitter } from "./emitter.ts";
import { standardGraph, type WeightWriter } from "./standard.ts";

/** How `exportOnnx` writes the weights. */
export interface ExportOptions {
  /**
   * `terms`: the integers of every term, as INT4 (INT8 where X > 4) initializers behind DequantizeLinear, added up; `float32`: their sums.
   * Default "terms".
   */
  readonly as?: "terms" | "float32";
}

/**
 * A container as standard ONNX of opset 21, which other runtimes run: the same weights; activations are float32, since ONNX has no operator for
 * how they are quantized here. The same container gives the same bytes.
 *
 * @param container - what `quantize` gave
 * @throws BitbasisError MODEL when the bytes are no container, UNSUPPORTED for layers that ONNX has no operators for (tree ensembles); RangeError for an unknown form
 * @example
 * await writeFile("model.onnx", await exportOnnx(await readFile("model.safetensors"), { as: "float32" }));
 */
export async function exportOnnx(container: Uint8Array, options: ExportOptions = {}): Promise<Uint8Array> {
  checkBytes("container", container);
  checkOptions(options);
  const { as = "terms" } = options;
  if (as !== "terms" && as !== "float32") throw new RangeError(`"as" expected "terms" or "float32", got ${shown(as)}`);
  const model = readModel(container);
  await loadOperators(model.graph);
  return writeOnnx(exportGraph(model, as));
}

export function exportGraph({ graph, weights }: Model, as: "terms" | "float32"): Graph {
  const writer = as === "terms" ? new Terms(weights) : new Floats(weights);
  return standardGraph(graph, new Set(weights.keys()), writer);
}

/** Weights as the numbers that their terms add up to. */
export class Floats implements WeightWriter {
  constructor(private readonly weights: ReadonlyMap<string, WeightSeries>) {}

  dims(name: string): WeightSeries["shape"] | undefined {
    return this.weights.get(name)?.shape;
  }

  value(name: string, to: Emitter): void {
    to.initializer(name, this.tensor(name));
  }

  arranged(name: string, as: Arrangement, group: number, to: Emitter): string {
    return to.constant(`${name}/first`, rearranged(this.tensor(name), as, group));
  }

  private tensor(name: string): Tensor<"float32"> {
    const series = this.weights.get(name)!;
    return new Tensor("float32", dequantize(series), series.shape);
  }
}

/** Weights as sums of their terms; zero points and outliers with the first. */
class Terms implements WeightWriter {
  constructor(private readonly weights: ReadonlyMap<string, WeightSeries>) {}

  dims(name: string): WeightSeries["shape"] | undefined {
    return this.weights.get(name)?.shape;
  }

  value(name: string, to: Emitter): void {
    const series = this.weights.get(name)!;
    const { shape, axis, columns, scales, zeros, sparse } = series;
    let sum = "";
    const add = (term: string): void => {
      sum = sum === "" ? term : to.emit("Add", [sum, term]);
    };
    for (let i = 0; i < series.terms; i++) add(dequantizedTerm(series, i, to));
    const perRow = (values: Float32Array): Tensor => {
      const dims = shape.map((d, own) => (own === axis ? d : 1));
      return new Tensor("float32", values, dims);
    };
    if (zeros !== undefined) add(to.constant(`${name}/zero`, perRow(scales.map((s, r) => -s * zeros[r]!))));
    if (sparse !== undefined) {
      const places = elementPlaces(series);
      const indices = BigInt64Array.from(Array.from(sparse.indices).flatMap((e) => coordinates(places[e]!, shape)));
      const updates = Float32Array.from(sparse.values, (v, n) => v * scales[Math.floor(sparse.indices[n]! / columns)]!);
      const at = to.constant(`${name}/outlier.index`, new Tensor("int64", indices, [updates.length, shape.length]));
      const kept = to.constant(`${name}/outlier.value`, new Tensor("float32", updates, [updates.length]));
      sum = to.emit("ScatterND", [sum, at, kept], { reduction: "add" });
    }
    to.emit("Identity", [sum], {}, name);
  }
}

/** DequantizeLinear of the digits of a term. */
function dequantizedTerm(series: WeightSeries, i: number, to: Emitter): string {
  const { name, shape, axis, bits, scales } = series;
  const type: NumericType = isSigned(series.digits, i) ? (bits > 4 ? "int8" : "int4") : bits > 4 ? "uint8" : "uint4";
  const digits = fromRows(Float32Array.from(digitsOf(series, i)), shape, axis);
  const data = type.startsWith("u") ? Uint8Array.from(digits) : Int8Array.from(digits);
  const weight = termWeight(series, i);
  const own = scales.map((s) => s * weight);
  const plane = to.constant(`${name}/term ${i + 1}`, new Tensor(type, data, shape));
  if (shape.length === 0) {
    return to.emit("DequantizeLinear", [plane, to.constant(`${name}/scale ${i + 1}`, new Tensor("float32", own, []))]);
  }
  const scale = to.constant(`${name}/scale ${i + 1}`, new Tensor("float32", own, [own.length]));
  return to.emit("DequantizeLinear", [plane, scale], { axis });
}

/** Where the elements of the rows lie in the tensor. */
function elementPlaces({ shape, axis, rows, columns }: WeightSeries): Float64Array {
  const places = new Float64Array(rows * columns);
  fromRows(
    Float64Array.from({ length: rows * columns }, (_, e) => e),
    shape,
    axis,
  ).forEach((e, place) => {
    places[e] = place;
  });
  return places;
}

function coordinates(place: number, shape: readonly number[]): bigint[] {
  return shape.map((d, axis) => BigInt(Math.floor(place / sizeOf(shape.slice(axis + 1))) % d));
}
