import type { Tensor } from "../tensor/index.ts";

/** Up to this many elements a name spells a tensor out. */
const SPELLED = 16;

/**
 * A name for the contents of a tensor: equal for equal type, shape and bits. Small tensors are spelled out; larger ones are hashed twice in
 * the manner of FNV-1a, from different starts by different factors.
 */
export function contentName(tensor: Tensor): string {
  const head = `${tensor.type}[${tensor.dims}]`;
  if (tensor.type === "string") return `${head}:${JSON.stringify(tensor.data)}`;
  const { buffer, byteOffset, byteLength } = tensor.data as ArrayBufferView;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  if (tensor.size <= SPELLED) {
    const elements = tensor.data as ArrayLike<number | bigint>;
    let list = "";
    let hasNaN = false;
    for (let i = 0; i < elements.length; i++) {
      const element = elements[i]!;
      hasNaN ||= Number.isNaN(element);
      list += (i === 0 ? "" : ",") + (Object.is(element, -0) ? "-0" : String(element));
    }
    // NaNs have many bit patterns: spell the bytes.
    return `${head}:${hasNaN ? `x${Array.from(bytes, (b) => b.toString(16)).join(",")}` : list}`;
  }
  // Words, four times as fast as bytes; their high bits are folded down, which the product alone does not do.
  const whole = byteOffset % 4 === 0 ? byteLength >> 2 : 0;
  const words = new Uint32Array(whole > 0 ? buffer : new ArrayBuffer(0), whole > 0 ? byteOffset : 0, whole);
  let [a, b] = [0x811c9dc5, 0x01234567];
  const mix = (value: number): void => {
    a = Math.imul(a ^ value, 0x01000193);
    a ^= a >>> 15;
    b = Math.imul(b ^ value, 0x85ebca6b);
    b ^= b >>> 13;
  };
  for (let i = 0; i < whole; i++) mix(words[i]!);
  for (let i = 4 * whole; i < byteLength; i++) mix(bytes[i]!);
  return `${head}#${(a >>> 0).toString(16)}${(b >>> 0).toString(16)}`;
}

/** Something that tensors of equal contents have in common: the contents of small ones, a few elements of larger ones. */
export function sampleName(tensor: Tensor): string {
  const { type, dims, size, data } = tensor;
  if (size <= SPELLED) return contentName(tensor);
  const elements = data as ArrayLike<unknown>;
  return `${type}[${dims}]:${Array.from({ length: SPELLED }, (_, i) => elements[Math.floor((i * size) / SPELLED)])}`;
}
