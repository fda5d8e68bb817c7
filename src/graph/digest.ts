import type { Tensor } from "../tensor/index.ts";

/** Up to this many elements a name spells a tensor out. */
const SPELLED = 16;

/**
 * A name for the contents of a tensor: equal for equal type, shape and bits. Small tensors are spelled out; larger ones are hashed twice with
 * FNV-1a from different starts.
 */
export function contentName(tensor: Tensor): string {
  const head = `${tensor.type}[${tensor.dims}]`;
  if (tensor.type === "string") return `${head}:${JSON.stringify(tensor.data)}`;
  const { buffer, byteOffset, byteLength } = tensor.data as ArrayBufferView;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  if (tensor.size <= SPELLED) {
    const list = Array.from(tensor.data as ArrayLike<number | bigint>, (v) => (Object.is(v, -0) ? "-0" : String(v)));
    // NaNs have many bit patterns: spell the bytes.
    return `${head}:${list.includes("NaN") ? `x${Array.from(bytes, (b) => b.toString(16)).join(",")}` : list.join(",")}`;
  }
  let [a, b] = [0x811c9dc5, 0x01234567];
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x01000193) ^ (b >>> 15);
  }
  return `${head}#${(a >>> 0).toString(16)}${(b >>> 0).toString(16)}`;
}
