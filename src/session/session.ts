import { BitbasisError, type Build, Core, chooseBuild } from "../core/index.ts";
import type { ValueInfo } from "../graph/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { Engine } from "./engine.ts";
import { checkFeeds, type Feed } from "./feeds.ts";
import { type OpenModel, openModel } from "./open.ts";
import type { RunOptions, SessionOptions, StepTiming, ValueMetadata } from "./options.ts";
import type { Source } from "./source.ts";
import { loadWasm } from "./wasm.ts";

/**
 * A model ready to run, in a WASM instance of its own. Calls on one session queue.
 *
 * @example
 * const session = await InferenceSession.create("model.onnx", { preset: "fast" });
 * const { logits } = await session.run({ image: new Tensor("float32", pixels, [1, 3, 224, 224]) });
 * await session.release();
 */
export class InferenceSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly ValueMetadata[];
  readonly outputMetadata: readonly ValueMetadata[];
  private readonly inputs: readonly ValueInfo[];
  private queue: Promise<unknown> = Promise.resolve();
  /** Gone after `release`, and with it the WASM memory and the weights. */
  private live: { readonly engine: Engine; readonly opened: OpenModel } | undefined;
  private lastTerms: { loaded: number; total: number };

  private constructor(core: Core, opened: OpenModel) {
    const { inputs, outputs } = opened.model.graph;
    this.live = { engine: new Engine(core, opened.model), opened };
    this.lastTerms = opened.terms;
    this.inputs = inputs;
    this.inputNames = inputs.map((input) => input.name);
    this.outputNames = outputs.map((output) => output.name);
    this.inputMetadata = inputs.map(metadata);
    this.outputMetadata = outputs.map(metadata);
  }

  /**
   * Opens a model. An `.onnx` source is quantized while it loads, by `options.preset` (default "faithful") or `options.plan`;
   * a container carries its plan.
   *
   * @throws BitbasisError "MODEL" for bytes that are no model, "UNSUPPORTED" with all operators that we do not have
   */
  static async create(source: Source | Promise<Source>, options: SessionOptions = {}): Promise<InferenceSession> {
    const build = chooseBuild(options.build ?? "auto");
    const { numThreads = 1 } = options;
    if (!Number.isInteger(numThreads) || numThreads < 1) {
      throw new RangeError(`"numThreads" expected integer ≥ 1, got ${numThreads}`);
    }
    const [opened, core] = await Promise.all([openModel(source, options), createCore(build, options)]);
    if (numThreads > 1) console.warn("bitbasis: numThreads is not used by this version; running on one thread");
    return new InferenceSession(core, opened);
  }

  /** Weight terms in use, and in the whole series. */
  get terms(): { loaded: number; total: number } {
    return this.live?.opened.terms ?? this.lastTerms;
  }

  /** Bytes of the WASM memory, which never shrinks before `release`. */
  get memoryBytes(): number {
    return this.live?.engine.core.memory.buffer.byteLength ?? 0;
  }

  /**
   * Runs the model. Outputs are copies; a sequence is an array of tensors, an optional that holds nothing is null.
   *
   * @param feeds - a tensor for each input; a bare typed array where the input's shape is static
   * @param fetches - names of the outputs wanted (default all), or the options
   * @throws TypeError or RangeError that names the input and what was expected
   */
  run(
    feeds: Readonly<Record<string, Feed>>,
    fetches?: readonly string[] | Readonly<Record<string, Tensor | null>> | RunOptions,
    options?: RunOptions,
  ): Promise<Record<string, Tensor>> {
    return this.enqueue(async ({ engine }) => {
      const { names, signal } = this.readFetches(fetches, options);
      signal?.throwIfAborted();
      const outputs = await engine.run(checkFeeds(this.inputs, feeds), names, signal);
      // Lists for the few models that give sequences, null for an optional that holds nothing: not worth a union in everybody's types.
      return outputs as Record<string, Tensor>;
    });
  }

  /** Takes the next term that has arrived into the weights in place; false when the series is complete. */
  refine(): Promise<boolean> {
    return this.enqueue(async ({ engine, opened }) => {
      const grown = await opened.refine();
      engine.refine(grown);
      return grown.length > 0;
    });
  }

  /** Runs once and times every step by itself. Times are of one run; call it after a warm-up. */
  profile(feeds: Readonly<Record<string, Feed>>): Promise<StepTiming[]> {
    return this.enqueue(async ({ engine }) => engine.time(checkFeeds(this.inputs, feeds)));
  }

  /** Drops the WASM instance and the weights once the calls before it are done; later calls are refused. */
  release(): Promise<void> {
    const released = this.queue.then(() => {
      this.lastTerms = this.terms;
      this.live?.opened.close();
      this.live = undefined;
    });
    this.queue = released;
    return released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Runs a task after all that were asked for before it. */
  private enqueue<T>(task: (live: { engine: Engine; opened: OpenModel }) => Promise<T>): Promise<T> {
    const result = this.queue.then(() => {
      if (this.live === undefined) throw new BitbasisError("RELEASED", "the session has been released");
      return task(this.live);
    });
    this.queue = result.catch(() => undefined);
    return result;
  }

  private readFetches(
    fetches: unknown,
    options: RunOptions | undefined,
  ): { names: readonly string[]; signal: AbortSignal | undefined } {
    if (fetches === undefined) return { names: this.outputNames, signal: options?.signal };
    if (typeof fetches !== "object" || fetches === null)
      throw new TypeError(`"fetches" expected names of outputs or options, got ${typeof fetches}`);
    const names = Array.isArray(fetches) ? (fetches as readonly string[]) : Object.keys(fetches);
    const known = new Set(this.outputNames);
    if (!Array.isArray(fetches) && options === undefined && !names.some((name) => known.has(name))) {
      return { names: this.outputNames, signal: (fetches as RunOptions).signal };
    }
    for (const name of names) {
      if (!known.has(name))
        throw new RangeError(`the model has no output "${name}"; its outputs are ${this.outputNames.join(", ")}`);
    }
    return { names, signal: options?.signal };
  }
}

function metadata({ name, type, shape }: ValueInfo): ValueMetadata {
  return { name, isTensor: true, type, shape: shape ?? [] };
}

async function createCore(build: Build, { wasm }: SessionOptions): Promise<Core> {
  return Core.create(build, wasm === undefined ? undefined : await loadWasm(wasm));
}
