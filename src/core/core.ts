import { NarrowStep } from "./abi/narrow.ts";
import { Opcode } from "./abi/opcode.ts";
import { ProgramHeader, Status } from "./abi/program.ts";
import type { Digits } from "./abi/series.ts";
import { type Build, checkModule, chooseBuild, loadModule } from "./builds.ts";
import { BadIndex, BitbasisError } from "./errors.ts";
import type { Kernel, LayerArguments } from "./kernels.ts";
import { LinearMemory, newMemory } from "./memory.ts";
import type { RelaxedDots } from "./relaxed.ts";
import { type PlacedBuffer, programBytes, type Step, step, writeProgram } from "./steps.ts";

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
    last: number,
    digits: Digits,
    planes: number,
    stride: number,
    sums: number,
  ): void;
  seriesRows(from: number, to: number, outer: number, rows: number, inner: number): void;
  seriesGrid(data: number, rows: number, columns: number, steps: number, scales: number, zeros: number): number;
  seriesRange(
    data: number,
    rows: number,
    columns: number,
    steps: number,
    power: 2 | 3,
    least: number,
    largest: number,
    symmetric: 0 | 1,
    scales: number,
    zeros: number,
  ): void;
  seriesRound(
    data: number,
    scales: number,
    zeros: number,
    rows: number,
    taps: number,
    channels: number,
    steps: number,
    flips: 0 | 1,
    offset: number,
    wide: number,
    scratch: number,
    errors: number,
  ): void;
  /** How kernels read layers: assembly/layout.ts. All sizes are bytes, or entries; layers are spread from `layerOf`. */
  panelColumns(kernel: Kernel): number;
  paddedRows(kernel: Kernel, rows: number): number;
  panelBytes(...layer: LayerArguments): number;
  groupStride(kernel: Kernel, channels: number): number;
  pixelStride(kernel: Kernel, groups: number, channels: number): number;
  scratchBytes(kernel: Kernel, groups: number, taps: number, channels: number, pixels: number): number;
  /** `ConvStep.turns` of a ConvI16 layer: a byte for each of its k-pairs, all panels (assembly/gemm/turns.ts). */
  turns(...args: [...layer: LayerArguments, panels: number, counts: number]): void;
  /** f32 weights [groups·rows][taps][channels], or [taps·channels][rows] when `transposed`, → panels of a float kernel. */
  pack(...args: [...layer: LayerArguments, panels: number, weights: number, transposed: 0 | 1]): void;
  /**
   * Adds `weight` · digit of a packed plane [row][tap][channel] into the panels of an integer kernel and its row sums into `columnSums` (i32 per
   * row, all groups); both must be 0 before the first term. `bits` 1…8, two's complement unless `unsigned` is 1. 1 if every element fits the panel, as below.
   */
  addTerm(
    ...args: [
      ...layer: LayerArguments,
      panels: number,
      columnSums: number,
      plane: number,
      bits: number,
      unsigned: 0 | 1,
      weight: number,
    ]
  ): 0 | 1;
  /** Subtracts the zero point of each row, i32 [groups·rows], from its elements. */
  addZeroPoints(...args: [...layer: LayerArguments, panels: number, columnSums: number, zeros: number]): 0 | 1;
  /** Adds i16 `values` to `count` elements, u32 `indices` into [row][tap][channel]. */
  addOutliers(
    ...args: [
      ...layer: LayerArguments,
      panels: number,
      columnSums: number,
      indices: number,
      values: number,
      count: number,
    ]
  ): 0 | 1;
}

/** Makes the cores that a model is prepared with: those of a session are all of its build, its module and its limits. */
export type MakeCore = () => Promise<Core>;

/** A core as the runtime takes it. */
export const newCore: MakeCore = () => Core.create(chooseBuild("auto"));

