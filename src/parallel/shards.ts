import { ActivationParameters, ConvStep } from "../core/abi/conv.ts";
import { Opcode } from "../core/abi/opcode.ts";
import { ProgramHeader } from "../core/abi/program.ts";
import { type BitbasisError, type Core, instantiate, type Layer, loadModule } from "../core/index.ts";
import type { WeightSeries } from "../series/index.ts";
import type { Crew, CrewStep, Elsewhere, Steps } from "./crew.ts";
import { Hand, whyNoSharedMemory, whyNoWorkers } from "./hand.ts";
import { type Cut, isEmpty, type Part, partition, weightsOf } from "./partition.ts";
import type { ShardAnswer, ShardJob, ShardSetup } from "./shard-job.ts";

interface ShardExports {
  add(to: number, all: number, first: number, from: number, pixels: number, rows: number, wide: 0 | 1): void;
  finish(step: number, from: number, wide: 0 | 1): void;
}

/** A layer whose weights the workers have. */
interface Held {
  readonly id: number;
  readonly series: WeightSeries;
  readonly taps: number;
  /** What each worker has of it; undefined: nothing yet. */
  parts: readonly Part[] | undefined;
}

/** What the workers cost, all runs so far together. */
export interface ShardCost {
  /** Bytes of the memory of each worker that has been asked, and of the weights in it. */
  readonly memory: readonly number[];
  readonly weights: readonly number[];
  /** Layers that have been run. */
  readonly layers: number;
  /** Bytes of activations that workers were given, and of sums that they gave. */
  readonly activations: number;
  readonly sums: number;
}

/**
 * Workers that have the weights of the linear layers between them. A layer's activations, quantized once, go to all; each sums up the products that it
 * has the weights of, in integers that wrap, so that the whole sum is the same however the layer is cut and in whatever order parts arrive; the session's core
 * adds them, and does once what follows: scale, bias, activation. What follows in float32 between two layers is its own, as are depthwise layers,
 * recurrences and layers that leave pairs of terms out.
 */
export class Shards implements Crew, Elsewhere {
  readonly slots = 1;
  readonly threads = 1;
  private hands: Hand[] = [];
  private lost: BitbasisError | undefined;
  private stopped: Promise<unknown> = Promise.resolve();
  /** By the address of the panels that the core does not have. */
  private readonly layers = new Map<number, Held>();
  private readonly isShared = whyNoSharedMemory() === undefined;
  private readonly replies = new Map<Hand, Uint8Array>();
  private readonly memory: number[] = [];
  private readonly weights: number[] = [];
  private readonly cost = { layers: 0, activations: 0, sums: 0 };

  private constructor(
    readonly core: Core,
    private readonly module: WebAssembly.Module,
    private readonly exports: ShardExports,
    private readonly count: number,
    private readonly by: Cut,
  ) {}

  /**
   * Starts `count` workers.
   *
   * @param core - of the session
   * @returns half a sentence that says why it cannot be, where it cannot
   * @throws BitbasisError BUILD where this runtime does not compile the module
   */
  static async start(core: Core, count: number, by: Cut): Promise<Shards | string> {
    const why = whyNoWorkers();
    if (why !== undefined) return why;
    const module = await loadModule("shards");
    const exports = await instantiate<ShardExports>(module, core.memory);
    await core.complete();
    const shards = new Shards(core, module, exports, count, by);
    try {
      await shards.hire();
      return shards;
    } catch (error) {
      await shards.stop();
      return `no worker could be started (${(error as Error).message})`;
    }
  }

  get elsewhere(): Elsewhere {
    return this;
  }

  get spent(): ShardCost {
    return { memory: this.memory, weights: this.weights, ...this.cost };
  }

  hold(panels: number, series: WeightSeries, { taps }: Omit<Layer, "kernel">): void {
    this.layers.set(panels, { id: panels, series, taps, parts: undefined });
  }

  renew(panels: number): void {
    this.layers.get(panels)!.parts = undefined;
  }

  async run(program: number, { first, count, part, parts }: Steps, all: readonly CrewStep[]): Promise<void> {
    let alone = first;
    for (let i = first; i < first + count; i++) {
      const held = this.heldBy(all[i]!);
      if (held === undefined) continue;
      if (i > alone) this.core.run(program, alone, i - alone, part, parts);
      // A layer is not cut into slices: the first one is all of it.
      const pointer = program + 4 * (ProgramHeader.length + i);
      if (part === 0) await this.layer(this.core.i32(pointer, 1)[0]! >>> 0, held);
      alone = i + 1;
    }
    if (first + count > alone) this.core.run(program, alone, first + count - alone, part, parts);
  }

