import { BitbasisError, decodeUtf8, encodeUtf8 } from "../core/index.ts";
import type { Shape } from "../tensor/index.ts";
import { type ElementType, elementBytes, sizeOf } from "../tensor/index.ts";
import { damaged } from "./damaged.ts";
import { pack, unpack } from "./packing.ts";
import { sha256 } from "./sha256.ts";

/**
 * The header of a container: that of a safetensors file (u64 length, JSON, spaces until the data is 8-aligned), whose first metadata entry
 * is the SHA-256 of the header itself with these 64 digits set to 0. It is read as strictly as it is written: one order, no white space, no
 * key twice.
 *
 * Since version 2 that header, with zeros for its digest, is packed into the first tensor of the file, and the header in front of it names the sections only. What a receipt says
 * of a model is the digest of the packed header in both versions, so that a container and its older form are the same model.
 */
export const FORMAT = "bitbasis";
export const VERSION = 2;
/** What a header says that lists all tensors by itself. */
const PLAIN = 1;
/** The tensor that holds the packed header. */
const PACKED = "header";
/** The metadata that has the digest of the first section, where that is packed too. */
const VALUES = "values";

/** Safetensors refuses longer headers. */
const LARGEST_HEADER = 100_000_000;
const PREFIX = '{"__metadata__":{"sha256":"';
const DIGEST_AT = PREFIX.length;
const NO_DIGEST = "0".repeat(64);

