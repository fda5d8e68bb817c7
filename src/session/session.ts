/// <reference lib="esnext.disposable" preserve="true" />
import { BitbasisError, Core, checkOptions, checkSignal, type MakeCore } from "../core/index.ts";
import { checkRuns, type Graph, type ValueInfo } from "../graph/index.ts";
import { withSizes } from "../graph/sizes.ts";
import { knownWeights, type Model } from "../model/index.ts";
import type { Crew, ShardCost } from "../parallel/index.ts";
import type * as Pieces from "../program/pieces.ts";
import { isLarge } from "../program/planned.ts";
import { widthOf } from "../series/index.ts";
import { Tensor } from "../tensor/index.ts";
import { abortable } from "./abort.ts";
import { Engine } from "./engine.ts";
import { type AnyFeed, checkFeeds } from "./feeds.ts";
import { type Fetches, fill, readRequest } from "./fetches.ts";
import type { KernelTimes } from "./kernel-times.ts";
import { openModel } from "./open.ts";
import type { OpenModel } from "./opened.ts";
import type { RefineOptions, RunOptions, SessionOptions, StepTiming, ValueMetadata } from "./options.ts";
import type { Overrides } from "./overrides.ts";
import { readSettings, type Settings } from "./settings.ts";
import { Reading, type Source } from "./source.ts";
import { readCapacity, readPairs, SessionState, type StateOptions } from "./state.ts";
import type { Value } from "./values.ts";

/**
 * A model ready to run, in a WASM instance of its own. Calls on one session queue.
 *
 * @example
 * const session = await InferenceSession.create("model.onnx", { preset: "fast" });
 * const { logits } = await session.run({ image: new Tensor("float32", pixels, [1, 3, 224, 224]) });
 * await session.release();
 */
export class InferenceSession {
  /** Inputs that a run must be fed with, in the model's order. */
  readonly inputNames: readonly string[];
  /** Outputs in the model's order. */
  readonly outputNames: readonly string[];
  /** Type and shape of each input, in the order of `inputNames`. */
  readonly inputMetadata: readonly ValueMetadata[];
  /** Type and shape of each output, in the order of `outputNames`. */
  readonly outputMetadata: readonly ValueMetadata[];
  private readonly inputs: readonly ValueInfo[];
  private readonly outputs: readonly ValueInfo[];
  private readonly states = new WeakSet<SessionState>();
  private readonly overridable: readonly ValueInfo[];
  private queue: Promise<unknown> = Promise.resolve();
  /** Gone after `release`, and with it the WASM memory and the weights. */
  private live: Live | undefined;
  /** The `refine` before: they wait for terms one after the other, outside of the queue. */
  private refining: Promise<unknown> = Promise.resolve();
  private lastTerms: { loaded: number; total: number };

  private constructor(
    core: Core,
    opened: OpenModel,
    reading: Reading,
    { limits, options }: Settings,
    crew?: Crew,
    pieces?: typeof Pieces,
  ) {
    const graph = withDimensions(opened.model.graph, options.freeDimensionOverrides ?? {});
    const { inputs, outputs, overridable = [] } = graph;
    const engineOf = (model: Model): Engine => {
      const sized = withDimensions(model.graph, options.freeDimensionOverrides ?? {});
      return new Engine(core, { ...model, graph: sized }, limits.macs, crew, pieces);
    };
    const overrides = async (): Promise<Overrides> =>
      new (await import("./overrides.ts")).Overrides(overridable, opened.override, engineOf);
    this.live = { engine: engineOf(opened.model), opened, reading, overrides, crew };
    this.overridable = overridable;
    this.lastTerms = opened.terms;
    this.inputs = inputs;
    this.outputs = outputs;
    this.inputNames = inputs.map((input) => input.name);
    this.outputNames = outputs.map((output) => output.name);
    this.inputMetadata = inputs.map(metadata);
    this.outputMetadata = outputs.map(metadata);
  }

