import { checkExtents } from "../core/arguments.ts";
import { sizeOf } from "./shape.ts";
import {
  allocateData,
  arrayHolds,
  classOfArray,
  type DataOf,
  ELEMENT_TYPES,
  type ElementType,
  elementBits,
  holdsBits,
  kindOf,
  type TensorData,
  typeOfArray,
} from "./types.ts";

/** What onnxruntime-common's tensors and ours have in common. */
export interface TensorLike {
  /** Element type: "float32", "int64", … */
  readonly type: string;
  /** The elements, row-major: a typed array, or an array of strings. */
  readonly data: unknown;
  /** Shape. */
  readonly dims: readonly number[];
}

/**
 * A dense row-major array in JavaScript memory, with the surface of onnxruntime-common's Tensor.
 *
 * @example
 * const picture = new Tensor("float32", new Float32Array(3 * 224 * 224), [1, 3, 224, 224]);
 * const ids = new Tensor([1n, 2n, 3n]); // not a typed array: give the type
 */
export class Tensor<T extends ElementType = ElementType> {
  /** Element type. */
  readonly type: T;
  /** Shape; `[]` is a scalar. */
  readonly dims: readonly number[];
  /** Where the elements are: always JavaScript memory. */
  readonly location = "cpu";
  private elements: DataOf[T] | undefined;

  /**
   * @param type - element type, or the data, whose class then tells the type
   * @param data - a typed array, or a plain array of numbers, bigints, booleans or strings
   * @param dims - shape; default `[data.length]`
   * @throws TypeError when type and data do not belong together, RangeError when the length is not the product of the dims
   */
  constructor(
    type: T,
    data: DataOf[T] | readonly (number | bigint | boolean | string)[] | ArrayBufferView,
    dims?: readonly number[],
  );
  constructor(data: DataOf[T] | ArrayBufferView | readonly boolean[] | readonly string[], dims?: readonly number[]);
  constructor(first: unknown, second?: unknown, third?: readonly number[]) {
    const named = typeof first === "string";
    const source = named ? second : first;
    const dims = named ? third : (second as readonly number[] | undefined);
    this.type = (named ? checkType(first) : inferType(source)) as T;
    this.elements = toElements(this.type, source) as DataOf[T];
    checkExtents("dims", dims);
    this.dims = Object.freeze([...(dims ?? [this.elements.length])]);
    if (sizeOf(this.dims) !== this.elements.length) {
      throw new RangeError(`"dims" [${this.dims}] expected ${sizeOf(this.dims)} elements, got ${this.elements.length}`);
    }
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.dims);
  }

  /**
   * The elements, row-major, not a copy.
   *
   * @throws TypeError after `dispose`
   */
  get data(): DataOf[T] {
    if (this.elements === undefined) throw new TypeError("the tensor has been disposed of");
    return this.elements;
  }

  /**
   * As `data`, for code that also handles tensors that are elsewhere.
   *
   * @throws TypeError after `dispose`
   */
  async getData(): Promise<DataOf[T]> {
    return this.data;
  }

  /** The same elements under another shape of equal size. */
  reshape(dims: readonly number[]): Tensor<T> {
    return new Tensor<T>(this.type, this.data, dims);
  }

  /** Lets go of the elements; `data` throws from then on. */
  dispose(): void {
    this.elements = undefined;
  }
}

function checkType(type: string): ElementType {
  if ((ELEMENT_TYPES as readonly string[]).includes(type)) return type as ElementType;
  throw new TypeError(`"type" expected one of ${ELEMENT_TYPES.join(", ")}, got ${JSON.stringify(type)}`);
}

function inferType(data: unknown): ElementType {
  if (ArrayBuffer.isView(data)) {
    const type = typeOfArray(classOfArray(data));
    if (type !== undefined) return type;
  }
  if (Array.isArray(data)) {
    if (typeof data[0] === "boolean") return "bool";
    if (typeof data[0] === "string") return "string";
  }
  throw new TypeError('"data" expected a typed array, booleans or strings; give the type for anything else');
}

function toElements(type: ElementType, source: unknown): TensorData {
  if (ArrayBuffer.isView(source)) {
    const name = classOfArray(source);
    if (!arrayHolds(name, type)) throw new TypeError(`"data" expected the array of a ${type} tensor, got ${name}`);
    return checkRange(type, source as unknown as TensorData);
  }
  if (!Array.isArray(source)) throw new TypeError(`"data" expected a typed array or an array, got ${typeof source}`);
  if (type === "string") {
    // Not `every`, which leaves out what nobody has set.
    if (source.findIndex((v) => typeof v !== "string") < 0) return source as string[];
    throw new TypeError('"data" of a string tensor expected strings only');
  }
  const data = allocateData(type, source.length);
  if (holdsBits(type)) {
    const half = type === "float16" ? "a Float16Array or " : "";
    throw new TypeError(`"data" of a ${type} tensor expected ${half}a ${data.constructor.name} of bits`);
  }
  const wide = type === "int64" || type === "uint64";
  for (let i = 0; i < source.length; i++) {
    const v: unknown = source[i];
    if (typeof v !== "number" && typeof v !== "bigint" && typeof v !== "boolean")
      throw new TypeError(`"data" of a ${type} tensor expected numbers, got ${typeof v} at ${i}`);
    if (wide && typeof v === "number" && !Number.isInteger(v))
      throw new RangeError(`"data" of a ${type} tensor expected integers, got ${v} at ${i}`);
    (data as { [i: number]: number | bigint })[i] = wide ? BigInt(v) : Number(v);
  }
  return checkRange(type, data);
}

/** Types of fewer bits than a byte have arrays that hold more than they may. */
function checkRange(type: ElementType, data: TensorData): TensorData {
  if (type === "string" || elementBits(type) >= 8) return data;
  const values = data as Int8Array | Uint8Array;
  const steps = 2 ** elementBits(type);
  const low = kindOf(type) === "signed" ? -steps / 2 : 0;
  const at = values.findIndex((v) => v < low || v >= low + steps);
  if (at < 0) return data;
  throw new RangeError(`"data" of a ${type} tensor expected ${low}..${low + steps - 1}, got ${values[at]} at ${at}`);
}
