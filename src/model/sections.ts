import { BitbasisError, bytesOf } from "../core/index.ts";
import { type ElementType, elementBytes, sizeOf, Tensor, viewData } from "../tensor/index.ts";
import { damaged } from "./damaged.ts";
import {
  type Entry,
  type Header,
  headerBytes,
  readFront,
  type SectionInfo,
  storedBytes,
  writeHeader,
} from "./header.ts";
import { pack, repeats, unpack } from "./packing.ts";
import { sha256 } from "./sha256.ts";

/** Part of its bytes that a packed section has at most: else it stays as it is. */
const WORTH = 0.9;

/** Tensors that are written, and arrive, together. */
export interface Section {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/**
 * The bytes of a container: a valid safetensors file, the same for the same input.
 *
 */
export function writeSections(metadata: ReadonlyMap<string, string>, sections: readonly Section[]): Uint8Array {
  const { infos, data } = layOut(sections);
  const [first, ...terms] = infos;
  const packed = first !== undefined && repeats(data[0]!) ? pack(data[0]!) : undefined;
  if (packed === undefined || packed.length > WORTH * data[0]!.length)
    return concatenate([writeHeader(metadata, infos), ...data]);
  const values = { ...first!, packed: { bytes: packed.length, sha256: sha256(packed) } };
  return concatenate([writeHeader(metadata, [values, ...terms]), packed, ...data.slice(1)]);
}

/** Where the tensors of sections lie, and the bytes of each section. */
export function layOut(sections: readonly Section[]): { infos: SectionInfo[]; data: Uint8Array[] } {
  let at = 0;
  const infos: SectionInfo[] = [];
  const data: Uint8Array[] = [];
  for (const { name, tensors } of sections) {
    const begin = at;
    const entries: Entry[] = [];
    const parts: Uint8Array[] = [];
    for (const [key, tensor] of tensors) {
      // Texts come as bytes: src/graph/json.ts.
      const type = tensor.type as Exclude<ElementType, "string">;
      const shape = tensor.dims;
      const bytes = sizeOf(shape) * elementBytes(type);
      entries.push({ name: key, type, shape, begin: at, end: at + bytes });
      at += bytes;
      parts.push(bytesOf(tensor.data as Exclude<typeof tensor.data, string[]>));
    }
    const written = concatenate(parts);
    data.push(written);
    infos.push({ name, begin, end: at, sha256: sha256(written), entries });
  }
  return { infos, data };
}

/** The tensors of a section whose bytes have arrived; views of them. Throws BitbasisError MODEL when the digest differs. */
export function readSection(info: SectionInfo, stored: Uint8Array): Section {
  const { packed } = info;
  if (packed !== undefined && sha256(stored) !== packed.sha256)
    throw damaged(`the section "${info.name}" does not match its digest`);
  const bytes = packed === undefined ? stored : unpack(stored, info.end - info.begin);
  if (sha256(bytes) !== info.sha256) throw damaged(`the section "${info.name}" does not match its digest`);
  const tensors = new Map<string, Tensor>();
  for (const { name, type, shape, begin, end } of info.entries) {
    const own = bytes.subarray(begin - info.begin, end - info.begin);
    tensors.set(name, new Tensor(type, viewData(type, own, sizeOf(shape)), shape));
  }
  return { name: info.name, tensors };
}

/** Reads a container in one piece. */
export function readSections(bytes: Uint8Array): { header: Header; sections: Section[] } {
  const first = headerBytes(bytes);
  if (bytes.length < first) throw cutShort("header", first, bytes.length);
  const front = readFront(bytes.subarray(0, first));
  const length = first + front.packed;
  if (bytes.length < length) throw cutShort("packed header", front.packed, bytes.length - first);
  const header = front.header(bytes.subarray(first, length));
  const total = header.sections.reduce((sum, info) => sum + storedBytes(info), length);
  if (bytes.length > total) throw damaged(`${bytes.length - total} bytes follow its end`);
  let at = length;
  const sections = header.sections.map((info) => {
    const due = storedBytes(info);
    const own = bytes.subarray(at, at + due);
    if (own.length < due) throw cutShort(`section "${info.name}"`, due, own.length);
    at += due;
    return readSection(info, own);
  });
  return { header, sections };
}

export function cutShort(what: string, expected: number, got: number): BitbasisError {
  return new BitbasisError("MODEL", `the container is cut short: its ${what} expected ${expected} bytes, got ${got}`);
}

/** Takes exact numbers of bytes from chunks of any size; nothing is allocated before it has arrived. */
export class ByteReader {
  private readonly source: AsyncIterator<Uint8Array>;
  private readonly pending: Uint8Array[] = [];
  private available = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.source = chunks[Symbol.asyncIterator]();
  }

  /** Up to `count` bytes, which stay: fewer only at the end of the stream. */
  async peek(count: number): Promise<Uint8Array> {
    await this.fill(count);
    const bytes = concatenate(this.pending);
    this.pending.splice(0, this.pending.length, bytes);
    return bytes.subarray(0, count);
  }

  /** `count` bytes; fewer only at the end of the stream. */
  async take(count: number): Promise<Uint8Array> {
    await this.fill(count);
    const parts: Uint8Array[] = [];
    let missing = Math.min(count, this.available);
    this.available -= missing;
    while (missing > 0) {
      const chunk = this.pending.shift()!;
      parts.push(chunk.subarray(0, missing));
      if (chunk.length > missing) this.pending.unshift(chunk.subarray(missing));
      missing -= Math.min(missing, chunk.length);
    }
    return concatenate(parts);
  }

  private async fill(count: number): Promise<void> {
    while (this.available < count) {
      const { done, value } = await this.source.next();
      if (done) return;
      this.pending.push(value);
      this.available += value.length;
    }
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
