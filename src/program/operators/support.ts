import { ElementCode } from "../../core/abi/element.ts";
import { CastStep, UnaryFunction, UnaryStep } from "../../core/abi/elementwise.ts";
import { CopyStep } from "../../core/abi/movement.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { PowerRounding } from "../../core/abi/small-float.ts";
import { type Argument, f32Bits, type Ref, type Step, step } from "../../core/index.ts";
import { INTERNAL } from "../../graph/internal.ts";
import { type ElementType, elementBytes, floatToHalf, type Shape, sizeOf, stridesOf } from "../../tensor/index.ts";
import type { Lowering } from "../lowering.ts";

/** A dense value in memory: an operand, or something in between. */
export interface Source {
  readonly at: Ref | number;
  readonly type: ElementType;
  readonly shape: Shape;
}

/** The core's code of an element type; strings have none. */
export function codeOf(l: Lowering, type: ElementType): ElementCode {
  if (type === "string") throw l.unsupported("strings are not computed with");
  return ElementCode[type];
}

/** The step with lists of words after its named ones. */
export function withLists(base: Step, ...lists: readonly (readonly number[])[]): Step {
  return { opcode: base.opcode, words: [...base.words, ...lists.flat()] };
}

/** An address some bytes further on. */
export function shifted(at: Ref | number, bytes: number): Argument {
  return typeof at === "number" ? at + bytes : { buffer: at.buffer, offset: at.offset + bytes };
}

/**
 * The same walk over fewer extents: extents of 1 vanish, and neighbours that every operand walks as one are joined.
 * At least one extent remains.
 */
export function collapse(
  extents: readonly number[],
  ...strides: readonly (readonly number[])[]
): { extents: number[]; strides: number[][] } {
  const kept: number[] = [];
  const result = strides.map((): number[] => []);
  extents.forEach((extent, i) => {
    if (extent === 1) return;
    const last = kept.length - 1;
    const joins = last >= 0 && strides.every((s, j) => result[j]![last] === s[i]! * extent);
    if (joins) {
      kept[last]! *= extent;
      strides.forEach((s, j) => {
        result[j]![last] = s[i]!;
      });
    } else {
      kept.push(extent);
      strides.forEach((s, j) => {
        result[j]!.push(s[i]!);
      });
    }
  });
  if (kept.length === 0) {
    kept.push(1);
    for (const s of result) s.push(0);
  }
  return { extents: kept, strides: result };
}

/** Byte strides of a value broadcast to `shape`: 0 where it repeats. */
export function broadcastStrides(value: Source, shape: Shape): number[] {
  const own = stridesOf(value.shape);
  const missing = shape.length - value.shape.length;
  return shape.map((_, i) =>
    i < missing || value.shape[i - missing] === 1 ? 0 : own[i - missing]! * elementBytes(value.type),
  );
}

/** Byte strides of a dense value. */
export function byteStrides(value: Source): number[] {
  return stridesOf(value.shape).map((s) => s * elementBytes(value.type));
}

/** A piece of arena for an intermediate value. */
export function temporary(l: Lowering, type: ElementType, shape: Shape): Source {
  return { at: l.allocate(Math.max(1, sizeOf(shape)) * elementBytes(type)), type, shape };
}

/** Strided copy: `from` and `to` are where the first element is read and written; strides in bytes. */
export function emitCopy(
  l: Lowering,
  from: Argument,
  to: Argument,
  bytes: number,
  extents: readonly number[],
  inputStrides: readonly number[],
  outputStrides: readonly number[],
): void {
  if (sizeOf(extents) === 0) return;
  const walk = collapse(extents, inputStrides, outputStrides);
  const [inputs, outputs] = [walk.strides[0]!, walk.strides[1]!];
  // the loops may be nested in any order: unit stride of the output innermost, unit stride of the input next to it
  const order = walk.extents.map((_, i) => i).sort((i, j) => Math.abs(outputs[j]!) - Math.abs(outputs[i]!));
  const unit = order.findIndex((i) => inputs[i] === bytes);
  if (unit >= 0 && unit < order.length - 1) order.splice(order.length - 2, 0, ...order.splice(unit, 1));
  const { length } = order;
  const base = step(Opcode.Copy, CopyStep, { input: from, output: to, elementBytes: bytes, rank: length });
  const pick = (list: readonly number[]): number[] => order.map((i) => list[i]!);
  l.emit(withLists(base, pick(walk.extents), pick(inputs), pick(outputs)), {
    kernel: "copy",
    bytes: 2 * bytes * sizeOf(extents),
  });
}

