// Bytes as a text that every tool leaves as it is: printable ASCII without quotes, backslashes, "$" and "<". The 87 bytes that are most frequent are a character
// each, the others two, the first of which is one of two that are nothing else; so bytes stay apart and most of them whole, where base64 hides them from a
// compressor. The simd core, 125,365 bytes, in brotli and gzip: 34,902 and 41,856 bytes as this, 37,007 and 46,904 as two letters a byte; itself it is 34,394
// and 41,734. src/core/wasm-text.ts reads it.

const CHARACTERS = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).filter(
  (c) => !/["'`\\$<]/.test(c),
);
/** The characters in order, every other one first: of all such steps through the 89 it is the one that a compressor makes least of, 0.4 % less than one after the other. */
const ALPHABET = CHARACTERS.map((_, i) => CHARACTERS[(2 * i) % CHARACTERS.length]);
/** Characters that begin a pair: two of these are as many pairs as there are other bytes. */
const LEADS = 2;
const SINGLE = ALPHABET.length - LEADS;

/** 64 letters from "a" on say of four bytes each which are single; the text of the bytes follows. */
export function asText(bytes) {
  const count = new Array(256).fill(0);
  for (const byte of bytes) count[byte]++;
  const byFrequency = [...count.keys()].sort((a, b) => count[b] - count[a] || a - b);
  const single = new Set(byFrequency.slice(0, SINGLE));
  const codes = [];
  let singles = 0;
  let pairs = 0;
  for (let byte = 0; byte < 256; byte++) {
    if (single.has(byte)) codes.push(ALPHABET[LEADS + singles++]);
    else {
      codes.push(ALPHABET[Math.floor(pairs / ALPHABET.length)] + ALPHABET[pairs % ALPHABET.length]);
      pairs++;
    }
  }
  let head = "";
  for (let at = 0; at < 256; at += 4) {
    const bits = [0, 1, 2, 3].reduce((sum, i) => sum + (single.has(at + i) ? 1 << i : 0), 0);
    head += String.fromCharCode(97 + bits);
  }
  return head + Array.from(bytes, (byte) => codes[byte]).join("");
}
