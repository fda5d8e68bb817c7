import { Allocator } from "./allocator.ts";
import { BitbasisError } from "./errors.ts";
import { needWebAssembly } from "./host.ts";

/** Addresses below stay free, so that no block is ever at address 0, which means "none" in steps. */
const FIRST_ADDRESS = 1024;
const PAGE_BYTES = 65536;
/**
 * From so many bytes on a memory grows by an eighth at least. V8 counts all of its bytes anew at each growth, which starts a collection whenever enough of them
 * have come together: below, growth takes 10 µs, at 64 MB in steps of 256 KiB 9 ms. Pages that nobody has touched take no memory.
 */
const LARGE_BYTES = 2 ** 24;

/**
 * What a module imports: one page, which grows.
 *
 * @throws BitbasisError MEMORY where the host has no room for one more: engines set aside gigabytes of addresses for each
 */
export function newMemory(): WebAssembly.Memory {
  needWebAssembly();
  try {
    return new WebAssembly.Memory({ initial: 1 });
  } catch (cause) {
    const why = `this runtime has no room for another wasm memory: ${(cause as Error).message}; release sessions that are not used`;
    throw new BitbasisError("MEMORY", why, { cause });
  }
}

/** The linear memory of one instance, with an allocator. A wasm memory only grows, so drop the instance to give it back. */
export class LinearMemory {
  private readonly allocator: Allocator;
  /** Bytes that a run holds in JavaScript, beside this memory and under the same limit; whoever holds some puts back what was here before. */
  beside = 0;

  constructor(
    readonly memory: WebAssembly.Memory,
    /** Bytes that the memory may grow to, with those beside it. */
    private readonly most = Number.POSITIVE_INFINITY,
  ) {
    this.allocator = new Allocator(FIRST_ADDRESS, (end) => this.reserve(end));
  }

  /** Bytes allocated and not released. */
  get bytesInUse(): number {
    return this.allocator.bytes;
  }

  /** A 64-aligned block; its contents are undefined. Views of the memory made before this call may be detached. */
  allocate(bytes: number): number {
    const at = this.allocator.allocate(bytes);
    // Whole blocks are read, for images of programs: what fills one up must not be what another held.
    this.u8(at + bytes, this.allocator.sizeAt(at) - bytes).fill(0);
    return at;
  }

  /**
   * Counts bytes that are about to be taken in JavaScript.
   *
   * @throws BitbasisError MEMORY for more than the limit leaves beside the blocks in use
   */
  hold(bytes: number): void {
    this.checkLimit(this.allocator.bytes + this.beside + bytes);
    this.beside += bytes;
  }

  release(at: number): void {
    this.allocator.release(at);
  }

  /** The allocated block that an address lies in; undefined: in none. */
  blockOf(address: number): number | undefined {
    return this.allocator.blockOf(address);
  }

  u8(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer as ArrayBuffer, at, length);
  }

  /** A copy of the allocated block that an address lies in, and where that begins; undefined: it lies in none. */
  readBlock(address: number): { at: number; bytes: Uint8Array<ArrayBuffer> } | undefined {
    const at = this.allocator.blockOf(address);
    return at === undefined ? undefined : { at, bytes: this.read(at, this.allocator.sizeAt(at)) };
  }

  i16(at: number, length: number): Int16Array<ArrayBuffer> {
    return new Int16Array(this.memory.buffer as ArrayBuffer, at, length);
  }

  i32(at: number, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.memory.buffer as ArrayBuffer, at, length);
  }

  f32(at: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.memory.buffer as ArrayBuffer, at, length);
  }

  f64(at: number, length: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.memory.buffer as ArrayBuffer, at, length);
  }

  /** A copy of what lies at `at`. */
  read(at: number, bytes: number): Uint8Array<ArrayBuffer> {
    return this.u8(at, bytes).slice();
  }

  /** Copies bytes into a new block and returns its address. */
  place(data: ArrayBufferView): number {
    const at = this.allocate(data.byteLength);
    this.u8(at, data.byteLength).set(bytesOf(data));
    return at;
  }

  /** Places data for one call. */
  lend<Data extends readonly ArrayBufferView[]>(
    data: readonly [...Data],
    use: (...at: { [i in keyof Data]: number }) => void,
  ): void {
    const at: number[] = [];
    try {
      for (const one of data) at.push(this.place(one));
      use(...(at as { [i in keyof Data]: number }));
    } finally {
      at.forEach(this.release, this);
    }
  }

  private reserve(end: number): void {
    const { byteLength } = this.memory.buffer;
    const missing = Math.ceil((end - byteLength) / PAGE_BYTES);
    if (missing <= 0) return;
    this.checkLimit(end + this.beside);
    const allowed = Math.floor((this.most - this.beside - byteLength) / PAGE_BYTES);
    const ahead = byteLength < LARGE_BYTES ? 0 : Math.min(Math.floor(byteLength / 8 / PAGE_BYTES), allowed);
    if (ahead > missing && this.grows(ahead) === undefined) return;
    const cause = this.grows(missing);
    if (cause !== undefined)
      throw new BitbasisError("MEMORY", `the wasm memory could not grow to ${end} bytes`, { cause });
  }

  /** Grows by so many pages; why it could not. */
  private grows(pages: number): unknown {
    try {
      this.memory.grow(pages);
      return undefined;
    } catch (cause) {
      return cause;
    }
  }

  private checkLimit(bytes: number): void {
    if (bytes <= this.most) return;
    throw new BitbasisError("MEMORY", `${bytes} bytes of memory are needed, "limits.bytes" allows ${this.most}`);
  }
}

/** The bytes that elements are made of. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
