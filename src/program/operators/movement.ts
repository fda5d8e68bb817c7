import { FillStep, SequenceStep, TriluStep } from "../../core/abi/movement.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { bytesOf, step } from "../../core/index.ts";
import { type ElementType, elementBytes, type Shape, sizeOf } from "../../tensor/index.ts";
import { appendKept, transposedView } from "../kept.ts";
import type { Lower, Lowering } from "../lowering.ts";
import {
  axisOf,
  broadcastStrides,
  byteStrides,
  codeOf,
  converted,
  emitCast,
  emitCopy,
  isFloat,
  type Source,
  shifted,
  temporary,
} from "./support.ts";

/** Bytes of one element of a value that can be moved. */
export function unit(l: Lowering, x: Source): number {
  const bytes = elementBytes(x.type);
  if (bytes === 0) throw l.unsupported("strings are not moved");
  return bytes;
}

/** out[i…] = x[i permuted]; `order` names the input's axis of each output axis. */
export function emitTranspose(l: Lowering, x: Source, out: Source, order: readonly number[]): void {
  const strides = byteStrides(x);
  emitCopy(
    l,
    x.at,
    out.at,
    unit(l, x),
    order.map((i) => x.shape[i]!),
    order.map((i) => strides[i]!),
    byteStrides(out),
  );
}

