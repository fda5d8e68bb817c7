import { Worker } from "node:worker_threads";
import { BitbasisError } from "../core/index.ts";
import {
  type Answer,
  buffersOf,
  type Failure,
  type ModelFacts,
  type Order,
  type Parcels,
  type PoolLimits,
  type PoolModel,
  parcelsOf,
  type Setup,
} from "./messages.ts";

/** Runs wait in the queue of a Pool that is as long as it may be. */
export class PoolFull extends Error {
  override readonly name = "PoolFull";
}

/** The worker that ran this ended before it had an answer. Nothing is known against running it again. */
export class WorkerLost extends Error {
  override readonly name = "WorkerLost";
}

export interface PoolOptions {
  /** Threads, each with a session for every model. */
  readonly workers: number;
  /** Most runs that wait; default as many as come. */
  readonly queue?: number;
  readonly limits?: PoolLimits;
  /** Default "auto". The outputs are the same with each. */
  readonly build?: Setup["build"];
  /** A module that calls `serveThread`, for threads that do something else than run sessions. */
  readonly script?: URL;
  /** Called when a worker has ended by itself; another takes its place. */
  readonly onLost?: (reason: string) => void;
}

export interface RunRequest {
  readonly model: string;
  /** By name: Tensors, or plain objects. Arrays that have a buffer of their own go to the worker: they are empty afterwards. */
  readonly feeds: Parcels;
  /** Default: all outputs. */
  readonly fetches?: readonly string[];
  readonly signal?: AbortSignal;
  /** A worker that must not be the one that runs it, where there is another. */
  readonly except?: number;
}

export interface RunResult {
  readonly outputs: Parcels;
  /** In the worker, from the first to the last. */
  readonly milliseconds: number;
  /** Which worker it was. */
  readonly worker: number;
}

interface Job extends RunRequest {
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Seat {
  readonly index: number;
  /** Undefined while it starts. */
  worker?: Worker;
  job?: Job & { readonly id: number };
}

/** A run that does not listen to its signal is ended with its worker after this time; a session looks at signals every 50 ms, on a machine that has time. */
const DEAF_MS = 10_000;
/** A worker that cannot be started again is tried after this time. */
const RESTART_MS = 1000;

/**
 * Sessions on threads of their own. A queue feeds them, oldest first; a worker has one run at a time, so that one that ends takes no other run with it.
 *
 * @example
 * const pool = await Pool.open([await poolModel("digits", bytes)], { workers: 4 });
 * const { outputs } = await pool.run({ model: "digits", feeds: { image: { type: "float32", dims: [1, 784], data } } });
 * await pool.close();
 */
export class Pool {
  private readonly waiting: Job[] = [];
  private readonly seats: Seat[];
  private facts = new Map<string, ModelFacts>();
  private next = 0;
  private closing = false;
  private drained: (() => void) | undefined;

  private constructor(
    private readonly setup: Setup,
    private readonly options: PoolOptions,
  ) {
    this.seats = Array.from({ length: options.workers }, (_, index) => ({ index }));
  }