  /**
   * Opens a model. An `.onnx` source is quantized while it loads, by `options.preset` (default "faithful") or `options.plan`;
   * a container carries its plan. When it rejects, it has cancelled the source.
   *
   * @param source - a URL or path, a Request or Response, a stream of bytes, a Blob, bytes, or a promise of one of these
   * @throws BitbasisError MODEL for what cannot be read or is no model, UNSUPPORTED with all operators that we do not have, MEMORY for one
   *   that is larger than `limits.bytes`, BUILD for a core that cannot be used; TypeError or RangeError for an option that makes no sense;
   *   the reason of the signal
   */
  static async create(source: Source | Promise<Source>, options: SessionOptions = {}): Promise<InferenceSession> {
    let reading: Reading | undefined;
    let starting: Promise<Crew | undefined> | undefined;
    try {
      const settings = readSettings(options);
      const { signal, onProgress } = options;
      reading = new Reading(source, { signal, onProgress, most: settings.limits.bytes });
      const makeCore = coresOf(settings);
      if (settings.numThreads > 1 || settings.shards !== undefined)
        starting = import("./crew.ts").then(({ crewOf }) => crewOf(settings, makeCore));
      const making = async () => {
        const crew = await starting;
        return { crew, core: crew?.core ?? (await makeCore()) };
      };
      const [opened, { crew, core }] = await Promise.all([openModel(reading, options, makeCore), making()]);
      const relaxed = settings.mayRelax ? await relaxedCoreOf(opened.model, settings) : undefined;
      const { graph } = opened.model;
      await checkRuns(withDimensions(graph, options.freeDimensionOverrides ?? {}), knownWeights(opened.model));
      signal?.throwIfAborted();
      reading.detach();
      const { weights } = opened.model;
      const isPieced = [...graph.initializers.values(), ...weights.values()].some(isLarge);
      const pieces = isPieced ? await import("../program/pieces.ts") : undefined;
      return new InferenceSession(relaxed ?? core, opened, reading, settings, crew, pieces);
    } catch (error) {
      starting?.then((crew) => crew?.stop()).catch(() => undefined);
      (reading ?? new Reading(source)).stop(error);
      throw error;
    }
  }

  /** Weight terms in use, and in the whole series; a term that arrived damaged is not in use. */
  get terms(): {
    /** In use now. */
    loaded: number;
    /** Of the whole series. */
    total: number;
  } {
    return this.live?.opened.terms ?? this.lastTerms;
  }

  /** Bytes of the WASM memory, which never shrinks before `release`; at most `limits.bytes`, rounded up to 64 KiB. */
  get memoryBytes(): number {
    return this.live?.engine.core.memory.buffer.byteLength ?? 0;
  }

  /** Threads that run the model: `numThreads`, or 1 where they cannot be had or one of them has died. */
  get numThreads(): number {
    return this.live?.crew?.threads ?? 1;
  }

  /** @internal What the workers that hold the weights cost. */
  get shardCost(): ShardCost | undefined {
    const crew = this.live?.crew;
    return crew !== undefined && "spent" in crew ? (crew.spent as ShardCost) : undefined;
  }

  /** @internal What `bitbasis/receipt` states about the model, and what it may be fed. */
  get origin(): Origin {
    const { container, model } = this.alive().opened;
    return { container, model, inputs: this.inputs, overridable: this.overridable };
  }

