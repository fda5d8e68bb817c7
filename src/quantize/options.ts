import { checkOptions, checkSignal, isRecord, shown, wrongKind } from "../core/index.ts";
import type { ExternalData } from "../onnx/index.ts";
import { checkPlan, type Plan, PRESETS, type Preset } from "../series/index.ts";
import type { TensorLike } from "../tensor/index.ts";

/** How a network is quantized, and who hears about it. */
export interface QuantizeOptions {
  /** Default "faithful", unless a plan is given. */
  readonly preset?: Preset;
  /** Overrides the preset, per layer; without a preset it says everything. */
  readonly plan?: Plan;
  /** Called as it goes: `loaded` of `total` of a phase are done. In `quantize` they are bytes of float32 weights, in `measure` and `search` steps. */
  readonly onProgress?: (p: { phase: string; loaded: number; total: number }) => void;
  /** Looked at between layers. */
  readonly signal?: AbortSignal;
}

/** How an ONNX file is quantized: by a preset, a plan, or for a target, which is then measured. */
export interface QuantizeFileOptions extends QuantizeOptions, MeasureOptions, Partial<TargetOptions> {
  /** ONNX external data by location, or as onnxruntime-web takes them. */
  readonly externalData?: ExternalData;
  /**
   * What a hostile file may cost, where the defaults are too much. `bytes`: most of the file with its external data, and of the WASM memory that it is
   * quantized in (BitbasisError MEMORY), default as much as there is. `macs`: what of the model is computed beforehand, default 2^33; beyond, its
   * constant expressions stay in the graph. Numbers ≥ 1, Infinity included.
   */
  readonly limits?: {
    /** Default as much as there is. */
    readonly bytes?: number;
    /** Multiply-accumulates; default 2^33. */
    readonly macs?: number;
  };
}

/**
 * What a plan is to reach, with as few bytes as that takes: `error`, the largest max|a − b|/max|b| and ‖a − b‖/‖b‖ of an output, b being float32; `agreement`, the part of the
 * vectors along the last axis of outputs (of rank 2 or more) whose largest element stays where it is, 0…1; or the `bytes` of the container, with as little error as they allow.
 */
export type Target =
  | {
      /** Largest relative error of an output, > 0. */
      readonly error: number;
    }
  | {
      /** Part of the vectors, 0…1. */
      readonly agreement: number;
    }
  | {
      /** Of the whole container. */
      readonly bytes: number;
    };

/** A plan for a target. */
export interface TargetOptions {
  /** One of the three. */
  readonly target: Target;
  /** What the target is measured on: one record of tensors per run, one is enough. Default: procedural inputs, see docs/quantization.md. */
  readonly samples?: Iterable<Readonly<Record<string, TensorLike>>>;
  /** Of procedural inputs, as `MeasureOptions.inputRange`. */
  readonly inputRange?: InputRange;
  /** Default false. Whether weights of 8 bits and fewer are fitted, as `MeasureOptions.synth`. */
  readonly synth?: boolean;
  /** ONNX external data by location, or as onnxruntime-web takes them. */
  readonly externalData?: ExternalData;
  /** Called as it goes: `loaded` of `total` steps of the phase `measure` or `search` are done. */
  readonly onProgress?: (p: { phase: string; loaded: number; total: number }) => void;
  /** Looked at between layers and plans. */
  readonly signal?: AbortSignal;
}

/** How a preset's plan is measured. */
export interface MeasureOptions {
  /**
   * Default true: the network is run on procedural inputs, in float32 and with each layer quantized alone, and bits go where they are needed; the report says what came of
   * it. With false, or a plan without a preset, the plan follows from structure and weights alone, which is also what a session does unless it is asked.
   */
  readonly check?: boolean;
  /**
   * Default false. With true, weights of 8 bits and fewer are fitted: rounded so that the outputs of their layer err least on procedural inputs, or on texts that a decoder writes itself. It costs
   * seconds to minutes and makes errors smaller for the same bytes, on most networks (docs/quantization.md); the preset's plan is measured with such weights.
   */
  readonly synth?: boolean;
  /** Least and largest value of the inputs, for all or by name; default 0…1 for pictures, −0.5…0.5 for other floats. */
  readonly inputRange?: InputRange;
}

/** Least and largest value of inputs: one pair for all float inputs, or pairs by name. */
export type InputRange = readonly [number, number] | Readonly<Record<string, readonly [number, number]>>;

/** @throws TypeError or RangeError unless it is a target */
export function checkTarget(target: unknown): asserts target is Target {
  const [name = "", ...more] = isRecord(target) ? Object.keys(target) : [];
  if (!isRecord(target) || more.length > 0 || !["error", "agreement", "bytes"].includes(name))
    throw wrongKind("target", "{ error }, { agreement } or { bytes }", target);
  const value = target[name];
  const [fits, range] =
    name === "agreement"
      ? [Number(value) > 0 && Number(value) <= 1, "above 0 and at most 1"]
      : name === "error"
        ? [Number(value) > 0 && Number.isFinite(value), "above 0"]
        : [Number.isSafeInteger(value) && Number(value) > 0, "of bytes, an integer above 0"];
  if (typeof value !== "number" || !fits)
    throw new RangeError(`"target.${name}" expected a number ${range}, got ${shown(value)}`);
}

/** @throws TypeError or RangeError that names the option, what was expected and what was given */
export function checkQuantizeOptions(options: unknown): void {
  checkOptions(options);
  const { preset, plan, target, samples, check, synth, signal, onProgress, externalData } = options as Record<
    string,
    unknown
  >;
  if (target !== undefined) checkTarget(target);
  if (samples !== undefined && target === undefined) throw new RangeError('"samples" expected a "target" beside it');
  for (const [name, value] of Object.entries({ preset, plan, check }))
    if (target !== undefined && value !== undefined)
      throw new RangeError(`"${name}" expected no "target" beside it, which makes the plan`);
  if (preset !== undefined) checkPreset("preset", preset);
  if (plan !== undefined) checkPlan(plan);
  if (check !== undefined && typeof check !== "boolean") throw wrongKind("check", "a boolean", check);
  if (synth !== undefined && typeof synth !== "boolean") throw wrongKind("synth", "a boolean", synth);
  checkSignal(signal);
  if (onProgress !== undefined && typeof onProgress !== "function")
    throw wrongKind("onProgress", "a function", onProgress);
  if (externalData !== undefined && !isRecord(externalData) && !isFileList(externalData))
    throw wrongKind("externalData", "files by location, or a list of { path, data }", externalData);
}

/**
 * Checks what a caller gave as a preset.
 *
 * @param name - of the option, for the message
 * @throws RangeError that names the presets, for anything else
 */
export function checkPreset(name: string, preset: unknown): asserts preset is Preset {
  if (!PRESETS.includes(preset as Preset))
    throw new RangeError(`"${name}" expected one of ${PRESETS.join(", ")}, got ${shown(preset)}`);
}

function isFileList(value: unknown): boolean {
  return Array.isArray(value) && value.every((file: unknown) => isRecord(file) && typeof file["path"] === "string");
}
