import type { Plan, Preset } from "../series/index.ts";
import type { ExternalSources } from "./external.ts";
import type { SessionState } from "./state.ts";
import type { WasmSource } from "./wasm.ts";

/**
 * How a model is opened. What is given in a wrong kind is a TypeError, in a wrong range a RangeError; the sentence names the option.
 *
 * @example
 * const options: SessionOptions = { preset: "fast", limits: { bytes: 2 ** 28 }, signal: AbortSignal.timeout(10_000) };
 * const session = await InferenceSession.create("model.onnx", options);
 */
export interface SessionOptions {
  /** For an `.onnx` source, default "faithful"; a container carries its plan. */
  readonly preset?: Preset;
  /** Overrides the preset, per layer. */
  readonly plan?: Plan;
  /**
   * Plan an `.onnx` source by a measurement: it runs on procedural inputs, each layer quantized alone, and bits go where they are needed. Default false: the plan follows from
   * structure and weights, and no model runs.
   */
  readonly check?: boolean;
  /** Weight terms to use at most, an integer ≥ 1; default: all. */
  readonly terms?: number;
  /**
   * Threads that share the work of every large step, an integer in 1..64, default 1; the bits of the outputs are the same for any number. Where there is no
   * shared memory (a page that is not cross-origin isolated, workerd) the session runs on one, and a warning says why.
   */
  readonly numThreads?: number;
  /**
   * Workers that hold the weights of the linear layers between them, each its part in a memory of its own, 1..64; default: none, the session holds them. The
   * integers that they sum up are added, so that the bits of the outputs are those of one. A layer is cut by its output channels, or as `by` says: by
   * the depth that is summed over, or by terms. It spreads memory, and costs time: activations and sums travel for every layer.
   */
  readonly shards?:
    | number
    | {
        /** Workers, 1..64. */
        readonly count: number;
        /** How a layer is cut; default "channels". */
        readonly by?: "channels" | "depth" | "terms";
      };
  /**
   * Default "auto": the value of BITBASIS_BUILD, else "simd" where the runtime takes it, else "scalar". One that is named is used or refused
   * (BitbasisError BUILD). The bits of the outputs are the same in all. "relaxed" is fetched when it is named; its dot products of weights of at most 7 bits
   * and activations of at most 8 are used where the engine is found to have them right and fast, else it is "simd".
   */
  readonly build?: "auto" | "scalar" | "simd" | "relaxed";
  /** A module of this version of the package in place of the inlined one; anything else is refused (BitbasisError BUILD). */
  readonly wasm?: WasmSource | Promise<WasmSource>;
  /**
   * Files that an ONNX model keeps its weights in: by the location that the model gives, or as `{ path, data }` where data may be a URL or path.
   * A model that is read from a path finds files inside of its own folder by itself.
   */
  readonly externalData?: ExternalSources;
  /**
   * What a file and its feeds may cost, so that a hostile one of some bytes cannot take the machine. `bytes`, default 2^30: most of the
   * model's file, and of the WASM memory with its weights and intermediate values (BitbasisError MEMORY). `macs`, default 1e12: most
   * multiply-accumulates of one run, where a step that only moves data counts its bytes (BitbasisError LIMIT). Numbers ≥ 1, Infinity included.
   */
  readonly limits?: {
    /** Default 2^30. */
    readonly bytes?: number;
    /** Default 1e12. */
    readonly macs?: number;
  };
  /** Resolve as soon as the first terms are in; `refine` takes the others. Default false. */
  readonly progressive?: boolean;
  /** Stops `create`, also in the middle of a stalled stream; a progressive session listens to it no longer once `create` has resolved. */
  readonly signal?: AbortSignal;
  /** Called while loading and quantizing; `loaded` and `total` are bytes, `total` 0 when it is not known. */
  readonly onProgress?: (p: { phase: string; loaded: number; total: number }) => void;