  /**
   * Runs the model, after the calls before it. Feeds are read now, so that they may be changed at once. Outputs are copies; a sequence is an
   * array of tensors, an optional that holds nothing is null.
   *
   * @param feeds - a tensor for each input; a bare typed array where the input's shape is static; an array of tensors for a sequence, null for an
   *   optional that holds nothing. An initializer that is an input of the ONNX graph too may be fed as well: its value is the default
   * @param fetches - names of the outputs wanted (default all), or by name a tensor to fill or null for a new one, or the options
   * @returns the outputs by name; a tensor that was given to be filled is the same object
   * @throws TypeError or RangeError that names the input or fetch and what was expected; BitbasisError MEMORY or LIMIT for more than
   *   `limits` allows, RELEASED after `release`; the reason of the signal
   * @example
   * const { logits } = await session.run({ image }, ["logits"], { signal: AbortSignal.timeout(1000) });
   */
  async run(
    feeds: Readonly<Record<string, AnyFeed>>,
    fetches?: Fetches,
    options?: RunOptions,
  ): Promise<Record<string, Tensor>> {
    const { outputs, signal, state } = readRequest(this.outputNames, fetches, options);
    if (state !== undefined && !this.states.has(state))
      throw new TypeError('"state" expected a state of this session, got one of another');
    const given = this.readFeeds(feeds, state);
    state?.hold();
    const running = this.enqueue(async (live) => {
      signal?.throwIfAborted();
      const all = state === undefined ? given : { ...given, tensors: state.begin(this.inputs, given.tensors) };
      const { engine, tensors } = await engineFor(live, all);
      const made = await engine.run(tensors, [...outputs.keys()], signal, state);
      const results = Object.entries(made).map(([name, value]) => {
        const into = outputs.get(name) ?? null;
        return [name, into === null || !(value instanceof Tensor) ? value : fill(name, into, value)];
      });
      // Lists for the few models that give sequences, null for an optional that holds nothing: not worth a union in everybody's types.
      return Object.fromEntries(results) as Record<string, Tensor>;
    }).finally(() => state?.end());
    return abortable(running, signal);
  }

  /**
   * Values that stay in the session's memory from run to run, for `run`'s option `state`: keys and values of a decoder, fed and appended without
   * being copied into JavaScript. They begin without rows.
   *
   * @param pairs - by name of an output the input whose rows and more it holds; both declare the axis that grows as an open one
   * @throws TypeError or RangeError that names the pair that cannot be state, or the option; BitbasisError RELEASED after `release`
   * @example
   * const state = session.createState({ "present.0.key": "past_key_values.0.key" }, { capacity: 1024 });
   * const { logits } = await session.run({ input_ids }, ["logits"], { state });
   */
  createState(pairs: Readonly<Record<string, string>>, options: StateOptions = {}): SessionState {
    this.alive();
    const read = readPairs(pairs, this.inputs, this.outputs);
    const prepare = (state: SessionState) =>
      this.enqueue(({ engine }) => engine.prepare(this.inputs, state)).catch(() => undefined);
    const state = new SessionState(() => this.alive().engine.core, read, readCapacity(options), prepare);
    this.states.add(state);
    return state;
  }

  /**
   * Waits for the next term and takes it into the weights in place. Runs go on while it waits.
   *
   * @returns false when the series is complete
   * @throws BitbasisError MODEL when the rest of the series is damaged or cut short, each time that it is called: the session goes on with
   *   the terms that it has; RELEASED after `release`; the reason of the signal
   * @example
   * while (await session.refine({ signal })) draw(await session.run(feeds));
   */
  async refine(options: RefineOptions = {}): Promise<boolean> {
    checkOptions(options);
    const { signal } = options;
    checkSignal(signal);
    const refined = this.refining.then(async () => {
      signal?.throwIfAborted();
      try {
        if (!(await abortable(this.alive().opened.arrived(), signal))) return false;
      } catch (error) {
        this.alive();
        throw error;
      }
      return this.enqueue(async ({ engine, opened }) => {
        signal?.throwIfAborted();
        engine.refine(opened.take());
        return true;
      });
    });
    this.refining = refined.catch(() => undefined);
    return abortable(refined, signal);
  }

  /** Runs once and times every step by itself. Times are of one run; call it after a warm-up. */
  async profile(feeds: Readonly<Record<string, AnyFeed>>): Promise<StepTiming[]> {
    const given = this.readFeeds(feeds);
    return this.enqueue(async (live) => {
      const { engine, tensors } = await engineFor(live, given);
      return (await import("./watched.ts")).timesOf(engine, tensors);
    });
  }

  /** @internal What every kernel takes for the shapes of the linear layers: `bitbasis bench --kernels`. */
  async kernelTimes(feeds: Readonly<Record<string, AnyFeed>>): Promise<KernelTimes[]> {
    const given = this.readFeeds(feeds);
    return this.enqueue(async (live) => {
      const { engine, tensors } = await engineFor(live, given);
      const steps = await (await import("./watched.ts")).linearSteps(engine, tensors);
      return (await import("./kernel-times.ts")).kernelTimes(engine.core, steps);
    });
  }

