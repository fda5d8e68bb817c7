import { NarrowStep } from "./abi/narrow.ts";
import { Opcode } from "./abi/opcode.ts";
import { ProgramHeader, Status } from "./abi/program.ts";
import type { Digits } from "./abi/series.ts";
import { type Build, checkModule, chooseBuild, instantiate, loadModule } from "./builds.ts";
import { BadIndex, BitbasisError } from "./errors.ts";
import type { Kernel, LayerArguments } from "./kernels.ts";
import { LinearMemory, newMemory } from "./memory.ts";
import type { RelaxedDots } from "./relaxed.ts";
import { type PlacedBuffer, programBytes, type Step, step, writeProgram } from "./steps.ts";

/** What makes series of weights: functions of whole modules and of the rest (assembly/simd-rest.ts). Pointers are byte addresses. */
export interface SeriesExports {
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
  seriesRows(from: number, to: number, outer: number, rows: number, inner: number, first: number, end: number): void;
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
}

/** The functions of assembly/simd-common.ts; pointers are byte addresses. */
export interface CoreExports {
  run(program: number, first: number, count: number, thread: number, threads: number): Status;
  /** How kernels read layers: assembly/layout.ts. All sizes are bytes, or entries; layers are spread from `layerOf`. */
  panelColumns(kernel: Kernel): number;
  paddedRows(kernel: Kernel, rows: number): number;
  panelBytes(...layer: LayerArguments): number;
  groupStride(kernel: Kernel, channels: number): number;
  pixelStride(kernel: Kernel, groups: number, channels: number): number;
  scratchBytes(kernel: Kernel, groups: number, taps: number, channels: number, pixels: number): number;
  /** `ConvStep.turns` of a ConvI16 layer: room for a byte for each of its k-pairs, all panels (assembly/gemm/turns.ts). How many turns there are. */
  turns(...args: [...layer: LayerArguments, panels: number, counts: number]): number;
  /** Makes the positions of a Winograd kernel's panels of the taps behind them, which are panels of ConvI16 or ConvF32. 1 if every element fits. */
  transformWeights(kernel: Kernel, rows: number, channels: number, panels: number): 0 | 1;
  /**
   * Adds the terms of `lendTerms`, Σ weight · digit, into the panels of an integer kernel and their row sums into `columnSums` (i32 per row, all groups); both must be 0 before the first term. `zeros`,
   * i32 [groups·rows], are subtracted from the elements of their rows; 0: none. 1 if every element fits the panel, as below.
   */
  addTerms(
    ...args: [...layer: LayerArguments, panels: number, columnSums: number, terms: number, count: number, zeros: number]
  ): 0 | 1;
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
  /** Writes the sum of the terms of `lendTerms` less the `zeros` of its rows, i32, or 0: none; i16 [rows][columns]. */
  fuseTerms(rows: number, columns: number, terms: number, count: number, zeros: number, output: number): void;
}

/** Makes the cores that a model is prepared with: those of a session are all of its build, its module and its limits. */
export type MakeCore = () => Promise<Core>;

/** Cores that have all steps from the start. */
export function completed(makeCore: MakeCore): MakeCore {
  return async () => {
    const core = await makeCore();
    await core.complete();
    return core;
  };
}

/** A core as the runtime takes it, with all steps. */
export const newCore: MakeCore = completed(() => Core.create(chooseBuild("auto")));

/** A step is the rest's, which has not been loaded: the steps before it have run. */
export class Incomplete extends Error {
  constructor(readonly step: number) {
    super(`step ${step} is not in the common part of the core`);
  }
}

/** Of a module that is given: ours is not compiled to compare with. */
const FUNCTIONS: Readonly<Record<keyof CoreExports | keyof SeriesExports, true>> = {
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
  transformWeights: true,
  addTerms: true,
  addOutliers: true,
  fuseTerms: true,
};

/** A step that the simd build does not have, over no data. */
const NOTHING = step(Opcode.Narrow, NarrowStep, { input: 0, output: 0, units: 0, inBytes: 0, outBytes: 0 });

