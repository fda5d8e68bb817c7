import { BitbasisError, type Build, Core, chooseBuild } from "../core/index.ts";
import { DependsOnData, type Feed as GraphFeed, type KnownValue, specialize, type ValueInfo } from "../graph/index.ts";
import type { Model } from "../model/index.ts";
import type { Compiled, ProgramValue } from "../program/compile.ts";
import { Constants } from "../program/constants.ts";
import { Panels } from "../program/panels.ts";
import {
  allocateData,
  elementBytes,
  type NumericType,
  sizeOf,
  Tensor,
  type TensorData,
  viewData,
} from "../tensor/index.ts";
import { bytesOf, checkFeeds, type Feed } from "./feeds.ts";
import { type OpenModel, openModel } from "./open.ts";
import type { RunOptions, SessionOptions, StepTiming, ValueMetadata } from "./options.ts";
import { ProgramCache } from "./program-cache.ts";
import type { Source } from "./source.ts";
import { loadWasm } from "./wasm.ts";
import { yieldToEventLoop } from "./yield.ts";

/** Multiply-accumulates, and bytes moved, between two looks at the abort signal: about 5 ms. */
const SLICE_WORK = 2 ** 27;

/** Float16Array, where the runtime has it. */
const Float16 = (globalThis as { Float16Array?: new (bits: ArrayBuffer) => ArrayBufferView }).Float16Array;