function orderOf(l: Lowering, rank: number): readonly number[] {
  return l.integers("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
}

function lowerTranspose(l: Lowering): void {
  const view = l.views.get(l.node.inputs[0]!);
  if (view !== undefined) {
    l.views.set(l.node.outputs[0]!, transposedView(view, orderOf(l, view.shape.length)));
    return;
  }
  const x = l.input(0);
  const order = orderOf(l, x.shape.length);
  // a permutation that only moves extents of 1 leaves the memory as it is
  const moving = order.filter((i) => x.shape[i] !== 1);
  if (moving.every((i, j) => j === 0 || moving[j - 1]! < i)) l.alias(0, 0);
  else emitTranspose(l, x, l.output(), order);
}

function lowerConcat(l: Lowering): void {
  const axis = axisOf(l, l.attribute("axis", 1), l.shapeOf(l.node.outputs[0]!).length);
  if (appendKept(l, axis)) return;
  const out = l.output();
  const strides = byteStrides(out);
  let at = 0;
  l.node.inputs.forEach((_, i) => {
    const x = l.input(i);
    emitCopy(l, x.at, shifted(out.at, at * strides[axis]!), unit(l, out), x.shape, byteStrides(x), strides);
    at += x.shape[axis]!;
  });
}

function lowerSplit(l: Lowering): void {
  const x = l.input(0);
  const axis = axisOf(l, l.attribute("axis", 0), x.shape.length);
  const strides = byteStrides(x);
  let at = 0;
  l.node.outputs.forEach((name, i) => {
    // an output that nobody wants still takes its share; only the last may be left out without a name
    if (name === "") return;
    const out = l.output(i);
    emitCopy(l, shifted(x.at, at * strides[axis]!), out.at, unit(l, x), out.shape, strides, byteStrides(out));
    at += out.shape[axis]!;
  });
}

/** Slice: starts, ends, axes and steps are attributes before opset 10, inputs since. The output's shape is known, so the ends are not needed. */
function lowerSlice(l: Lowering): void {
  const [x, out] = [l.input(0), l.output()];
  const rank = x.shape.length;
  const starts = l.integers("starts") ?? l.constantNumbers(1) ?? [];
  const axes = l.integers("axes") ?? l.constantNumbers(3) ?? starts.map((_, i) => i);
  const steps = l.constantNumbers(4) ?? starts.map(() => 1);
  const strides = byteStrides(x);
  let from = 0;
  axes.forEach((a, i) => {
    const axis = axisOf(l, a, rank);
    const extent = x.shape[axis]!;
    const jump = steps[i]!;
    const raw = starts[i]! < 0 ? starts[i]! + extent : starts[i]!;
    from += Math.min(Math.max(raw, 0), jump < 0 ? extent - 1 : extent) * strides[axis]!;
    strides[axis]! *= jump;
  });
  emitCopy(l, shifted(x.at, from), out.at, unit(l, x), out.shape, strides, byteStrides(out));
}

export function emitFill(l: Lowering, out: Source, pattern: Uint8Array): void {
  const bytes = unit(l, out);
  const count = sizeOf(out.shape);
  if (count === 0) return;
  const value = new DataView(new ArrayBuffer(8));
  pattern.forEach((b, i) => {
    value.setUint8(i, b);
  });
  l.emit(
    step(Opcode.Fill, FillStep, {
      output: out.at,
      elementBytes: bytes,
      count,
      low: value.getInt32(0, true),
      high: value.getInt32(4, true),
    }),
    { kernel: "fill", bytes: bytes * count },
  );
}

export function emitExpand(l: Lowering, x: Source, out: Source): void {
  emitCopy(l, x.at, out.at, unit(l, x), out.shape, broadcastStrides(x, out.shape), byteStrides(out));
}

function lowerExpand(l: Lowering): void {
  const [x, out] = [l.input(0), l.output()];
  emitExpand(l, x, out);
}

function lowerTile(l: Lowering): void {
  const [x, out] = [l.input(0), l.output()];
  const [from, to] = [byteStrides(x), byteStrides(out)];
  const extents: number[] = [];
  const [inputs, outputs]: [number[], number[]] = [[], []];
  x.shape.forEach((extent, i) => {
    extents.push(extent === 0 ? 0 : out.shape[i]! / extent, extent);
    inputs.push(0, from[i]!);
    outputs.push(extent * to[i]!, to[i]!);
  });
  emitCopy(l, x.at, out.at, unit(l, x), extents, inputs, outputs);
}

function lowerConstantOfShape(l: Lowering): void {
  const out = l.output();
  const value = l.node.attributes["value"];
  const pattern = new Uint8Array(elementBytes(out.type));
  if (typeof value === "object" && "data" in value) {
    pattern.set(bytesOf(value.data as ArrayBufferView).subarray(0, pattern.length));
  }
  emitFill(l, out, pattern);
}

function lowerRange(l: Lowering): void {
  const y = l.output();
  const count = sizeOf(y.shape);
  if (count === 0) return;
  const type = rangeType(y.type);
  const [start, delta] = [converted(l, l.input(0), type), converted(l, l.input(2), type)];
  const out = type === y.type ? y : temporary(l, type, y.shape);
  l.emit(
    step(Opcode.Sequence, SequenceStep, {
      start: start.at,
      delta: delta.at,
      output: out.at,
      count,
      type: codeOf(l, out.type),
    }),
    { kernel: "range", bytes: count * elementBytes(out.type) },
  );
  if (out !== y) emitCast(l, out, y);
}

/** The type that the core counts in. */
function rangeType(type: ElementType): ElementType {
  if (isFloat(type)) return type === "float64" ? type : "float32";
  return elementBytes(type) === 8 ? "int64" : "int32";
}

/** Blocks of the channels become pixels (DCR: the block comes first in the channels; CRD: last), or the way back. */
function depth(toSpace: boolean): Lower {
  return (l) => {
    const [x, out] = [l.input(0), l.output()];
    const block = l.attribute("blocksize", 1);
    const blockFirst = l.text("mode", "DCR") === "DCR";
    const [small, large] = toSpace ? [x, out] : [out, x];
    const [n, c, h, w] = small.shape as [number, number, number, number];
    const channels = c / block / block;
    const dense = byteStrides({
      ...small,
      shape: blockFirst ? [n, block, block, channels, h, w] : [n, channels, block, block, h, w],
    });
    // in the order n, channel, row, row of the block, column, column of the block
    const order = blockFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
    const smallStrides = order.map((i) => dense[i]!);
    const shape: Shape = [n, channels, h, block, w, block];
    const largeStrides = byteStrides({ ...large, shape });
    const [inputs, outputs] = toSpace ? [smallStrides, largeStrides] : [largeStrides, smallStrides];
    emitCopy(l, x.at, out.at, unit(l, x), shape, inputs, outputs);
  };
}

function lowerTrilu(l: Lowering): void {
  const [x, out] = [l.input(0), l.output()];
  if (sizeOf(out.shape) === 0) return;
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const diagonal = Math.max(-(2 ** 30), Math.min(2 ** 30, l.constantNumbers(1)?.[0] ?? 0));
  l.emit(
    step(Opcode.Trilu, TriluStep, {
      ...{ input: x.at, output: out.at, elementBytes: unit(l, x), batch: sizeOf(x.shape.slice(0, -2)) },
      ...{ rows, columns, diagonal, upper: l.attribute("upper", 1) },
    }),
    { kernel: "trilu", bytes: 2 * sizeOf(x.shape) * unit(l, x) },
  );
}

export const MOVEMENT = {
  "/Transpose": lowerTranspose,
  "/Concat": lowerConcat,
  "/Split": lowerSplit,
  "/Slice": lowerSlice,
  "/Expand": lowerExpand,
  "/Tile": lowerTile,
  "/ConstantOfShape": lowerConstantOfShape,
  "/Range": lowerRange,
  "/DepthToSpace": depth(true),
  "/SpaceToDepth": depth(false),
  "/Trilu": lowerTrilu,
  // the same bytes under another type
  "/BitCast": (l) => l.alias(0, 0),
} satisfies Readonly<Record<string, Lower>>;
