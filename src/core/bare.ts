// What hosts of JavaScript have and bare engines have not: shells of engines in which cross-runtime benchmarks run (d8, jsc, js), embedded ones.

const decoder = typeof TextDecoder === "function" ? new TextDecoder() : undefined;
const encoder = typeof TextEncoder === "function" ? new TextEncoder() : undefined;

/** Milliseconds since some moment. */
export const now: () => number = typeof performance === "object" ? () => performance.now() : Date.now;

/** The text of UTF-8 bytes; what is none becomes U+FFFD. */
export function decodeUtf8(bytes: Uint8Array = new Uint8Array()): string {
  return decoder === undefined ? decodeHere(bytes) : decoder.decode(bytes);
}

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder === undefined ? encodeHere(text) : encoder.encode(text);
}

/** {@link decodeUtf8} in ECMAScript alone, by the decoder of the Encoding Standard: a byte order mark at the start is dropped. */
export function decodeHere(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++]!;
    let more = first < 0x80 ? 0 : first < 0xc2 || first > 0xf4 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    let code = first & (0xff >> (more > 0 ? more + 2 : 1));
    // The second byte says whether a character is longer than need be, half of a surrogate pair, or beyond U+10FFFF.
    let [least, most] = [first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80, first === 0xed ? 0x9f : 0xbf];
    if (first === 0xf4) most = 0x8f;
    for (; more > 0 && bytes[at]! >= least && bytes[at]! <= most; at++, more--) {
      code = (code << 6) | (bytes[at]! & 0x3f);
      [least, most] = [0x80, 0xbf];
    }
    text += more === 0 ? String.fromCodePoint(code) : "\ufffd";
  }
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

/** {@link encodeUtf8} in ECMAScript alone: half a surrogate pair becomes U+FFFD. */
export function encodeHere(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (const character of text) {
    const told = character.codePointAt(0)!;
    const code = told >= 0xd800 && told <= 0xdfff ? 0xfffd : told;
    const more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    bytes.push((more === 0 ? 0 : (0xf80 >> more) & 0xff) | (code >> (6 * more)));
    for (let i = more - 1; i >= 0; i--) bytes.push(0x80 | ((code >> (6 * i)) & 0x3f));
  }
  return Uint8Array.from(bytes);
}