/** An input of more elements is data, not a shape: a program per content of it would be no use. */
const SHAPING_ELEMENTS = 1024;

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
  private queue: Promise<unknown> = Promise.resolve();
  private core: Core | undefined;
  private readonly panels: Panels;
  private readonly programs: ProgramCache;
  /** Types and shapes of the weights that are not initializers of the graph, because they are series. */
  private readonly weights: ReadonlyMap<string, KnownValue>;
  /** Inputs whose elements decide shapes: found out when a program is made. */
  private readonly shaping = new Set<string>();

  private constructor(
    core: Core,
    private readonly opened: OpenModel,
  ) {
    const { graph } = opened.model;
    this.core = core;
    this.panels = new Panels(core);
    this.weights = new Map([...opened.model.weights].map(([name, { shape }]) => [name, { type: "float32", shape }]));
    this.programs = new ProgramCache(opened.model, {
      core,
      constants: new Constants(core),
      panels: this.panels,
      threads: 1,
    });
    this.inputNames = graph.inputs.map((input) => input.name);
    this.outputNames = graph.outputs.map((output) => output.name);
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
    if ((options.numThreads ?? 1) > 1)
      console.warn("bitbasis: numThreads is not used by this version; running on one thread");
    return new InferenceSession(core, opened);
  }

  get inputMetadata(): readonly ValueMetadata[] {
    return this.model.graph.inputs.map(metadata);
  }

  get outputMetadata(): readonly ValueMetadata[] {
    return this.model.graph.outputs.map(metadata);
  }

  /** Weight terms in use, and in the whole series. */
  get terms(): { loaded: number; total: number } {
    return this.opened.terms;
  }

  /** Bytes of the WASM memory, which never shrinks before `release`. */
  get memoryBytes(): number {
    return this.core?.memory.buffer.byteLength ?? 0;
  }

  /**
   * Runs the model. Outputs are copies.
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
    return this.enqueue(async () => {
      const { names, signal } = this.readFetches(fetches, options);
      signal?.throwIfAborted();
      const { program, address, arena } = this.bind(feeds);
      await this.execute(program, address, signal);
      return Object.fromEntries(names.map((name) => [name, this.read(program.outputs.get(name)!, arena)]));
    });
  }

  /** Takes the next term that has arrived into the weights in place; false when the series is complete. */
  refine(): Promise<boolean> {
    return this.enqueue(async () => {
      const refined = await this.opened.refine();
      for (const series of refined) this.panels.refine(series);
      return refined.length > 0;
    });
  }

  /** Runs once and times every step by itself. Times are of one run; call it after a warm-up. */
  profile(feeds: Readonly<Record<string, Feed>>): Promise<StepTiming[]> {
    return this.enqueue(async () => {
      const { program, address } = this.bind(feeds);
      return program.steps.map(({ node, op, kernel, macs, bytes }, i) => {
        const start = performance.now();
        this.live.run(address, i, 1);
        return { step: i, op, node, kernel, milliseconds: performance.now() - start, macs, bytes };
      });
    });
  }

  /** Drops the WASM instance; later calls are refused. */
  release(): Promise<void> {
    return this.enqueue(async () => {
      this.core = undefined;
      this.opened.close();
    }, true);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  private get model(): Model {
    return this.opened.model;
  }

  private get live(): Core {
    if (this.core === undefined) throw new BitbasisError("RELEASED", "the session has been released");
    return this.core;
  }

  private enqueue<T>(task: () => Promise<T>, evenReleased = false): Promise<T> {
    const result = this.queue.then(() => {
      if (!evenReleased) this.live;
      return task();
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

  /** The program for these feeds, with the feeds written into the arena. */
  private bind(feeds: Readonly<Record<string, Feed>>): { program: Compiled; address: number; arena: number } {
    const tensors = checkFeeds(this.model.graph.inputs, feeds);
    const bound = this.programFor(tensors);
    for (const [name, tensor] of tensors) {
      const value = bound.program.inputs.get(name);
      if (value === undefined) continue;
      const bytes = bytesOf(name, tensor);
      this.live.u8(this.addressOf(value, bound.arena), bytes.length).set(bytes);
    }
    return bound;
  }

  /** The program for feeds of these shapes and, where the model computes shapes from elements of a feed, these elements. */
  private programFor(tensors: ReadonlyMap<string, Tensor>): { program: Compiled; address: number; arena: number } {
    const { graph } = this.model;
    for (;;) {
      const signature = [...tensors].map(([name, tensor]) => signatureOf(name, tensor, this.shaping.has(name)));
      try {
        return this.programs.get(signature.join(";"), () => {
          const known = [...tensors].map(([name, { type, dims, data }]): [string, GraphFeed] => [
            name,
            {
              type,
              shape: dims,
              ...(this.shaping.has(name) && { data: type === "float16" ? halfBits(data) : data.slice() }),
            },
          ]);
          return specialize(graph, Object.fromEntries(known), this.weights);
        });
      } catch (error) {
        if (!(error instanceof DependsOnData)) throw error;
        const more = error.inputs.filter((name) => {
          const tensor = tensors.get(name);
          return tensor !== undefined && tensor.size <= SHAPING_ELEMENTS && !this.shaping.has(name);
        });
        if (more.length === 0) throw error;
        for (const name of more) this.shaping.add(name);
      }
    }
  }

  private async execute(program: Compiled, address: number, signal: AbortSignal | undefined): Promise<void> {
    const { steps } = program;
    if (signal === undefined) {
      this.live.run(address, 0, steps.length);
      return;
    }
    for (let first = 0; first < steps.length; ) {
      let count = 0;
      for (let work = 0; first + count < steps.length && work < SLICE_WORK; count++) {
        const { macs, bytes } = steps[first + count]!;
        work += macs + bytes;
      }
      this.live.run(address, first, count);
      first += count;
      await yieldToEventLoop();
      signal.throwIfAborted();
    }
  }

  private addressOf(value: ProgramValue, arena: number): number {
    const { place } = value;
    if ("arena" in place) return arena + place.arena;
    if ("address" in place) return place.address;
    throw new BitbasisError("INTERNAL", "a constant has no address");
  }

  private read(value: ProgramValue, arena: number): Tensor {
    const { type, shape, place } = value;
    const length = sizeOf(shape);
    if ("constant" in place) {
      const copy = allocateData(type, 0).constructor as unknown as { from(data: unknown): Float32Array };
      return new Tensor(type, copy.from(place.constant.data), shape);
    }
    const bytes = this.live.u8(this.addressOf(value, arena), length * elementBytes(type)).slice();
    if (type === "float16" && Float16 !== undefined) return new Tensor(type, new Float16(bytes.buffer), shape);
    return new Tensor(type, viewData(type as NumericType, bytes, length), shape);
  }
}

/** A copy of float16 elements as bit patterns, which is what the passes compute with. */
function halfBits(data: TensorData): Uint16Array {
  const { buffer, byteOffset, byteLength } = data as ArrayBufferView;
  return new Uint16Array(buffer, byteOffset, byteLength / 2).slice();
}

function signatureOf(name: string, { dims, data }: Tensor, withData: boolean): string {
  if (!withData) return dims.join("x");
  if (!ArrayBuffer.isView(data)) throw new TypeError(`input "${name}" expected a numeric tensor`);
  return `${dims.join("x")}=${new Uint8Array(data.buffer, data.byteOffset, data.byteLength).join()}`;
}

function metadata({ name, type, shape }: ValueInfo): ValueMetadata {
  return { name, isTensor: true, type, shape: shape ?? [] };
}

async function createCore(build: Build, { wasm }: SessionOptions): Promise<Core> {
  return Core.create(build, wasm === undefined ? undefined : await loadWasm(wasm));
}
