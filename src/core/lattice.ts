import { instantiate } from "@assemblyscript/loader";
import { Allocator } from "./allocator.ts";
import { loadModule } from "./builds.ts";
import { BitbasisError } from "./errors.ts";

/** The functions of assembly/lattice.ts; pointers are byte addresses. What they read and write is said in assembly/sets/ and assembly/regimes/. */
export interface LatticeExports {
  gcds(table: number, n: number, out: number): void;
  reach(g: number, offset: number, m: number, s: number, out: number): number;
  closure(all: number, frontier: number, next: number, words: number, steps: number, count: number): number;
  separate(table: number, m: number, s: number, values: number, apart: number): number;
  verify(network: number, first: number, count: number): number;
  evaluateDyadic(
    network: number,
    points: number,
    inputs: number,
    front: number,
    back: number,
    most: number,
    outputs: number,
    widest: number,
  ): number;
}

/** One instance of the lattice module with a memory of its own, which is gone with the instance. */
export class Lattice {
  private readonly allocator: Allocator;

  private constructor(
    readonly memory: WebAssembly.Memory,
    readonly exports: LatticeExports,
  ) {
    this.allocator = new Allocator(1024, (end) => this.reserve(end));
  }

  /** Instantiates the module; `module` replaces the inlined one. */
  static async create(module?: WebAssembly.Module): Promise<Lattice> {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { exports } = await instantiate(module ?? (await loadModule("lattice")), { env: { memory } });
    return new Lattice(memory, exports as unknown as LatticeExports);
  }

  /** A 64-aligned block of zeros. Views of the memory made before this call may be detached. */
  allocate(bytes: number): number {
    const at = this.allocator.allocate(bytes);
    this.u8(at, bytes).fill(0);
    return at;
  }

  release(at: number): void {
    this.allocator.release(at);
  }

  u8(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer as ArrayBuffer, at, length);
  }

  i16(at: number, length: number): Int16Array<ArrayBuffer> {
    return new Int16Array(this.memory.buffer as ArrayBuffer, at, length);
  }

  i32(at: number, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.memory.buffer as ArrayBuffer, at, length);
  }

  f64(at: number, length: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.memory.buffer as ArrayBuffer, at, length);
  }

  /** Copies bytes into a new block and returns its address. */
  place(data: ArrayBufferView): number {
    const at = this.allocate(data.byteLength);
    this.u8(at, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return at;
  }

  private reserve(end: number): void {
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / 65536);
    if (missing <= 0) return;
    try {
      this.memory.grow(missing);
    } catch (cause) {
      throw new BitbasisError("MEMORY", `the wasm memory could not grow to ${end} bytes`, { cause });
    }
  }
}