/** Of a module that is given: ours is not compiled to compare with. */
const FUNCTIONS: Readonly<Record<keyof CoreExports, true>> = {
  run: true,
  seriesLargest: true,
  seriesScales: true,
  seriesQuantize: true,
  seriesSplit: true,
  seriesRows: true,
  seriesGrid: true,
  seriesRange: true,
  seriesRound: true,
  panelColumns: true,
  paddedRows: true,
  panelBytes: true,
  groupStride: true,
  pixelStride: true,
  scratchBytes: true,
  turns: true,
  pack: true,
  addTerm: true,
  addZeroPoints: true,
  addOutliers: true,
};

/** A step that the simd build does not have, over no data. */
const NOTHING = step(Opcode.Narrow, NarrowStep, { input: 0, output: 0, units: 0, inBytes: 0, outBytes: 0 });

/** One instance of the core with a memory of its own. */
export class Core extends LinearMemory {
  /** The relaxed dot products that are worth it in this build and engine. */
  dots: RelaxedDots | undefined;

  protected constructor(
    readonly build: Build,
    memory: WebAssembly.Memory,
    readonly exports: CoreExports,
    most?: number,
  ) {
    super(memory, most);
  }

  /**
   * Instantiates a build.
   *
   * @param module - replaces the inlined one
   * @param most - bytes that its memory may grow to
   * @param memory - the one that the module imports: shared, where the module wants that
   * @throws BitbasisError BUILD for a build that this runtime cannot compile, and a module that is not ours or of another version
   */
  static async create(
    build: Build,
    module?: WebAssembly.Module,
    most?: number,
    memory: WebAssembly.Memory = newMemory(),
  ): Promise<Core> {
    if (module !== undefined) checkModule(module, Object.keys(FUNCTIONS));
    const dots = build === "relaxed" ? await (await import("./relaxed.ts")).relaxedDots() : undefined;
    const { exports } = await WebAssembly.instantiate(module ?? (await loadModule(build)), { env: { memory } });
    const core = new Core(build, memory, exports as unknown as CoreExports, most);
    core.dots = dots;
    if (module !== undefined) core.checkVersion();
    return core;
  }

  /**
   * Writes a program into a new block and returns its address.
   * @param buffers - where the planned buffers lie that the steps refer to
   */
  write(steps: readonly Step[], buffers: readonly PlacedBuffer[] = []): number {
    const at = this.allocate(programBytes(steps));
    writeProgram(this.memory.buffer, at, steps, ({ buffer, offset }) => buffers[buffer]!.at + offset);
    return at;
  }

  /**
   * Runs steps `first … first + count − 1` of the program at `program`, or part `thread` of `threads` of each.
   * @throws BadIndex where an index in the data lies outside of its axis; the steps after it have not run
   */
  run(program: number, first: number, count: number, thread = 0, threads = 1): void {
    const status = this.exports.run(program, first, count, thread, threads);
    if (status === Status.Ok) return;
    const header = new DataView(this.memory.buffer, program, 4 * ProgramHeader.length);
    const word = (index: ProgramHeader): number => header.getInt32(4 * index, true);
    const step = word(ProgramHeader.failedStep);
    if (status !== Status.BadIndex) {
      throw new BitbasisError("INTERNAL", `the core refused the program at step ${step}: ${Status[status]}`);
    }
    const index = header.getBigInt64(4 * ProgramHeader.failedIndex, true);
    throw new BadIndex(step, index, word(ProgramHeader.failedAxis), word(ProgramHeader.failedExtent));
  }

  /** A module takes programs of its own version, and steps of its own build, only: one that does nothing tells. */
  private checkVersion(): void {
    const steps = this.build === "relaxed" ? [NOTHING] : [];
    const program = this.write(steps);
    const status = this.exports.run(program, 0, steps.length, 0, 1);
    this.release(program);
    if (status === Status.Ok) return;
    const expected = status === Status.BadOpcode ? 'the build "relaxed"' : "this version of bitbasis";
    throw new BitbasisError("BUILD", `"wasm" expected a module of ${expected}, got one of another`);
  }
}