/** A tensor of the file; `begin` and `end` count from the start of the data. */
export interface Entry {
  readonly name: string;
  readonly type: Exclude<ElementType, "string">;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

/** Consecutive tensors with one digest. */
export interface SectionInfo {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
  readonly sha256: string;
  readonly entries: readonly Entry[];
  /** How it lies in the file, where it is packed. */
  readonly packed?: { readonly bytes: number; readonly sha256: string };
}

/** Bytes of a section in the file. */
export function storedBytes({ begin, end, packed }: SectionInfo): number {
  return packed?.bytes ?? end - begin;
}

export interface Header {
  readonly metadata: ReadonlyMap<string, string>;
  readonly sections: readonly SectionInfo[];
  /** Of the header itself, its own 64 digits being 0: with the digests of the sections in it, it stands for every bit of the model. */
  readonly sha256: string;
  /** Bytes before the data. */
  readonly bytes: number;
}

/** What the first bytes of a container say. */
export interface Front {
  /** Bytes of it. */
  readonly bytes: number;
  /** Bytes of the packed header that follow. */
  readonly packed: number;
  /** The header, from these bytes. */
  header(packed: Uint8Array): Header;
}

const DTYPES: readonly (readonly [Exclude<ElementType, "string">, string])[] = [
  ["float32", "F32"],
  ["float64", "F64"],
  ["float16", "F16"],
  ["int8", "I8"],
  ["uint8", "U8"],
  ["int16", "I16"],
  ["uint16", "U16"],
  ["int32", "I32"],
  ["uint32", "U32"],
  ["int64", "I64"],
  ["uint64", "U64"],
  ["bool", "BOOL"],
];
const DTYPE_OF: ReadonlyMap<string, string> = new Map(DTYPES);
const TYPE_OF: ReadonlyMap<string, Exclude<ElementType, "string">> = new Map(
  DTYPES.map(([type, dtype]) => [dtype, type]),
);

/** Header bytes, the packed header included. */
export function writeHeader(metadata: ReadonlyMap<string, string>, sections: readonly SectionInfo[]): Uint8Array {
  const plain = writePlain(metadata, sections);
  const packed = pack(withoutDigest(plain));
  let at = packed.length;
  const byName = sections.map((section): Entry => {
    const [from, bytes] = [at, storedBytes(section)];
    at += bytes;
    return { name: section.name, type: "uint8", shape: [bytes], begin: from, end: at };
  });
  const values = sections[0]?.packed;
  const digests = [["packed", sha256(packed)] as const, ...(values ? [[VALUES, values.sha256] as const] : [])];
  const own: Entry = { name: PACKED, type: "uint8", shape: [packed.length], begin: 0, end: packed.length };
  const front = signed(new Map([...told(VERSION), ...digests]), [own, ...byName]);
  const whole = new Uint8Array(front.length + packed.length);
  whole.set(front);
  whole.set(packed, front.length);
  return whole;
}

/** The digest of the container that has this header. */
export function digestOfHeader(metadata: ReadonlyMap<string, string>, sections: readonly SectionInfo[]): string {
  return digestIn(writePlain(metadata, sections));
}

/** A header that lists all tensors: the whole one of version 1. */
export function writePlain(metadata: ReadonlyMap<string, string>, sections: readonly SectionInfo[]): Uint8Array {
  const table = JSON.stringify(sections.map(({ name, begin, end, sha256: digest }) => [name, end - begin, digest]));
  const entries = sections.flatMap((section) => section.entries);
  return signed(new Map([...told(PLAIN), ["sections", table], ...metadata]), entries);
}

function told(version: number): Map<string, string> {
  return new Map([
    ["sha256", NO_DIGEST],
    ["format", FORMAT],
    ["version", String(version)],
  ]);
}

function signed(metadata: ReadonlyMap<string, string>, tensors: readonly Entry[]): Uint8Array {
  const pairs = Array.from(metadata, ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  const entries = tensors.map(
    ({ name, type, shape, begin, end }) =>
      `,${JSON.stringify(name)}:{"dtype":"${DTYPE_OF.get(type)}","shape":[${shape}],"data_offsets":[${begin},${end}]}`,
  );
  const text = encodeUtf8(`{"__metadata__":{${pairs}}${entries.join("")}}`);
  const padded = new Uint8Array(8 + 8 * Math.ceil(text.length / 8)).fill(0x20);
  padded.set(text, 8);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(encodeUtf8(sha256(padded.subarray(8))), 8 + DIGEST_AT);
  return padded;
}

/** The text of a header with zeros for its digest. */
function withoutDigest(header: Uint8Array): Uint8Array {
  const text = new Uint8Array(header.subarray(8)); // a copy even of a Buffer, whose slice is a view
  text.fill(0x30, DIGEST_AT, DIGEST_AT + NO_DIGEST.length);
  return text;
}

/**
 * Bytes of the header of a file that starts with `start`.
 *
 * @param start - the first 64 bytes at least, or the whole file
 * @throws BitbasisError MODEL when this is no container
 */
export function headerBytes(start: Uint8Array): number {
  const found = decodeUtf8(start.subarray(8, 8 + DIGEST_AT));
  if (found.length === 0 || !PREFIX.startsWith(found)) {
    throw new BitbasisError("MODEL", `expected a bitbasis container, got ${describe(start)}`);
  }
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > LARGEST_HEADER || length % 8n !== 0n) {
    throw new BitbasisError(
      "MODEL",
      `the container is damaged: its header expected a multiple of 8 bytes up to ${LARGEST_HEADER}, got ${length}`,
    );
  }
  return 8 + Number(length);
}

/** Whether bytes start like a safetensors file, which `readModel` then takes or refuses with a reason; 16 bytes are enough. */
export function isContainer(start: Uint8Array): boolean {
  const [a, b] = [start[8], start[9]];
  return start.subarray(4, 8).every((byte) => byte === 0) && a === 0x7b && (b === 0x22 || b === 0x7d);
}

/** The digest that a header says of itself, unchecked. */
function digestIn(header: Uint8Array): string {
  return decodeUtf8(header.subarray(8 + DIGEST_AT, 8 + DIGEST_AT + NO_DIGEST.length));
}

/** Reads and checks what a container starts with; `bytes` is exactly as much as `headerBytes` says. */
export function readFront(bytes: Uint8Array): Front {
  if (bytes.length < 8 + DIGEST_AT + NO_DIGEST.length) throw damaged("its header is too short");
  const text = withoutDigest(bytes);
  const digest = digestIn(bytes);
  if (sha256(text) !== digest) throw damaged("its header does not match its digest");
  const { version, ...listed } = scan(text);
  if (version === PLAIN)
    return { bytes: bytes.length, packed: 0, header: () => headerOf(listed, digest, bytes.length) };
  const [own, ...sections] = listed.entries;
  if (own?.name !== PACKED || own.type !== "uint8" || own.end % 8 !== 0)
    throw damaged(`it expected its packed header first, got ${own === undefined ? "nothing" : `"${own.name}"`}`);
  const header = (packed: Uint8Array): Header => {
    if (sha256(packed) !== listed.metadata.get("packed")) throw damaged("its packed header does not match its digest");
    const plain = unpack(packed, LARGEST_HEADER);
    const inner = scan(plain);
    if (inner.version !== PLAIN) throw damaged(`its packed header has version ${inner.version}`);
    const found = headerOf(inner, sha256(plain), bytes.length + packed.length);
    const values = listed.metadata.get(VALUES);
    const [first, ...terms] = found.sections;
    if (values !== undefined && first !== undefined && sections[0] !== undefined) {
      const { begin, end } = sections[0];
      found.sections = [{ ...first, packed: { bytes: end - begin, sha256: values } }, ...terms];
    }
    const sizes = (list: readonly (readonly [string, number])[]) => JSON.stringify(list);
    const told = sections.map(({ name, begin, end }) => [name, end - begin] as const);
    if (sizes(told) !== sizes(found.sections.map((section) => [section.name, storedBytes(section)] as const)))
      throw damaged("its two headers differ");
    return found;
  };
  return { bytes: bytes.length, packed: own.end, header };
}

/** What a header lists. */
interface Listed {
  readonly metadata: ReadonlyMap<string, string>;
  readonly entries: readonly Entry[];
}

function scan(text: Uint8Array): Listed & { readonly version: number } {
  const scanner = new Scanner(decodeUtf8(text).trimEnd());
  scanner.take('{"__metadata__":{');
  const metadata = new Map<string, string>();
  do {
    const key = scanner.text();
    scanner.take(":");
    if (metadata.has(key)) throw damaged(`its metadata holds "${key}" twice`);
    metadata.set(key, scanner.text());
  } while (scanner.tries(","));
  scanner.take("}");
  const version = Number(metadata.get("version"));
  if (metadata.get("format") !== FORMAT || !Number.isInteger(version) || version < 1) {
    throw new BitbasisError("MODEL", "expected a bitbasis container, got another safetensors file");
  }
  if (version > VERSION) {
    throw new BitbasisError(
      "MODEL",
      `the container has version ${version}; this release reads versions up to ${VERSION}: update bitbasis`,
    );
  }
  const entries: Entry[] = [];
  const names = new Set<string>();
  while (scanner.tries(",")) {
    const entry = scanner.entry(entries.at(-1)?.end ?? 0);
    if (names.has(entry.name)) throw damaged(`it holds the tensor "${entry.name}" twice`);
    names.add(entry.name);
    entries.push(entry);
  }
  scanner.take("}");
  scanner.end();
  return { metadata, entries, version };
}

function headerOf({ metadata, entries }: Listed, digest: string, bytes: number): Header & { sections: SectionInfo[] } {
  return { metadata, sections: divide(metadata.get("sections"), entries), sha256: digest, bytes };
}

function divide(table: string | undefined, entries: readonly Entry[]): SectionInfo[] {
  const rows = parseJson(table ?? "", "sections");
  if (!Array.isArray(rows)) throw damaged("its table of sections is no list");
  let next = 0;
  let begin = 0;
  const sections = rows.map((row: unknown): SectionInfo => {
    const [name, bytes, digest] = Array.isArray(row) ? (row as unknown[]) : [];
    if (typeof name !== "string" || typeof digest !== "string" || !Number.isSafeInteger(bytes) || Number(bytes) < 0) {
      throw damaged("its table of sections expected [name, bytes, digest]");
    }
    const end = begin + Number(bytes);
    const first = next;
    while (next < entries.length && entries[next]!.end <= end) next++;
    const section = { name, begin, end, sha256: digest, entries: entries.slice(first, next) };
    if ((section.entries.at(-1)?.end ?? begin) !== end) throw damaged(`section "${name}" and its tensors do not meet`);
    begin = end;
    return section;
  });
  if (sections.length === 0 || next !== entries.length) throw damaged("its sections do not cover its tensors");
  return sections;
}

/** Parses JSON of a container's metadata. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new BitbasisError("MODEL", `the container is damaged: its ${what} is no JSON`, { cause });
  }
}

/** Reads the one spelling of a header that `writeHeader` has. */
class Scanner {
  private at = 0;

