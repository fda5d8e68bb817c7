import { ElementCode } from "../core/abi/element.ts";
import { bytesOf, encodeUtf8 } from "../core/index.ts";
import { sha256 } from "../model/sha256.ts";
import type { Fed } from "../session/feeds.ts";
import type { Tensor } from "../tensor/index.ts";

/** Codes that no element type has. */
const [NOTHING, LIST] = [0, 256];

/**
 * SHA-256 of a value: for a tensor its type's ONNX number, its rank and its dimensions as u64, then its elements, strings as u64 length and
 * UTF-8; a sequence is 256, its length and its tensors, an optional that holds nothing 0. All little-endian. A NaN counts with its bits.
 */
export function digestOf(value: Fed): string {
  const parts: Uint8Array[] = [];
  encode(value, parts);
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return sha256(bytes);
}

function encode(value: Fed, into: Uint8Array[]): void {
  if (value === undefined) into.push(words(NOTHING));
  else if ("dims" in value) encodeTensor(value, into);
  else {
    into.push(words(LIST, value.length));
    for (const one of value) encodeTensor(one, into);
  }
}

function encodeTensor({ type, dims, data }: Tensor, into: Uint8Array[]): void {
  into.push(words(ElementCode[type], dims.length, ...dims));
  if (ArrayBuffer.isView(data)) {
    into.push(bytesOf(data));
    return;
  }
  for (const text of data) {
    const bytes = encodeUtf8(text);
    into.push(words(bytes.length), bytes);
  }
}

function words(...numbers: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * numbers.length));
  numbers.forEach((number, i) => {
    view.setBigUint64(8 * i, BigInt(number), true);
  });
  return new Uint8Array(view.buffer);
}
