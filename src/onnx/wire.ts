import { PbfReader, PbfWriter } from "pbf";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * pbf trusts lengths; a hostile or truncated file has wrong ones. This reader throws RangeError as soon as a field, a string, a packed list or
 * a message leaves the bytes or its parent, so that reading takes time and memory in proportion to the file.
 */
export class StrictReader extends PbfReader {
  override nextField(end: number = this.length): number {
    if (end > this.length) throw new RangeError(`a message ends at byte ${end} of ${this.length}`);
    const field = super.nextField(end);
    if (field === 0 ? this.pos !== end : this.pos > end) throw new RangeError(`a field crosses byte ${end}`);
    if (field < 0) throw new RangeError(`a field has number ${field}`);
    return field;
  }

  override readBytes(): Uint8Array {
    return this.within(super.readBytes());
  }

  override readString(): string {
    return decoder.decode(this.readBytes());
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

/** pbf 5.1.2 writes characters beyond U+1FFFF as others: its encoder of surrogate pairs drops a bit. */
export class Utf8Writer extends PbfWriter {
  override writeString(text: string): void {
    this.writeBytes(encoder.encode(text));
  }
}
