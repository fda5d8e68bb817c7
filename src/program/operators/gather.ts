import { BinaryFunction } from "../../core/abi/elementwise.ts";
import { GatherStep } from "../../core/abi/movement.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { step } from "../../core/index.ts";
import type { WeightSeries } from "../../series/index.ts";
import { elementBytes, sizeOf } from "../../tensor/index.ts";
import { fusedBy } from "../fused.ts";
import type { Lower, Lowering, Operand } from "../lowering.ts";
import { tableKey } from "../panels.ts";
import { emitBinary } from "./binary.ts";
import { axisOf, byteStrides, emitCast, emitCopy, type Source, shifted, temporary, withLists } from "./support.ts";

export function indexBytes(l: Lowering, indices: Operand): number {
  if (indices.type !== "int32" && indices.type !== "int64") throw l.unsupported(`indices of type ${indices.type}`);
  return elementBytes(indices.type);
}

function lowerGather(l: Lowering): void {
  const table = l.planned.weights.get(l.node.inputs[0] ?? "");
  if (table?.axis === 0 && table.shape.length === 2 && l.attribute("axis", 0) === 0) lowerTable(l, table);
  else lowerRows(l);
}

/** Rows of a series: the integers are looked up, and become floats as all of the table would, each s·(Q − zero) rounded once. */
function lowerTable(l: Lowering, table: WeightSeries): void {
  const [indices, out] = [l.input(1), l.output()];
  const { name, rows, columns } = table;
  if (sizeOf(out.shape) === 0) return;
  const count = sizeOf(indices.shape);
  const integers = temporary(l, "int16", [count, columns]);
  const scales = temporary(l, "float32", [count, 1]);
  const { core } = l.constants;
  const fused = l.constants.place(tableKey(name), () => fusedBy(core, table));
  emitRows(l, { at: fused, type: "int16", shape: [rows, columns] }, indices, integers);
  const steps = l.constants.place(`scales:${name}`, () => table.scales);
  emitRows(l, { at: steps, type: "float32", shape: [rows, 1] }, indices, scales);
  const floats: Source = { at: out.at, type: "float32", shape: [count, columns] };
  emitCast(l, integers, floats);
  emitBinary(l, BinaryFunction.Mul, floats, scales, floats);
}

function emitRows(l: Lowering, data: Source, indices: Operand, out: Source): void {
  const slice = data.shape[1]! * elementBytes(data.type);
  const base = step(Opcode.Gather, GatherStep, {
    ...{ data: data.at, indices: indices.at, output: out.at, indexBytes: indexBytes(l, indices) },
    ...{
      batch: 1,
      dataStride: data.shape[0]! * slice,
      indexStride: 0,
      count: sizeOf(indices.shape),
      tuple: 1,
      axis: 0,
    },
    ...{ sliceBytes: slice, scatter: 0, operation: -1, type: 0 },
  });
  l.emit(withLists(base, [data.shape[0]!, slice]), {
    kernel: "gather",
    bytes: sizeOf(indices.shape) * (2 * slice + 8),
  });
}

function lowerRows(l: Lowering): void {
  const [data, indices, out] = [l.input(0), l.input(1), l.output()];
  const axis = axisOf(l, l.attribute("axis", 0), data.shape.length);
  const slice = sizeOf(data.shape.slice(axis + 1)) * elementBytes(data.type);
  if (elementBytes(data.type) === 0) throw l.unsupported("strings are not moved");
  if (sizeOf(out.shape) === 0) return;
  const extent = data.shape[axis]!;
  const index = indices.constant?.size === 1 ? Number(indices.constant.data[0]) : Number.NaN;
  if (index >= -extent && index < extent) {
    // One slice that is known: 30 ns for each element that the kernel looks up alone, as those of complex pairs, 2 ns in a copy.
    const without = <T>(list: readonly T[]): T[] => list.filter((_, i) => i !== axis);
    const extents = without(data.shape);
    const from = shifted(data.at, (index < 0 ? index + extent : index) * slice);
    const to = byteStrides({ ...out, shape: extents });
    emitCopy(l, from, out.at, elementBytes(data.type), extents, without(byteStrides(data)), to);
    return;
  }
  const base = step(Opcode.Gather, GatherStep, {
    data: data.at,
    indices: indices.at,
    output: out.at,
    indexBytes: indexBytes(l, indices),
    batch: sizeOf(data.shape.slice(0, axis)),
    dataStride: extent * slice,
    indexStride: 0,
    count: sizeOf(indices.shape),
    tuple: 1,
    axis,
    sliceBytes: slice,
    scatter: 0,
    operation: -1,
    type: 0,
  });
  const bytes = 2 * sizeOf(out.shape) * elementBytes(out.type) + 8 * sizeOf(indices.shape);
  l.emit(withLists(base, [extent, slice]), { kernel: "gather", bytes });
}

export const GATHER = { "/Gather": lowerGather } satisfies Readonly<Record<string, Lower>>;