  /**
   * Starts all workers.
   *
   * @throws as `InferenceSession.create`, for the model that does not open
   */
  static async open(models: readonly PoolModel[], options: PoolOptions): Promise<Pool> {
    const pool = new Pool({ models, limits: options.limits ?? {}, build: options.build }, options);
    try {
      await Promise.all(pool.seats.map((seat) => pool.start(seat)));
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  /** By key. */
  get models(): ReadonlyMap<string, ModelFacts> {
    return this.facts;
  }

  /** Runs that wait. */
  get queued(): number {
    return this.waiting.length;
  }

  /** Runs under way. */
  get busy(): number {
    return this.seats.filter(({ job }) => job !== undefined).length;
  }

  /** The threads that are up. */
  get threads(): readonly Worker[] {
    return this.seats.flatMap(({ worker }) => worker ?? []);
  }

  /**
   * @throws PoolFull, WorkerLost, the reason of the signal, RangeError for a model that the pool does not have, and as `InferenceSession.run`
   */
  run(request: RunRequest): Promise<RunResult> {
    const { signal } = request;
    if (this.waiting.length >= (this.options.queue ?? Number.POSITIVE_INFINITY) && !this.seats.some(free)) {
      return Promise.reject(new PoolFull(`${this.waiting.length} runs wait already`));
    }
    if (!this.facts.has(request.model)) {
      const names = [...this.facts.keys()].map((key) => `"${key}"`).join(", ");
      return Promise.reject(new RangeError(`"model" expected one of ${names}, got "${request.model}"`));
    }
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = (): void => this.abort(job);
      const settle = (): void => signal?.removeEventListener("abort", stop);
      const job: Job = {
        ...request,
        feeds: parcelsOf(request.feeds),
        resolve: (result) => {
          settle();
          resolve(result);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      signal?.addEventListener("abort", stop, { once: true });
      this.waiting.push(job);
      this.deal();
    });
  }

  /** Ends the workers once all runs have their answer. */
  async close(): Promise<void> {
    if (this.waiting.length + this.busy > 0) {
      await new Promise<void>((resolve) => {
        this.drained = resolve;
      });
    }
    this.closing = true;
    await Promise.all(this.threads.map((thread) => thread.terminate()));
  }

  private async start(seat: Seat): Promise<void> {
    const script = this.options.script ?? new URL("./worker.js", import.meta.url);
    const worker = new Worker(script, { workerData: this.setup });
    let cause = "";
    worker.on("error", (error) => {
      cause = `: ${(error as Error).message}`;
    });
    await new Promise<void>((resolve, reject) => {
      worker.on("exit", () => {
        reject(new WorkerLost(`a worker ended while it started${cause}`));
        if (seat.worker === worker) this.lost(seat, `the worker ended${cause}`);
      });
      worker.on("message", (message: Answer) => {
        if ("ready" in message) {
          this.facts = new Map(Object.entries(message.ready));
          resolve();
        } else if ("failed" in message) {
          reject(errorOf(message.failed));
          void worker.terminate();
        } else this.answered(seat, message);
      });
    });
    seat.worker = worker;
    if (this.closing) await worker.terminate();
    this.deal();
  }

  private lost(seat: Seat, reason: string): void {
    const { job } = seat;
    seat.worker = undefined;
    seat.job = undefined;
    job?.reject(job.signal?.aborted ? job.signal.reason : new WorkerLost(`${reason} during this run`));
    this.deal();
    if (this.closing) return;
    this.options.onLost?.(reason);
    this.restart(seat);
  }

  private restart(seat: Seat): void {
    this.start(seat).catch((error: Error) => {
      if (this.closing) return;
      this.options.onLost?.(error.message);
      setTimeout(() => this.restart(seat), RESTART_MS);
    });
  }

  private answered(seat: Seat, message: Extract<Answer, { done: number }>): void {
    const { job } = seat;
    if (job?.id !== message.done) return;
    seat.job = undefined;
    if ("outputs" in message)
      job.resolve({ outputs: message.outputs, milliseconds: message.milliseconds, worker: seat.index });
    else job.reject(job.signal?.aborted ? job.signal.reason : errorOf(message.failure));
    this.deal();
  }

  /** Gives what waits to the workers that are free. */
  private deal(): void {
    for (const seat of this.seats.filter(free)) {
      const at = this.waiting.findIndex(({ except }) => except !== seat.index || this.seats.length === 1);
      if (at === -1) continue;
      const [job] = this.waiting.splice(at, 1) as [Job];
      const id = this.next++;
      seat.job = { ...job, id };
      const order: Order = { run: id, model: job.model, feeds: job.feeds, fetches: job.fetches };
      try {
        seat.worker!.postMessage(order, buffersOf(job.feeds));
      } catch (error) {
        // Buffers that have been handed over before, or that cannot be.
        seat.job = undefined;
        job.reject(new TypeError(`the feeds cannot go to a worker: ${(error as Error).message}`, { cause: error }));
      }
    }
    if (this.waiting.length + this.busy === 0) this.drained?.();
  }

  private abort(job: Job): void {
    const at = this.waiting.indexOf(job);
    if (at !== -1) {
      this.waiting.splice(at, 1);
      job.reject(job.signal!.reason);
      this.deal();
      return;
    }
    const seat = this.seats.find((one) => one.job?.resolve === job.resolve);
    if (seat?.job === undefined) return;
    const { id } = seat.job;
    const { worker } = seat;
    worker?.postMessage({ abort: id } satisfies Order);
    setTimeout(() => {
      if (seat.job?.id === id) void worker?.terminate();
    }, DEAF_MS).unref();
  }
}

function free({ worker, job }: Seat): boolean {
  return worker !== undefined && job === undefined;
}

function errorOf({ name, message, code }: Failure): Error {
  if (name === "TypeError") return new TypeError(message);
  if (name === "RangeError") return new RangeError(message);
  if (name === "BitbasisError") return new BitbasisError(code as BitbasisError["code"], message);
  return new Error(message);
}
