import { BitbasisError } from "../core/index.ts";

const IMPORTS = 2;
const MEMORY = 2;
/** Of the limits of a memory: it has a maximum, and it is shared. */
const SHARED = 0b11;
/** 65,536 pages, all that an address reaches, as LEB128: a memory that is imported may have less. */
const MOST_PAGES = [0x80, 0x80, 0x04];

/**
 * A build of the core over shared memory. The instructions are the same, since threads meet between steps only, in JavaScript: the one
 * import, `env.memory`, differs by its flags. So no build of its own is shipped.
 *
 * @param bytes - a module that imports its memory and nothing else
 */
export function withSharedMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  for (let at = 8; at < bytes.length; ) {
    const size = numberAt(bytes, at + 1);
    if (bytes[at] === IMPORTS) {
      const limits = limitsAt(bytes, size.end);
      const minimum = bytes.subarray(limits + 1, numberAt(bytes, limits + 1).end);
      const section = [...bytes.subarray(size.end, limits), SHARED, ...minimum, ...MOST_PAGES];
      const rest = bytes.subarray(size.end + size.value);
      return Uint8Array.from([...bytes.subarray(0, at + 1), ...leb128(section.length), ...section, ...rest]);
    }
    at = size.end + size.value;
  }
  throw new BitbasisError("BUILD", "a module that imports its memory was expected, got one without imports");
}

/** Where the limits of the memory stand in an import section. */
function limitsAt(bytes: Uint8Array, section: number): number {
  let at = numberAt(bytes, section).end;
  for (let name = 0; name < 2; name++) {
    const length = numberAt(bytes, at);
    at = length.end + length.value;
  }
  if (bytes[at] !== MEMORY) {
    throw new BitbasisError("BUILD", `a module that imports its memory was expected, got kind ${bytes[at]}`);
  }
  return at + 1;
}

function numberAt(bytes: Uint8Array, at: number): { value: number; end: number } {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, end: at };
  }
}

function leb128(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb128(value >> 7)];
}
