import { holdsBits, smallFloatValues, type Tensor } from "../tensor/index.ts";

/** The elements of a tensor as they are read: float16 and smaller as numbers, which most engines keep as bits. */
export function elementsOf({ type, data }: Pick<Tensor, "type" | "data">): ArrayLike<number | bigint | string> {
  const bits = data instanceof Uint16Array || data instanceof Uint8Array;
  return holdsBits(type) && bits ? smallFloatValues(type, data) : (data as ArrayLike<number | bigint | string>);
}

/** The same as float32; integers of 64 bits are rounded. */
export function floatsOf(tensor: Pick<Tensor, "type" | "data">): Float32Array {
  const elements = elementsOf(tensor);
  return elements instanceof Float32Array ? elements : Float32Array.from(elements as ArrayLike<number>, Number);
}

/** JSON has no NaN, no infinity and no 64-bit integers: they are written as strings. */
export function asJson({ type, dims, data }: Pick<Tensor, "type" | "dims" | "data">): object {
  const values = Array.from(elementsOf({ type, data }), (v) =>
    typeof v === "bigint" || (typeof v === "number" && !Number.isFinite(v)) ? String(v) : v,
  );
  return { type, dims, data: values };
}
