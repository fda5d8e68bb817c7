import { instantiate } from "@assemblyscript/loader";
import { Status } from "./abi/program.ts";
import type { Digits } from "./abi/series.ts";
import { Allocator } from "./allocator.ts";
import { type Build, loadModule } from "./builds.ts";
import { BitbasisError } from "./errors.ts";

/** The functions of assembly/scalar.ts and assembly/simd.ts; pointers are byte addresses. */
export interface CoreExports {
  run(program: number, first: number, count: number, thread: number, threads: number): Status;
  seriesLargest(data: number, rows: number, columns: number, largest: number): void;
  seriesScales(
    data: number,
    rows: number,
    columns: number,
    largest: number,
    qMax: number,
    window: number,
    scales: number,
  ): void;
  seriesQuantize(
    data: number,
    scales: number,
    zeros: number,
    rows: number,
    columns: number,
    low: number,
    high: number,
    wide: number,
    errors: number,
  ): void;
  seriesSplit(
    wide: number,
    zeros: number,
    rows: number,
    columns: number,
    bits: number,
    terms: number,
    digits: Digits,
    planes: number,
    stride: number,
    sums: number,
  ): void;
  /**
   * Adds `weight` · digit of a packed plane [row][tap][channel] into ConvI16's panels and its row sums into `columnSums` (i32 per row, all groups);
   * both must be 0 before the first term. `bits` 2…8, two's complement unless `unsigned` is 1. Sums of terms must fit i16.
   */
  addTerm(
    plane: number,
    bits: number,
    weight: number,
    groups: number,
    rowsPerGroup: number,
    taps: number,
    channels: number,
    panels: number,
    columnSums: number,
    unsigned?: 0 | 1,
  ): void;
  /** The same for DepthwiseI16's weights; the plane is [channel][tap]. */
  addTermDepthwise(
    plane: number,
    bits: number,
    weight: number,
    channels: number,
    taps: number,
    panels: number,
    columnSums: number,
    unsigned?: 0 | 1,
  ): void;
  /** f32 [groups·rowsPerGroup][taps][channels] (OHWI, or [N, K] as one group and one tap) → ConvF32's panels. */
  packWeights(
    weights: number,
    groups: number,
    rowsPerGroup: number,
    taps: number,
    channels: number,
    panels: number,
  ): void;
  /** f32 [K, N] → ConvF32's panels. */
  packMatrix(weights: number, rows: number, columns: number, panels: number): void;
  /** f32 [channels][taps] → DepthwiseF32's weights. */
  packDepthwise(weights: number, channels: number, taps: number, panels: number): void;
}

/** One instance of the core with a memory of its own. A wasm memory only grows, so drop the instance to give it back. */
export class Core {
  readonly memory: WebAssembly.Memory;
  private readonly allocator: Allocator;

  private constructor(
    readonly build: Build,
    memory: WebAssembly.Memory,
    readonly exports: CoreExports,
  ) {
    this.memory = memory;
    this.allocator = new Allocator(1024, (end) => this.reserve(end));
  }

  /** Instantiates a build; `module` replaces the inlined one. */
  static async create(build: Build, module?: WebAssembly.Module): Promise<Core> {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { exports } = await instantiate(module ?? (await loadModule(build)), { env: { memory } });
    return new Core(build, memory, exports as unknown as CoreExports);
  }

  /** Bytes allocated and not released. */
  get bytesInUse(): number {
    return this.allocator.bytes;
  }

  /** A 64-aligned block; its contents are undefined. Views of the memory made before this call may be detached. */
  allocate(bytes: number): number {
    return this.allocator.allocate(bytes);
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

  f32(at: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.memory.buffer as ArrayBuffer, at, length);
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

  /** Runs steps `first … first + count − 1` of the program at `program`. */
  run(program: number, first: number, count: number, thread = 0, threads = 1): void {
    const status = this.exports.run(program, first, count, thread, threads);
    if (status === Status.BadIndex)
      throw new RangeError("an index in the data lies outside the axis that it selects from");
    if (status !== Status.Ok) throw new BitbasisError("INTERNAL", `the core refused the program: ${Status[status]}`);
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
