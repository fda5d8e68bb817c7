import type { Core } from "../core/index.ts";
import { type Known, LIST } from "../graph/index.ts";
import { bytesIn, elementBytes, type NumericType, type Shape, sizeOf, Tensor, viewData } from "../tensor/index.ts";
import { bytesOf } from "./feeds.ts";

/** A tensor in the core's memory. */
export class Placed {
  constructor(
    readonly type: NumericType,
    readonly dims: Shape,
    readonly at: number,
    /** The block of a scope that it lies in; absent in an arena. */
    readonly block?: number,
    /** It lies in this many pieces, which begin so many bytes apart; absent: in one. */
    readonly pieces?: { readonly count: number; readonly apart: number },
  ) {}

  get bytes(): number {
    return sizeOf(this.dims) * elementBytes(this.type);
  }
}

/** A tensor in the core's memory or in JavaScript's: feeds, what evaluators give, strings. */
export type Held = Tensor | Placed;

/** What a value is between two programs: a tensor, a sequence, or an optional that holds nothing. */
export type Value = Held | readonly Held[] | undefined;

export function isHeld(value: Value): value is Held {
  return value instanceof Tensor || value instanceof Placed;
}

export function knownOf(value: Value): Known {
  return isHeld(value) ? { type: value.type, shape: value.dims } : LIST;
}

/** Blocks of memory that live until what runs in the scope is done. */
export class Scope {
  private readonly blocks = new Set<number>();

  constructor(readonly core: Core) {}

  /** Room for a tensor, not written. */
  place(type: NumericType, dims: Shape): Placed {
    const at = this.core.allocate(sizeOf(dims) * elementBytes(type));
    this.blocks.add(at);
    return new Placed(type, dims, at, at);
  }

  /** Releases every block that none of the values lies in. */
  keep(values: Iterable<Value>): void {
    const used = blocksOf(values);
    for (const at of this.blocks) {
      if (used.has(at)) continue;
      this.blocks.delete(at);
      this.core.release(at);
    }
  }

  /** Hands the blocks of the values over to a scope that lives longer. */
  give(values: Iterable<Value>, outer: Scope): void {
    for (const at of blocksOf(values)) if (this.blocks.delete(at)) outer.blocks.add(at);
  }

  release(): void {
    this.keep([]);
  }
}

function blocksOf(values: Iterable<Value>): Set<number> {
  const used = new Set<number>();
  for (const value of values) {
    for (const one of isHeld(value) ? [value] : (value ?? []))
      if (one instanceof Placed && one.block !== undefined) used.add(one.block);
  }
  return used;
}

/** What an object of ours takes at least, with its shape. */
const OBJECT_BYTES = 128;

/** Bytes that a value takes in JavaScript: one that lies in the core's memory only its object. */
export function bytesBeside(value: Value): number {
  if (value === undefined) return 0;
  if (!isHeld(value)) return value.reduce((sum, one) => sum + 8 + bytesBeside(one), 0);
  if (value instanceof Placed) return OBJECT_BYTES;
  const { type, data, size } = value;
  const texts = type === "string" ? (data as readonly string[]).reduce((sum, text) => sum + 2 * text.length, 0) : 0;
  return OBJECT_BYTES + bytesIn(type, size) + texts;
}

/** The bytes of a numeric tensor where they are: valid until the memory grows. Those of one in pieces are a copy. */
export function viewOf(core: Core, value: Held): Uint8Array {
  if (!(value instanceof Placed)) return bytesOf(value);
  if (value.pieces === undefined) return core.u8(value.at, value.bytes);
  const bytes = new Uint8Array(value.bytes);
  gather(core, value, bytes);
  return bytes;
}

/** The rows of a tensor in pieces, one after the other. */
export function gather(core: Core, { at, bytes, pieces }: Placed, to: Uint8Array): void {
  const { count, apart } = pieces!;
  const each = bytes / Math.max(1, count);
  for (let i = 0; i < count; i++) to.set(core.u8(at + i * apart, each), i * each);
}

/** Float16Array, where the runtime has it. */
const Float16 = (globalThis as { Float16Array?: new (bits: ArrayBuffer) => ArrayBufferView }).Float16Array;

/** A copy in JavaScript, as a caller gets it; `copied`: its bytes, when they have been copied already. */
export function toTensor(core: Core, value: Held, copied?: Uint8Array<ArrayBuffer>): Tensor {
  const { type, dims } = value;
  if (type === "string") return new Tensor("string", [...(value as Tensor<"string">).data], dims);
  const bytes = copied ?? (viewOf(core, value).slice() as Uint8Array<ArrayBuffer>);
  if (type === "float16" && Float16 !== undefined) return new Tensor(type, new Float16(bytes.buffer), dims);
  return new Tensor(type, viewData(type as NumericType, bytes, sizeOf(dims)) as ArrayBufferView, dims);
}

/** A copy in JavaScript as shape rules and evaluators read it: float16 as bit patterns; `copied`: its bytes, when they have been copied already. */
export function toConstant(core: Core, value: Held, copied?: Uint8Array<ArrayBuffer>): Tensor {
  const { type, dims } = value;
  if (type === "string") return value as Tensor;
  const bytes = copied ?? (viewOf(core, value).slice() as Uint8Array<ArrayBuffer>);
  return new Tensor(type, viewData(type as NumericType, bytes, sizeOf(dims)) as ArrayBufferView, dims);
}

/** The first element of a value as a number. */
export function scalarOf(core: Core, value: Held): number {
  return Number((toConstant(core, value).data as ArrayLike<number | bigint>)[0]);
}

/** An int64 scalar. */
export function int64(value: number): Tensor {
  return new Tensor("int64", BigInt64Array.of(BigInt(value)), []);
}

export function bool(value: boolean): Tensor {
  return new Tensor("bool", Uint8Array.of(value ? 1 : 0), []);
}

/** The same elements under another shape. */
export function reshaped(value: Held, dims: Shape): Held {
  return value instanceof Placed
    ? new Placed(value.type, dims, value.at, value.block, value.pieces)
    : value.reshape(dims);
}
