const ALIGNMENT = 64;

/** First-fit allocator over a growing address space; addresses are 64-aligned, neighbours that are free are joined. */
export class Allocator {
  /** Free blocks in order of address. */
  private free: { at: number; size: number }[] = [];
  private readonly used = new Map<number, number>();
  private inUse = 0;
  private end: number;

  constructor(
    start: number,
    private readonly grow: (end: number) => void,
  ) {
    this.end = align(start);
  }

  /** Bytes in use. */
  get bytes(): number {
    return this.inUse;
  }

  /** The block that an address lies in; undefined: in none. */
  blockOf(address: number): number | undefined {
    for (const [at, size] of this.used) if (address >= at && address < at + size) return at;
    return undefined;
  }

  /** Bytes of the allocated block at this address; 0: there is none. */
  sizeAt(at: number): number {
    return this.used.get(at) ?? 0;
  }

  allocate(bytes: number): number {
    const size = align(Math.max(bytes, 1));
    const index = this.free.findIndex((block) => block.size >= size);
    let at: number;
    if (index >= 0) {
      const block = this.free[index]!;
      at = block.at;
      if (block.size === size) this.free.splice(index, 1);
      else this.free[index] = { at: at + size, size: block.size - size };
    } else {
      const last = this.free.at(-1);
      at = last !== undefined && last.at + last.size === this.end ? last.at : this.end;
      this.grow(at + size);
      if (at !== this.end) this.free.pop();
      this.end = at + size;
    }
    this.used.set(at, size);
    this.inUse += size;
    return at;
  }

  release(at: number): void {
    const size = this.used.get(at);
    if (size === undefined) throw new RangeError(`"at" expected the address of an allocated block, got ${at}`);
    this.used.delete(at);
    this.inUse -= size;
    const index = this.free.findIndex((block) => block.at > at);
    const position = index < 0 ? this.free.length : index;
    this.free.splice(position, 0, { at, size });
    for (const i of [position, position - 1]) {
      const left = this.free[i];
      const right = this.free[i + 1];
      if (left !== undefined && right !== undefined && left.at + left.size === right.at) {
        this.free.splice(i, 2, { at: left.at, size: left.size + right.size });
      }
    }
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