  /**
   * onnxruntime's: sizes ≥ 0 of dimensions that the model's inputs name.
   *
   * @example
   * await InferenceSession.create("model.onnx", { freeDimensionOverrides: { batch: 1 } });
   */
  readonly freeDimensionOverrides?: Readonly<Record<string, number>>;
  /**
   * onnxruntime's: "bitbasis", "wasm" and "cpu" are this package, which takes any of them; others are skipped when one of these follows,
   * and refused (TypeError) otherwise. As names, or objects with a `name`.
   */
  readonly executionProviders?: readonly (
    | string
    | {
        /** Of the provider. */
        readonly name: string;
      }
  )[];
  /** onnxruntime's name of `numThreads`, which goes before it; 0 is the default, as there. */
  readonly intraOpNumThreads?: number;
  /** onnxruntime's, accepted; there is one way to run a network here, and every optimization of it is on. */
  readonly graphOptimizationLevel?: "disabled" | "basic" | "extended" | "layout" | "all";
  /** onnxruntime's, accepted; `profile` times every step. */
  readonly enableProfiling?: boolean;
  /** The rest of onnxruntime's, accepted and without effect. */
  readonly profileFilePrefix?: string;
  /** Accepted and without effect. */
  readonly interOpNumThreads?: number;
  /** Accepted and without effect. */
  readonly enableCpuMemArena?: boolean;
  /** Accepted and without effect. */
  readonly enableMemPattern?: boolean;
  /** Accepted and without effect. */
  readonly executionMode?: "sequential" | "parallel";
  /** Accepted and without effect: nothing is written. */
  readonly optimizedModelFilePath?: string;
  /** Accepted and without effect. */
  readonly logId?: string;
  /** Accepted and without effect. */
  readonly logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
  /** Accepted and without effect. */
  readonly logVerbosityLevel?: number;
  /** Accepted and without effect: outputs are always in JavaScript memory. */
  readonly preferredOutputLocation?: "cpu" | Readonly<Record<string, "cpu">>;
  /** Accepted and without effect. */
  readonly enableGraphCapture?: boolean;
  /** Accepted and without effect. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/**
 * How a model is run.
 *
 * @example
 * await session.run(feeds, { signal: AbortSignal.timeout(1000) });
 */
export interface RunOptions {
  /** Rejects the run with the signal's reason within some 50 ms, also in the middle of a large step. */
  readonly signal?: AbortSignal;
  /** Feeds its inputs, takes its outputs, which are then fetched only where they are named; of this session, see `createState`. */
  readonly state?: SessionState;
  /** onnxruntime's, accepted and without effect. */
  readonly tag?: string;
  /** Accepted and without effect. */
  readonly logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
  /** Accepted and without effect. */
  readonly logVerbosityLevel?: number;
  /** Accepted and without effect: `signal` stops a run. */
  readonly terminate?: boolean;
  /** Accepted and without effect. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** How `refine` waits. */
export interface RefineOptions {
  /** Ends the wait, not the stream: a later `refine` goes on with it. */
  readonly signal?: AbortSignal;
}

/** An input or output of a model. */
export interface ValueMetadata {
  /** Of the input or output. */
  readonly name: string;
  /** False for sequences and optional values. */
  readonly isTensor: boolean;
  /** Element type: "float32", "int64", … */
  readonly type: string;
  /** Numbers, and names of dimensions that are free. */
  readonly shape: readonly (number | string)[];
}

/** One step of a program, timed by itself. */
export interface StepTiming {
  /** Position in the program. */
  readonly step: number;
  /** Operator of the node that the step belongs to. */
  readonly op: string;
  /** Name of that node. */
  readonly node: string;
  /** For example `gemm_i16_i16_4x8`. */
  readonly kernel: string;
  /** Wall time of the step. */
  readonly milliseconds: number;
  /** Multiply-accumulates, 0 where that means nothing. */
  readonly macs: number;
  /** Bytes read and written. */
  readonly bytes: number;
}
