/**
 * The checked build of the core: no step may read or write outside of the buffers that its arguments name, or read bytes that nobody has
 * written since its buffer came alive. Wherever a `Core` does, `CheckedCore` does; a fault is a `Violation` that names step, opcode, node,
 * address and buffer.
 *
 * - One operator: `runOperator(case, { build: "checked" })` of test/program/harness.ts; `agreed()` there always runs it.
 * - Sessions in one test: `const restore = checkSessions();` … `restore()` makes every core that is created in between a checked one.
 * - A whole test run: `npm run test:checked` sets BITBASIS_CHECKED, with which test/support/checked/setup.ts does the same for every file.
 * - Scripts: `npm run build:tools`, import everything from build/tools/src/ (a class of dist/ is another one), and call `checkSessions`
 *   of build/tools/test/support/checked/core.js; test/slow/conformance.mjs --checked does that.
 *
 * `node scripts/build-wasm.mjs` makes the modules. What another module over a core's memory does (attention, fitted weights) is not seen: steps of such a core are held
 * against their buffers, not against what has been written.
 */

import { Opcode } from "../../../src/core/abi/opcode.ts";
import { ProgramHeader } from "../../../src/core/abi/program.ts";
import {
  type Argument,
  type Build,
  Core,
  type CoreExports,
  loadModule,
  type PlacedBuffer,
  programBytes,
  type SeriesExports,
  type Step,
  wordsOf,
} from "../../../src/core/index.ts";
import { newMemory } from "../../../src/core/memory.ts";
import { checkedModule, Guard, type Region, Violation } from "./guard.ts";

export { Violation } from "./guard.ts";

interface Written {
  readonly steps: readonly Step[];
  readonly buffers: readonly PlacedBuffer[];
}

/** A core of any build that fills every planned buffer with `poison` when its life begins: what a kernel does not write cannot look right. */
export class PoisonedCore extends Core {
  protected readonly programs = new Map<number, Written>();
  /** The threads (or slices) that have run the step that was run last. */
  private last = { program: 0, step: -1, threads: new Set<number>() };

  protected constructor(
    build: Build,
    memory: WebAssembly.Memory,
    exports: CoreExports,
    private readonly poison: number,
    most?: number,
  ) {
    super(build, memory, exports, most);
  }

  static async poisoned(build: Build, poison: number): Promise<PoisonedCore> {
    const memory = newMemory();
    const { exports } = await WebAssembly.instantiate(await loadModule(build), { env: { memory } });
    const core = new PoisonedCore(build, memory, exports as unknown as CoreExports, poison);
    await core.complete();
    return core;
  }

  override write(steps: readonly Step[], buffers: readonly PlacedBuffer[] = []): number {
    const at = super.write(steps, buffers);
    this.programs.set(at, { steps, buffers });
    return at;
  }

  override release(at: number): void {
    this.programs.delete(at);
    super.release(at);
  }

  override run(program: number, first: number, count: number, thread = 0, threads = 1): void {
    const written = this.programs.get(program);
    if (written === undefined) throw new Violation(`no program has been written at ${program}`);
    for (let step = first; step < first + count; step++) {
      if (this.last.program !== program || this.last.step !== step || this.last.threads.has(thread)) {
        this.last = { program, step, threads: new Set() };
        for (const buffer of written.buffers) if (buffer.first === step) this.begin(buffer);
      }
      this.last.threads.add(thread);
      this.runStep(written, program, step, thread, threads);
    }
  }

  protected begin({ at, bytes }: PlacedBuffer): void {
    // not by u8(), whose bytes count as written
    new Uint8Array(this.memory.buffer, at, bytes).fill(this.poison);
  }

  protected runStep(_: Written, program: number, step: number, thread: number, threads: number): void {
    super.run(program, step, 1, thread, threads);
  }
}

/** Positions of the addresses among the arguments of the core's functions: what they read, and what they write. */
const FUNCTIONS: {
  readonly [name in Exclude<keyof CoreExports | keyof SeriesExports, "run">]: { reads: number[]; writes: number[] };
} = {
  seriesLargest: { reads: [0], writes: [3] },
  seriesScales: { reads: [0, 3], writes: [6] },
  seriesQuantize: { reads: [0, 1, 2], writes: [7, 8] },
  seriesSplit: { reads: [1], writes: [0, 8, 10] },
  seriesRows: { reads: [0], writes: [1] },
  seriesGrid: { reads: [0], writes: [4, 5] },
  seriesRange: { reads: [0], writes: [8, 9] },
  seriesRound: { reads: [0, 1, 2], writes: [9, 10, 11] },
  panelColumns: { reads: [], writes: [] },
  paddedRows: { reads: [], writes: [] },
  panelBytes: { reads: [], writes: [] },
  groupStride: { reads: [], writes: [] },
  pixelStride: { reads: [], writes: [] },
  scratchBytes: { reads: [], writes: [] },
  turns: { reads: [5], writes: [6] },
  transformWeights: { reads: [3], writes: [3] },
  addTerms: { reads: [7, 9], writes: [5, 6] },
  addOutliers: { reads: [7, 8], writes: [5, 6] },
  fuseTerms: { reads: [2, 4], writes: [5] },
};

export class CheckedCore extends PoisonedCore {
  private constructor(
    build: Build,
    memory: WebAssembly.Memory,
    exports: CoreExports,
    poison: number,
    private readonly guard: Guard,
    most?: number,
  ) {
    super(build, memory, exports, poison, most);
  }

