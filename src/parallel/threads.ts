import { ConvStep } from "../core/abi/conv.ts";
import { Opcode } from "../core/abi/opcode.ts";
import {
  BitbasisError,
  type Build,
  Core,
  compileModule,
  isKernel,
  type ModuleName,
  moduleBytes,
  notCompiled,
  type Step,
  yieldToEventLoop,
} from "../core/index.ts";
import { Control, give, SPINS, type ThreadSetup, work } from "./control.ts";
import type { Crew, CrewStep, Steps } from "./crew.ts";
import { Hand, whyNoSharedMemory } from "./hand.ts";
import { withSharedMemory } from "./shared-module.ts";

const PAGE_BYTES = 65536;
const MOST_PAGES = 65536;
/** Pages of a memory that is worth having: 64 MiB. */
const FEW_PAGES = 1024;

/** How long the session's thread sleeps before it looks whether a worker has died. */
const PATIENCE_MILLISECONDS = 5;

/**
 * Work of a step, 4 for each of its bytes and 1 for each multiply-accumulate, from which on threads share it: some 10 µs on one thread. Below that
 * giving and waiting cost as much as is won.
 */
const SHARED_WORK = 400_000;
/** Products that a linear layer does while a depthwise one does one: 44 and 11 a nanosecond on integers. */
const DEPTHWISE_WORK = 4;
/** A piece takes 5 µs at least. */
const PIECE_WORK = 200_000;
/**
 * Pieces of a step that a thread begins with at most: the more there are, the less is lost where a thread gets no core for a while. 8 pieces instead of
 * one cost 2 % of resnet20 and PP-OCR's recognizer, 4 % of mobilenet_v2.
 */
const PIECES = 8;
const LEAST_MOST_EACH = 2;

/** Pixels of a piece of a layer that hands over, whose panels cannot be shared: each piece reads all weights (7×7 pixels, 160 to 960 channels: 205 µs in one piece, 264 in 8; 14×14, 96 to 576: 289 and 315). */
const LEAST_PIXELS = 48;

/** How many pieces of a step each thread begins with; 0: one thread runs it alone. */
export function piecesOf(
  { step, macs, bytes, rows = Number.POSITIVE_INFINITY }: CrewStep,
  threads: number,
  parts = 1,
): number {
  const { opcode } = step;
  const isDepthwise = opcode === Opcode.DepthwiseI16 || opcode === Opcode.DepthwiseF32;
  const work = (isDepthwise ? DEPTHWISE_WORK : 1) * macs + 4 * bytes;
  if (work < SHARED_WORK) return 0;
  const most = Math.min(mostPieces(threads), Math.floor(Math.min(work / PIECE_WORK, worthCutting(step)) / threads));
  return Math.min(Math.max(1, most), Math.floor(rows / (threads * parts)));
}

/** Pieces of a step beyond which each does again what one would do once. */
function worthCutting({ opcode, words }: Step): number {
  if (!isKernel(opcode) || words[ConvStep.handsOver] !== 1) return Number.POSITIVE_INFINITY;
  const extents = [ConvStep.batch, ConvStep.outDepth, ConvStep.outHeight, ConvStep.outWidth];
  return extents.reduce((pixels, extent) => pixels * Number(words[extent]), 1) / LEAST_PIXELS;
}

function mostPieces(threads: number): number {
  return Math.max(LEAST_MOST_EACH, Math.ceil(PIECES / threads));
}

/**
 * A core whose memory is shared with workers, and these. A step is cut into pieces, which the threads take until there are none; then comes the next
 * step. One with little work runs on the session's own thread. How a step is cut depends on it alone, never on measured time; who runs which piece is
 * left to chance, and no result depends on either: every element is made whole in one piece, and what pieces find out together (ranges) is joined by
 * comparisons.
 */
export class Threads implements Crew {
  private readonly hands: Hand[] = [];
  private readonly control: Int32Array<SharedArrayBuffer>;
  /** Set once a worker has died: the rest of the session runs on one thread. */
  private lost: BitbasisError | undefined;
  private stopped: Promise<unknown> = Promise.resolve();
  private readonly canSleep = maySleep();

  private constructor(
    readonly core: Core,
    /** Of all, the session's own one counted. */
    readonly count: number,
  ) {
    this.control = new Int32Array(new SharedArrayBuffer(4 * (Control.queues + count)));
  }

