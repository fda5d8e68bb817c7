import { PbfReader, PbfWriter } from "pbf";
import { decodeUtf8, encodeUtf8 } from "../core/bare.ts";

/** Messages in messages; bodies of 100 levels, which are the deepest that are run, take 300. Some thousand would overflow the stack. */
const MOST_LEVELS = 400;

/**
 * pbf trusts lengths; a hostile or truncated file has wrong ones. This reader throws RangeError as soon as a field, a string, a packed list or
 * a message leaves the bytes or its parent, so that reading takes time and memory in proportion to the file.
 */
export class StrictReader extends PbfReader {
  /** Messages that are being read. */
  level = 0;

  override nextField(end: number = this.length): number {
    if (end > this.length) throw new RangeError(`a message ends at byte ${end} of ${this.length}`);
    const field = super.nextField(end);
    if (field === 0 ? this.pos !== end : this.pos > end) throw new RangeError(`a field crosses byte ${end}`);
    // Groups (3 and 4) are none of ONNX's fields, 6 and 7 are nothing.
    if (field !== 0 && this.type !== 5 && this.type > 2) throw new RangeError(`a field has wire type ${this.type}`);
    if (field < 0) throw new RangeError(`a field has number ${field}`);
    return field;
  }

  override readBytes(): Uint8Array {
    return this.within(super.readBytes());
  }

  override readString(): string {
    return decodeUtf8(this.readBytes());
  }

  override readPackedEnd(): number {
    const end = super.readPackedEnd();
    if (end > this.length) throw new RangeError(`a list ends at byte ${end} of ${this.length}`);
    return end;
  }

  private within<T>(value: T): T {
    if (this.pos > this.length) throw new RangeError(`bytes end at ${this.pos} of ${this.length}`);
    return value;
  }
}

/** A message that is a field of the one that is being read. */
export function readMessage<T>(pbf: StrictReader, read: (pbf: StrictReader, end: number) => T): T {
  if (++pbf.level > MOST_LEVELS)
    throw new RangeError(`messages lie in each other over more than ${MOST_LEVELS} levels`);
  const message = read(pbf, pbf.readVarint() + pbf.pos);
  pbf.level--;
  return message;
}

/** A 64-bit integer of two's complement: a number where that is exact, else a bigint. */
export function readInteger(pbf: PbfReader, signed = true): number | bigint {
  const start = pbf.pos;
  const value = pbf.readVarint(signed);
  if (Number.isSafeInteger(value)) return value;
  let bits = 0n;
  for (let i = 0; start + i < pbf.pos; i++) bits |= BigInt(pbf.buf[start + i]! & 127) << BigInt(7 * i);
  return signed ? BigInt.asIntN(64, bits) : BigInt.asUintN(64, bits);
}

export function readIntegers(pbf: PbfReader, values: (number | bigint)[], signed: boolean): void {
  const end = pbf.readPackedEnd();
  while (pbf.pos < end) values.push(readInteger(pbf, signed));
}

export function writeInteger(pbf: PbfWriter, tag: number, value: number | bigint): void {
  pbf.writeTag(tag, 0);
  writeVarint(pbf, value);
}

export function writeIntegers(pbf: PbfWriter, tag: number, values: readonly (number | bigint)[]): void {
  const write = (all: readonly (number | bigint)[]): void => {
    for (const value of all) writeVarint(pbf, value);
  };
  if (values.length > 0) pbf.writeMessage(tag, write, values);
}

function writeVarint(pbf: PbfWriter, value: number | bigint): void {
  if (typeof value === "number") {
    pbf.writeVarint(value);
    return;
  }
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) writeByte(pbf, Number(rest & 127n) | 128);
  writeByte(pbf, Number(rest));
}

function writeByte(pbf: PbfWriter, byte: number): void {
  pbf.realloc(1);
  pbf.buf[pbf.pos++] = byte;
}

/** pbf 5.1.2 writes characters beyond U+1FFFF as others: its encoder of surrogate pairs drops a bit. */
export class Utf8Writer extends PbfWriter {
  override writeString(text: string): void {
    this.writeBytes(encodeUtf8(text));
  }
}