  /**
   * @param poison - what unwritten bytes hold, 0…255
   * @param most - bytes that blocks may take together
   */
  static async checked(
    build: Exclude<Build, "relaxed"> = "scalar",
    poison = 0xa5,
    most?: number,
  ): Promise<CheckedCore> {
    const memory = newMemory();
    const guard = new Guard(memory);
    const { exports } = await WebAssembly.instantiate(checkedModule(build), { env: { memory }, guard: guard.imports });
    return new CheckedCore(build, memory, guarded(exports as unknown as CoreExports, guard), poison, guard, most);
  }

  /** Another module works over the memory. */
  share(): void {
    this.guard.trust();
  }

  override allocate(bytes: number): number {
    const at = super.allocate(bytes);
    this.guard.add(at, bytes);
    return at;
  }

  override write(steps: readonly Step[], buffers: readonly PlacedBuffer[] = []): number {
    const at = super.write(steps, buffers);
    this.guard.written(at, programBytes(steps));
    return at;
  }

  override release(at: number): void {
    super.release(at);
    this.guard.remove(at);
  }

  override read(at: number, bytes: number): Uint8Array<ArrayBuffer> {
    this.guard.require(at, bytes, "a value that is read back");
    return super.read(at, bytes);
  }

  // who asks for a view is taken to write all of it
  override u8(at: number, length: number): Uint8Array<ArrayBuffer> {
    this.guard.written(at, length);
    return super.u8(at, length);
  }

  override i16(at: number, length: number): Int16Array<ArrayBuffer> {
    this.guard.written(at, 2 * length);
    return super.i16(at, length);
  }

  override i32(at: number, length: number): Int32Array<ArrayBuffer> {
    this.guard.written(at, 4 * length);
    return super.i32(at, length);
  }

  override f32(at: number, length: number): Float32Array<ArrayBuffer> {
    this.guard.written(at, 4 * length);
    return super.f32(at, length);
  }

  override f64(at: number, length: number): Float64Array<ArrayBuffer> {
    this.guard.written(at, 8 * length);
    return super.f64(at, length);
  }

  protected override begin(buffer: PlacedBuffer): void {
    super.begin(buffer);
    this.guard.forget(buffer.at, buffer.bytes);
  }

  protected override runStep(written: Written, program: number, index: number, thread: number, threads: number): void {
    const { opcode, node } = written.steps[index]!;
    const what = `step ${index} (${Opcode[opcode]}${node === undefined ? "" : `, node "${node}"`})`;
    this.guard.within(this.regionsOf(written, program, index, what), what, () =>
      super.runStep(written, program, index, thread, threads),
    );
  }

  private regionsOf({ steps, buffers }: Written, program: number, index: number, what: string): Region[] {
    const { opcode, words } = steps[index]!;
    const table = 4 * ProgramHeader.length;
    const own = table + 4 * steps.length + 4 * steps.slice(0, index).reduce((sum, step) => sum + step.words.length, 0);
    const regions: Region[] = [
      { from: program, bytes: table, writable: true, name: "the program's header" },
      { from: program + table, bytes: 4 * steps.length, writable: false, name: "the program's table" },
      { from: program + own, bytes: 4 * words.length, writable: false, name: "the step" },
    ];
    const { reads, writes } = wordsOf(opcode, words);
    for (const word of reads) this.allow(regions, buffers, words[word], false, `word ${word}`, what);
    for (const word of writes) this.allow(regions, buffers, words[word], true, `word ${word}`, what);
    return regions;
  }

  private allow(
    regions: Region[],
    buffers: readonly PlacedBuffer[],
    word: Argument | undefined,
    writable: boolean,
    name: string,
    what: string,
  ): void {
    if (word === 0) return;
    if (word === undefined) throw new Violation(`${what}: ${name} is missing`);
    if (typeof word !== "number") {
      const { at, bytes } = buffers[word.buffer]!;
      regions.push({ from: at, bytes, writable, name: `buffer ${word.buffer} (${name})` });
      return;
    }
    if (writable && buffers.length > 0)
      throw new Violation(`${what}: ${name} writes to ${word}, which is not in the arena`);
    const block = this.guard.blockOf(word);
    if (block === undefined) throw new Violation(`${what}: ${name} is ${word}, which lies in no block`);
    regions.push({ ...block, writable, name: `the block of ${name}` });
  }
}

/** The core's functions, each confined to the blocks that its arguments lie in. */
function guarded(exports: CoreExports, guard: Guard): CoreExports {
  const result: Record<string, (...args: number[]) => unknown> = { run: exports.run };
  for (const [name, { reads, writes }] of Object.entries(FUNCTIONS)) {
    const call = exports[name as keyof CoreExports] as (...args: number[]) => unknown;
    result[name] = (...args) => {
      const region = (position: number, writable: boolean): Region[] => {
        const block = guard.blockOf(args[position]!);
        return block === undefined ? [] : [{ ...block, writable, name: `the block of argument ${position}` }];
      };
      const regions = [...reads.flatMap((i) => region(i, false)), ...writes.flatMap((i) => region(i, true))];
      return guard.within(regions, name, () => call(...args));
    };
  }
  return result as unknown as CoreExports;
}

/** Makes every core that is created from now on a checked one, whatever build is asked for; the result undoes that. */
export function checkSessions(poison?: number): () => void {
  const { create } = Core;
  Core.create = (build, _, most) => CheckedCore.checked(build === "relaxed" ? "scalar" : build, poison, most);
  return () => {
    Core.create = create;
  };
}

/** The same with cores that only poison. */
export function poisonSessions(poison: number): () => void {
  const { create } = Core;
  Core.create = (build) => PoisonedCore.poisoned(build, poison);
  return () => {
    Core.create = create;
  };
}