  async stop(): Promise<void> {
    const gone = this.hands;
    this.hands = [];
    this.stopped = Promise.all(gone.map((hand) => hand.stop()));
    await this.stopped;
  }

  /** Adds the sums of a part to those of a layer. The order is that in which parts arrive. */
  add(to: number, all: number, { first, rows }: Part, from: number, pixels: number, wide: 0 | 1): void {
    this.exports.add(to, all, first, from, pixels, rows, wide);
  }

  private async hire(): Promise<void> {
    const lose = (why: BitbasisError): void => {
      this.lost = why;
      void this.stop();
    };
    this.lost = undefined;
    this.replies.clear();
    for (const held of this.layers.values()) held.parts = undefined;
    this.hands = Array.from({ length: this.count }, () => new Hand(lose));
    const setup: ShardSetup = { module: this.module };
    await Promise.all(this.hands.map((hand) => hand.ask(setup)));
  }

  private heldBy({ step: { opcode, words } }: CrewStep): Held | undefined {
    if (opcode !== Opcode.ConvI16 && opcode !== Opcode.ConvI8 && opcode !== Opcode.ConvI4) return undefined;
    const panels = words[ConvStep.weights];
    return typeof panels === "number" ? this.layers.get(panels) : undefined;
  }

  /** Runs the layer of the step at an address. */
  private async layer(step: number, held: Held): Promise<void> {
    const { core } = this;
    if (this.hands.length === 0) {
      await this.stopped;
      await this.hire();
    }
    const words = core.i32(step, ConvStep.length).slice();
    const word = (at: ConvStep): number => words[at]!;
    const address = (at: ConvStep): number => word(at) >>> 0;
    const pixels = word(ConvStep.outDepth) * word(ConvStep.outHeight) * word(ConvStep.outWidth);
    const total = word(ConvStep.batch) * pixels;
    const bytes = word(ConvStep.batch) * word(ConvStep.batchStride);
    const entries = Math.ceil(total / word(ConvStep.rowsPerParameter));
    const { rows } = held.series;
    const wide = word(ConvStep.exactInInt32) === 0;
    const sums = core.allocate(total * rows * (wide ? 8 : 4));
    try {
      core.u8(sums, total * rows * (wide ? 8 : 4)).fill(0);
      const input = this.shared(core.u8(address(ConvStep.input), bytes));
      const parameters = core.read(address(ConvStep.parameters), ActivationParameters.bytes * entries);
      const fused = new Map<string, Int16Array>();
      const fresh = held.parts === undefined;
      held.parts ??= partition(held.series, held.series.planes.length, this.count, this.by);
      this.cost.layers++;
      await Promise.all(
        held.parts.map(async (part, i) => {
          const hand = this.hands[i];
          if (isEmpty(part) || hand === undefined) return;
          const size = total * part.rows * (wide ? 8 : 4);
          const job: ShardJob = {
            ...{ layer: held.id, part, taps: held.taps, words, input, parameters, pixels: total, wide },
            ...(fresh && { weights: weightsOf(held.series, part, fused) }),
            ...(this.isShared && { reply: this.replyOf(hand, size) }),
          };
          const answer = (await hand.ask(job)) as ShardAnswer;
          const at = core.place(answer.sums);
          this.add(sums, rows, part, at, total, wide ? 1 : 0);
          core.release(at);
          this.memory[i] = answer.memory;
          this.weights[i] = answer.weights;
          this.cost.activations += bytes;
          this.cost.sums += size;
        }),
      );
      this.exports.finish(step, sums, wide ? 1 : 0);
    } catch (error) {
      // Others may be at work still: the next layer has new ones.
      await this.stop();
      await this.stopped;
      throw this.lost ?? error;
    } finally {
      core.release(sums);
    }
  }

  /** A copy that all workers can read, where memory is shared; else each gets one of its own. */
  private shared(data: Uint8Array): Uint8Array {
    if (!this.isShared) return data.slice();
    const copy = new Uint8Array(new SharedArrayBuffer(data.length));
    copy.set(data);
    return copy;
  }

  private replyOf(hand: Hand, bytes: number): Uint8Array {
    let reply = this.replies.get(hand);
    if (reply === undefined || reply.length < bytes) {
      reply = new Uint8Array(new SharedArrayBuffer(bytes));
      this.replies.set(hand, reply);
    }
    return reply.subarray(0, bytes);
  }
}
