// The bytes of a module as scripts/wasm-text.mjs writes them; there is why.

/** The characters: printable ASCII but those that a tool may put a backslash before, "$" and "<". */
const ALPHABET = Array.from({ length: 95 }, (_, i) => 32 + i).filter(
  (code) => !"\"'`\\$<".includes(String.fromCharCode(code)),
);
/** Characters that begin a pair. */
const LEADS = 2;
const HEAD = 64;

/** @param text - which bytes are one character, then the bytes */
export function fromText(text: string): Uint8Array<ArrayBuffer> {
  const place: number[] = [];
  // In the order of the text every other one comes first: twice 45 is one more than there are.
  ALPHABET.forEach((code, i) => {
    place[code] = (45 * i) % ALPHABET.length;
  });
  const singles: number[] = [];
  const pairs: number[] = [];
  for (let byte = 0; byte < 256; byte++) {
    const isSingle = ((text.charCodeAt(byte >> 2) - 97) >> (byte & 3)) & 1;
    (isSingle ? singles : pairs).push(byte);
  }
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let at = HEAD; at < text.length; ) {
    const first = place[text.charCodeAt(at++)]!;
    bytes[length++] =
      first < LEADS ? pairs[first * ALPHABET.length + place[text.charCodeAt(at++)]!]! : singles[first - LEADS]!;
  }
  return bytes.slice(0, length);
}