  /**
   * Starts `count − 1` workers.
   *
   * @param most - bytes that the memory may grow to
   * @returns half a sentence that says why it cannot be, where it cannot
   * @throws BitbasisError BUILD for a build that this runtime cannot compile
   */
  static async start(build: Build, count: number, most: number): Promise<Threads | string> {
    const why = whyNoSharedMemory();
    if (why !== undefined) return why;
    const module = await sharedModule(build);
    if (module === undefined) return "this runtime compiles no module while it runs";
    const memory = sharedMemory(most);
    if (memory === undefined) return "this runtime has no room for a memory that is shared";
    const rest = build === "simd" ? await sharedModule("rest") : undefined;
    const core = await Core.create(build, module, most, memory);
    await core.complete(rest);
    const threads = new Threads(core, count);
    try {
      await threads.hire(module, rest);
      return threads;
    } catch (error) {
      await threads.stop();
      return `no worker could be started (${(error as Error).message})`;
    }
  }

  /** Pieces that a step is cut into at most: as many slots it needs of what threads keep for themselves. */
  get slots(): number {
    return this.count * mostPieces(this.count);
  }

  /** Threads that take part. */
  get threads(): number {
    return this.lost === undefined ? this.count : 1;
  }

  async run(program: number, { first, count, part, parts }: Steps, all: readonly CrewStep[]): Promise<void> {
    let alone = first;
    for (let i = first; i < first + count && this.lost === undefined; i++) {
      const each = piecesOf(all[i]!, this.count, parts);
      if (each === 0) continue;
      if (i > alone) this.core.run(program, alone, i - alone, part, parts);
      await this.share(program, i, part, parts, each);
      alone = i + 1;
    }
    if (first + count > alone) this.core.run(program, alone, first + count - alone, part, parts);
  }

  async stop(): Promise<void> {
    this.lost ??= new BitbasisError("RELEASED", "the session has been released");
    this.stopped = Promise.all(this.hands.map((hand) => hand.stop()));
    await this.stopped;
  }

  private async hire(module: WebAssembly.Module, rest: WebAssembly.Module | undefined): Promise<void> {
    const { memory } = this.core;
    const lose = (why: BitbasisError): void => {
      if (this.lost !== undefined) return;
      this.lost = why;
      void this.stop();
    };
    for (let thread = 1; thread < this.count; thread++) this.hands.push(new Hand(lose));
    const asked = this.hands.map((hand, i) => {
      const setup: ThreadSetup = { module, rest, memory, control: this.control, thread: i + 1, threads: this.count };
      return hand.ask(setup);
    });
    await Promise.all(asked);
  }

  private async share(program: number, step: number, part: number, parts: number, each: number): Promise<void> {
    const { control, core, count } = this;
    control.set([program, step, part, parts, each], Control.program);
    work(control, give(control, count), 0, count, (...piece) => core.run(...piece));
    const pieces = count * each;
    if (!this.isDone(pieces)) await this.done(pieces);
    if (Atomics.load(control, Control.failed) === 0) return;
    // Alone it fails with the words that one thread would have had.
    core.run(program, step, 1, part, parts);
    throw new BitbasisError("INTERNAL", `a thread failed at step ${step}, which one thread alone can run`);
  }

  private isDone(pieces: number): boolean {
    for (let i = 0; i < SPINS; i++) if (Atomics.load(this.control, Control.done) === pieces) return true;
    return false;
  }

  /** Waits for the others, and lets the event loop tell that one of them is gone. */
  private async done(pieces: number): Promise<void> {
    const { control } = this;
    while (this.lost === undefined) {
      if (this.canSleep) {
        Atomics.store(control, Control.asleep, 1);
        const done = Atomics.load(control, Control.done);
        if (done < pieces) Atomics.wait(control, Control.done, done, PATIENCE_MILLISECONDS);
        Atomics.store(control, Control.asleep, 0);
      }
      if (Atomics.load(control, Control.done) === pieces) return;
      await yieldToEventLoop();
    }
    await this.stopped;
    throw this.lost;
  }
}

const compiled = new Map<ModuleName, Promise<WebAssembly.Module | undefined>>();

/** A build over shared memory, compiled once per process; undefined where nothing is compiled. */
function sharedModule(build: ModuleName): Promise<WebAssembly.Module | undefined> {
  let module = compiled.get(build);
  if (module === undefined) {
    module = moduleBytes(build).then((bytes) => bytes && compileModule(withSharedMemory(bytes), notCompiled(build)));
    compiled.set(build, module);
  }
  return module;
}

/** A memory of at most so many bytes: the engine sets the addresses aside at once, and may not have as many. */
function sharedMemory(most: number): WebAssembly.Memory | undefined {
  let maximum = Math.min(MOST_PAGES, Math.ceil(most / PAGE_BYTES));
  for (;;) {
    try {
      return new WebAssembly.Memory({ initial: 1, maximum, shared: true });
    } catch {
      maximum >>= 1;
      if (maximum < FEW_PAGES) return undefined;
    }
  }
}

/** A page's own thread may not sleep. */
function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}