/**
 * One instance of the core with a memory of its own. The packaged SIMD build comes in two parts (assembly/part.ts), of which `create` loads what most networks
 * need; other modules are whole.
 */
export class Core extends LinearMemory {
  private rest: Promise<RestExports> | undefined;
  private loaded: RestExports | undefined;
  /** The memory, for what a run tells at every step that is the rest's: another view each time was 4 % of a decoder's token. */
  private words = new Int32Array(0);

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
   * @param memory - the one that the module imports: shared, where the module, a part of ours then, wants that
   * @throws BitbasisError BUILD for a build that this runtime cannot compile, and a module that is not ours or of another version
   */
  static async create(
    build: Build,
    module?: WebAssembly.Module,
    most?: number,
    memory?: WebAssembly.Memory,
  ): Promise<Core> {
    const given = module !== undefined && memory === undefined;
    if (given) checkModule(module, Object.keys(FUNCTIONS));
    const own = memory ?? newMemory();
    const dots = build === "relaxed" ? await (await import("./relaxed.ts")).relaxedDots() : undefined;
    const core = new Core(build, own, await instantiate(module ?? (await loadModule(build)), own), most);
    core.dots = dots;
    if (given) core.checkVersion();
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
   * Loads the rest, once: steps that few networks have, and `series`.
   *
   * @param module - replaces the packaged one, where the memory is shared
   */
  complete(module?: WebAssembly.Module): Promise<unknown> {
    if (isWhole(this.exports)) return Promise.resolve();
    this.rest ??= this.loadRest(module);
    return this.rest;
  }

  /** What makes series of weights; of a core that is complete. */
  get series(): SeriesExports {
    const found = isWhole(this.exports) ? this.exports : this.loaded;
    if (found === undefined) throw new BitbasisError("INTERNAL", "the core is not complete");
    return found;
  }

  private async loadRest(module?: WebAssembly.Module): Promise<RestExports> {
    try {
      this.loaded = await instantiate<RestExports>(module ?? (await loadModule("rest")), this.memory);
      return this.loaded;
    } catch (error) {
      this.rest = undefined;
      throw error;
    }
  }

  /**
   * Runs steps `first … first + count − 1` of the program at `program`, or part `thread` of `threads` of each.
   * @throws BadIndex where an index in the data lies outside of its axis; the steps after it have not run. Incomplete at a step that is the rest's
   */
  run(program: number, first: number, count: number, thread = 0, threads = 1): void {
    const end = first + count;
    for (let at = first; ; ) {
      let status = this.exports.run(program, at, end - at, thread, threads);
      if (status === Status.Ok) return;
      const word = (index: ProgramHeader): number => this.word(program, index);
      const step = word(ProgramHeader.failedStep);
      if (status === Status.BadOpcode && !isWhole(this.exports)) {
        if (this.loaded === undefined) throw new Incomplete(step);
        status = this.loaded.run(program, step, 1, thread, threads);
        at = step + 1;
        if (status === Status.Ok && at === end) return;
        if (status === Status.Ok) continue;
      }
      if (status !== Status.BadIndex) {
        throw new BitbasisError("INTERNAL", `the core refused the program at step ${step}: ${Status[status]}`);
      }
      const header = new DataView(this.memory.buffer, program, 4 * ProgramHeader.length);
      const index = header.getBigInt64(4 * ProgramHeader.failedIndex, true);
      throw new BadIndex(step, index, word(ProgramHeader.failedAxis), word(ProgramHeader.failedExtent));
    }
  }

  private word(program: number, index: ProgramHeader): number {
    const at = program / 4 + index;
    // The memory has grown: of an old view nothing is left, or, of shared memory, its old length.
    if (at >= this.words.length) this.words = new Int32Array(this.memory.buffer);
    return this.words[at]!;
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

/** The functions of assembly/simd-rest.ts. */
type RestExports = SeriesExports & Pick<CoreExports, "run">;

function isWhole(exports: CoreExports): exports is CoreExports & SeriesExports {
  return "seriesRange" in exports;
}