  constructor(private readonly source: string) {}

  take(literal: string): void {
    if (!this.tries(literal)) throw damaged(`its header expected ${literal} at character ${this.at}`);
  }

  tries(literal: string): boolean {
    const found = this.source.startsWith(literal, this.at);
    if (found) this.at += literal.length;
    return found;
  }

  end(): void {
    if (this.at !== this.source.length) throw damaged(`its header goes on after character ${this.at}`);
  }

  text(): string {
    const first = this.at;
    this.take('"');
    for (;;) {
      const quote = this.source.indexOf('"', this.at);
      if (quote < 0) throw damaged("a text of its header does not end");
      let escapes = 0;
      while (this.source[quote - 1 - escapes] === "\\") escapes++;
      this.at = quote + 1;
      if (escapes % 2 === 0) break;
    }
    return parseJson(this.source.slice(first, this.at), "header") as string;
  }

  entry(begin: number): Entry {
    const name = this.text();
    this.take(':{"dtype":');
    const dtype = this.text();
    const type = TYPE_OF.get(dtype);
    if (type === undefined) throw damaged(`the tensor "${name}" has the unknown type ${dtype}`);
    this.take(',"shape":');
    const shape = this.integers();
    this.take(',"data_offsets":');
    const [from, end, ...more] = this.integers();
    this.take("}");
    if (from !== begin || end !== begin + sizeOf(shape) * elementBytes(type) || more.length > 0) {
      throw damaged(`the tensor "${name}" expected to follow the one before it without gap or overlap`);
    }
    return { name, type, shape, begin, end };
  }

  private integers(): number[] {
    const close = this.source.indexOf("]", this.at);
    const list = this.source.slice(this.at, close + 1);
    if (!/^\[(\d{1,15}(,\d{1,15})*)?\]$/.test(list)) throw damaged(`its header expected integers at ${this.at}`);
    this.at = close + 1;
    return JSON.parse(list) as number[];
  }
}

/** What bytes that are no container look like. */
function describe(start: Uint8Array): string {
  if (start.length === 0) return "nothing";
  const text = String.fromCharCode(...start.subarray(0, 64));
  if (start.length < 40 && text.slice(8).length <= 1) return `only ${start.length} bytes`;
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) return "a web page";
  if (text.startsWith("\x89PNG")) return "a PNG picture";
  if (text.startsWith("PK\x03\x04")) return "a zip archive";
  if (text.startsWith("version https://git-lfs")) return "a Git LFS pointer";
  if (text[8] === "{") return "another safetensors file";
  if (start[0] === 0x08 && start[1]! <= 0x20) return "what looks like an ONNX model, which quantize() reads";
  return "something else";
}