  /** Drops the WASM instance, its workers and the weights once the calls before it are done; later calls, and a `refine` that waits, are refused. */
  release(): Promise<void> {
    const released = this.queue.then(async () => {
      const { live } = this;
      this.lastTerms = this.terms;
      this.live = undefined;
      live?.reading.stop();
      await live?.crew?.stop();
    });
    this.queue = released;
    return released;
  }

  /** `release`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** The feeds, checked and copied, and which of them are initializers. */
  private readFeeds(feeds: Readonly<Record<string, AnyFeed>>, state?: SessionState): Given {
    const given = typeof feeds === "object" && feeds !== null ? feeds : {};
    for (const name of Object.keys(given))
      if (state?.feeds(name)) throw new RangeError(`the input "${name}" is fed by the state`);
    const fed = this.overridable.filter(({ name }) => Object.hasOwn(given, name));
    const inputs = state === undefined ? this.inputs : this.inputs.filter(({ name }) => !state.feeds(name));
    return {
      tensors: checkFeeds([...inputs, ...fed], feeds),
      fed: fed.map(({ name }) => name),
    };
  }

  private alive(): Live {
    if (this.live === undefined) throw new BitbasisError("RELEASED", "the session has been released");
    return this.live;
  }

  /** Runs a task after all that were asked for before it. */
  private enqueue<T>(task: (live: Live) => Promise<T>): Promise<T> {
    const result = this.queue.then(() => task(this.alive()));
    this.queue = result.catch(() => undefined);
    return result;
  }
}

/** Where a session's model comes from. */
interface Origin extends Pick<OpenModel, "container" | "model"> {
  readonly inputs: readonly ValueInfo[];
  readonly overridable: readonly ValueInfo[];
}

/** What a session has until it is released. */
interface Live {
  readonly engine: Engine;
  readonly opened: OpenModel;
  readonly reading: Reading;
  /** What runs that feed initializers go through; made, in a chunk of its own, for the first. */
  overrides: Overrides | (() => Promise<Overrides>);
  readonly crew: Crew | undefined;
}

/** The feeds of a run; those named in `fed` are initializers of the model. */
interface Given {
  readonly tensors: ReadonlyMap<string, Value>;
  readonly fed: readonly string[];
}

async function engineFor(live: Live, { tensors, fed }: Given): Promise<{ engine: Engine; tensors: Given["tensors"] }> {
  if (fed.length === 0) return { engine: live.engine, tensors };
  // One run at a time comes here.
  if (typeof live.overrides === "function") live.overrides = await live.overrides();
  return live.overrides.bind(fed, tensors);
}

function metadata({ name, type, shape, holder }: ValueInfo): ValueMetadata {
  return { name, isTensor: holder === undefined, type, shape: shape ?? [] };
}

/** The graph whose inputs and outputs have these sizes where they name the dimension. */
function withDimensions(graph: Graph, sizes: Readonly<Record<string, number>>): Graph {
  const names = new Map(Object.entries(sizes));
  return { ...graph, inputs: withSizes(graph.inputs, names), outputs: withSizes(graph.outputs, names) };
}

/** Makes cores of one build, one module, which is read once, and one limit. */
function coresOf({ build, limits, options }: Settings): MakeCore {
  const { wasm } = options;
  // A chunk of its own: most take the modules of the package.
  const module = wasm === undefined ? undefined : import("./wasm.ts").then(({ loadWasm }) => loadWasm(wasm));
  // Whoever makes a core hears of it; one that rejects before that is no unhandled rejection.
  module?.catch(() => undefined);
  return async () => Core.create(build, await module, limits.bytes);
}

/** A core of the relaxed build, in a chunk of its own, for a model with weights that it has kernels for. */
async function relaxedCoreOf(model: Model, { limits }: Settings): Promise<Core | undefined> {
  if (![...model.weights.values()].some((series) => widthOf(series) <= 7)) return undefined;
  return (await import("./relaxed.ts")).relaxedCore(model, limits.bytes);
}