/** `value` as another type; itself when it is that already. */
export function converted(l: Lowering, value: Source, to: ElementType): Source {
  if (value.type === to) return value;
  const result = temporary(l, to, value.shape);
  emitCast(l, value, result);
  return result;
}

/** How a Cast rounds to the small floats; see `CastStep`. */
export interface CastRounding {
  readonly saturate: boolean;
  readonly power: PowerRounding;
}

const DEFAULT_ROUNDING: CastRounding = { saturate: true, power: PowerRounding.up };

export function emitCast(l: Lowering, from: Source, to: Source, rounding = DEFAULT_ROUNDING): void {
  const count = sizeOf(from.shape);
  if (count === 0) return;
  l.emit(
    step(Opcode.Cast, CastStep, {
      input: from.at,
      output: to.at,
      count,
      from: codeOf(l, from.type),
      to: codeOf(l, to.type),
      saturate: rounding.saturate ? 1 : 0,
      rounding: rounding.power,
    }),
    { kernel: "cast", bytes: count * (elementBytes(from.type) + elementBytes(to.type)) },
  );
}

/** f(x) element by element, on float32 or float64; in place when both are the same memory. */
export function emitUnary(
  l: Lowering,
  operation: UnaryFunction,
  input: Ref | number,
  output: Ref | number,
  count: number,
  alpha = 0,
  beta = 0,
  type: ElementType = "float32",
): void {
  if (count === 0) return;
  l.emit(
    step(Opcode.Unary, UnaryStep, {
      ...{ input, output, count, operation, alpha: f32Bits(alpha), beta: f32Bits(beta) },
      type: codeOf(l, type),
    }),
    { kernel: `unary_${UnaryFunction[operation].toLowerCase()}`, bytes: 2 * elementBytes(type) * count },
  );
}

/** Whether the type is one of the floats, whatever its width. */
export function isFloat(type: ElementType): boolean {
  return type.includes("float");
}

/**
 * Computes in f32 what is given as float16: `body` gets the input as f32 and where to write its f32 result.
 * float32 passes through without a copy.
 */
export function inFloat32(
  l: Lowering,
  value: Source,
  output: Source,
  body: (input: Source, output: Source) => void,
): void {
  if (value.type !== "float32" && value.type !== "float16") {
    throw l.unsupported(`element type ${value.type} where float32 is expected`);
  }
  const result = output.type === "float32" ? output : temporary(l, "float32", output.shape);
  body(converted(l, value, "float32"), result);
  if (result !== output) emitCast(l, result, output);
}

/** As `inFloat32`, but float64 stays float64, and integers, which few operators of this kind take, are computed in it (exact to 2^53). */
export function inFloat(
  l: Lowering,
  value: Source,
  output: Source,
  body: (input: Source, output: Source) => void,
): void {
  const type = isFloat(value.type) && value.type !== "float64" ? "float32" : "float64";
  const result = output.type === type ? output : temporary(l, type, output.shape);
  body(converted(l, value, type), result);
  if (result !== output) emitCast(l, result, output);
}

/** An axis of the node as 0…rank−1. */
export function axisOf(l: Lowering, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= Math.max(rank, 1)) {
    throw l.unsupported(`"axis" expected integer in ${-rank}..${rank - 1}, got ${axis}`);
  }
  return positive;
}

/** [outer, extent, inner] of a dense shape around an axis. */
export function around(shape: Shape, axis: number): { outer: number; extent: number; inner: number } {
  return { outer: sizeOf(shape.slice(0, axis)), extent: shape[axis] ?? 1, inner: sizeOf(shape.slice(axis + 1)) };
}

/** One number of the given type, shared by the session's programs. */
export function constant(l: Lowering, type: Source["type"], value: number | bigint): Source {
  const at = l.constants.place(`${INTERNAL}literal:${type}:${value}`, () => {
    switch (type) {
      case "float64":
        return Float64Array.of(Number(value));
      case "int64":
        return BigInt64Array.of(BigInt(value));
      case "uint64":
        return BigUint64Array.of(BigInt(value));
      case "float32":
        return Float32Array.of(Number(value));
      case "float16":
        return Uint16Array.of(floatToHalf(Number(value)));
      case "int32":
        return Int32Array.of(Number(value));
      case "uint32":
        return Uint32Array.of(Number(value));
      case "int16":
        return Int16Array.of(Number(value));
      case "uint16":
        return Uint16Array.of(Number(value));
      case "int8":
        return Int8Array.of(Number(value));
      case "uint8":
      case "bool":
        return Uint8Array.of(Number(value));
      default:
        throw l.unsupported(`arithmetic on ${type}`);
    }
  });
  return { at, type, shape: [] };
}
