import { BinaryFunction } from "../../core/abi/elementwise.ts";
import { GatherElementsStep, GatherStep } from "../../core/abi/movement.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { step } from "../../core/index.ts";
import { elementBytes, sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering, Operand } from "../lowering.ts";
import { computeType } from "./binary.ts";
import { indexBytes } from "./gather.ts";
import {
  axisOf,
  byteStrides,
  codeOf,
  converted,
  emitCast,
  emitCopy,
  type Source,
  temporary,
  withLists,
} from "./support.ts";

/** GatherND and ScatterND: rows of `indices` are coordinates. `slices` is the output of the one, the updates of the other. */
function emitTuples(
  l: Lowering,
  data: Source,
  indices: Operand,
  slices: Source,
  batchDims: number,
  scatter: boolean,
): void {
  const tuple = indices.shape.at(-1)!;
  const strides = byteStrides(data);
  const axes = Array.from({ length: tuple }, (_, i) => batchDims + i);
  const slice = sizeOf(data.shape.slice(batchDims + tuple)) * elementBytes(data.type);
  const count = sizeOf(indices.shape.slice(batchDims, -1));
  if (elementBytes(data.type) === 0) throw l.unsupported("strings are not moved");
  if (count * slice * sizeOf(indices.shape.slice(0, batchDims)) === 0) return;
  const bytes = indexBytes(l, indices);
  const base = step(Opcode.Gather, GatherStep, {
    data: data.at,
    indices: indices.at,
    output: slices.at,
    indexBytes: bytes,
    batch: sizeOf(indices.shape.slice(0, batchDims)),
    dataStride: sizeOf(data.shape.slice(batchDims)) * elementBytes(data.type),
    indexStride: count * tuple * bytes,
    count,
    tuple,
    axis: batchDims,
    sliceBytes: slice,
    scatter: scatter ? 1 : 0,
    operation: scatter ? reduction(l) : -1,
    type: codeOf(l, data.type),
  });
  const list = axes.flatMap((a) => [data.shape[a]!, strides[a]!]);
  const work = sizeOf(indices.shape) * bytes + 2 * count * slice;
  l.emit(withLists(base, list), { kernel: scatter ? "scatter" : "gather", bytes: work, ...(scatter && { rows: 1 }) });
}

/** How updates meet what is there; −1: they replace it. */
function reduction(l: Lowering): number {
  const name = l.text("reduction", "none");
  const operation = {
    none: -1,
    add: BinaryFunction.Add,
    mul: BinaryFunction.Mul,
    min: BinaryFunction.Min,
    max: BinaryFunction.Max,
  }[name];
  if (operation === undefined) throw l.unsupported(`reduction "${name}"`);
  if (operation >= 0 && l.input(0).type === "string") throw l.unsupported(`reduction "${name}" of strings`);
  return operation;
}

/**
 * Scatters into a copy of the data: `body` gets the copy and the updates, both in a type that the core combines when there is a reduction; several
 * updates of one element are rounded or wrapped to the data's type once, after the last.
 */
function scattered(l: Lowering, body: (data: Source, updates: Source) => void): void {
  const [data, updates, out] = [l.input(0), l.input(2), l.output()];
  const type = reduction(l) < 0 ? data.type : computeType(l, data.type);
  const copy: Source = type === data.type ? out : temporary(l, type, out.shape);
  if (copy === out) {
    const strides = byteStrides(data);
    emitCopy(l, data.at, out.at, elementBytes(data.type), data.shape, strides, strides);
  } else emitCast(l, data, copy);
  body(copy, converted(l, updates, type));
  if (copy !== out) emitCast(l, copy, out);
}

/** `values` is the output of GatherElements, the updates of ScatterElements. */
function emitElements(l: Lowering, data: Source, values: Source, scatter: boolean): void {
  const indices = l.input(1);
  const axis = axisOf(l, l.attribute("axis", 0), data.shape.length);
  if (elementBytes(data.type) === 0) throw l.unsupported("strings are not moved");
  if (sizeOf(indices.shape) === 0) return;
  const base = step(Opcode.GatherElements, GatherElementsStep, {
    data: data.at,
    indices: indices.at,
    output: values.at,
    indexBytes: indexBytes(l, indices),
    elementBytes: elementBytes(data.type),
    extent: data.shape[axis]!,
    axis,
    rank: data.shape.length,
    scatter: scatter ? 1 : 0,
    operation: scatter ? reduction(l) : -1,
    type: codeOf(l, data.type),
  });
  l.emit(withLists(base, indices.shape, byteStrides(data)), {
    kernel: scatter ? "scatter_elements" : "gather_elements",
    bytes: sizeOf(indices.shape) * (2 * elementBytes(data.type) + 8),
    ...(scatter && { rows: 1 }),
  });
}

export const SCATTER = {
  "/GatherND": (l) => emitTuples(l, l.input(0), l.input(1), l.output(), l.attribute("batch_dims", 0), false),
  "/ScatterND": (l) => scattered(l, (data, updates) => emitTuples(l, data, l.input(1), updates, 0, true)),
  "/GatherElements": (l) => emitElements(l, l.input(0), l.output(), false),
  "/ScatterElements": (l) => scattered(l, (data, updates) => emitElements(l, data, updates, true)),
} satisfies Readonly<Record<string, Lower>>;
