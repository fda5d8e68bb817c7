import { checkOptions, checkSignal, isRecord, shown, wrongKind } from "../core/index.ts";
import type { ExternalData } from "../onnx/index.ts";
import { checkPlan, type Plan, PRESETS, type Preset } from "../series/index.ts";

export interface QuantizeOptions {
  /** Default "faithful", unless a plan is given. */
  readonly preset?: Preset;
  /** Overrides the preset, per layer; without a preset it says everything. */
  readonly plan?: Plan;
  readonly onProgress?: (p: { phase: string; loaded: number; total: number }) => void;
  /** Looked at between layers. */
  readonly signal?: AbortSignal;
}

export interface QuantizeFileOptions extends QuantizeOptions, MeasureOptions {
  /** ONNX external data by location, or as onnxruntime-web takes them. */
  readonly externalData?: ExternalData;
  /**
   * What a hostile file may cost, where the defaults are too much. `bytes`: most of the file with its external data, and of the WASM memory that it is
   * quantized in (BitbasisError MEMORY), default as much as there is. `macs`: what of the model is computed beforehand, default 2^33; beyond, its
   * constant expressions stay in the graph. Numbers ≥ 1, Infinity included.
   */
  readonly limits?: { readonly bytes?: number; readonly macs?: number };
}

/** How a preset's plan is measured. */
export interface MeasureOptions {
  /**
   * Default true: the network is run on procedural inputs, in float32 and with each layer quantized alone, and bits go where they are needed; the report says what came of
   * it. With false, or a plan without a preset, the plan follows from structure and weights alone, which is also what a session does unless it is asked.
   */
  readonly check?: boolean;
  /** Least and largest value of the inputs, for all or by name; default 0…1 for pictures, −0.5…0.5 for other floats. */
  readonly inputRange?: InputRange;
}

/** Least and largest value of inputs: one pair for all float inputs, or pairs by name. */
export type InputRange = readonly [number, number] | Readonly<Record<string, readonly [number, number]>>;

/** @throws TypeError or RangeError that names the option, what was expected and what was given */
export function checkQuantizeOptions(options: unknown): void {
  checkOptions(options);
  const { preset, plan, check, signal, onProgress, externalData } = options as Record<string, unknown>;
  if (preset !== undefined) checkPreset("preset", preset);
  if (plan !== undefined) checkPlan(plan);
  if (check !== undefined && typeof check !== "boolean") throw wrongKind("check", "a boolean", check);
  checkSignal(signal);
  if (onProgress !== undefined && typeof onProgress !== "function")
    throw wrongKind("onProgress", "a function", onProgress);
  if (externalData !== undefined && !isRecord(externalData) && !isFileList(externalData))
    throw wrongKind("externalData", "files by location, or a list of { path, data }", externalData);
}

export function checkPreset(name: string, preset: unknown): asserts preset is Preset {
  if (!PRESETS.includes(preset as Preset))
    throw new RangeError(`"${name}" expected one of ${PRESETS.join(", ")}, got ${shown(preset)}`);
}

function isFileList(value: unknown): boolean {
  return Array.isArray(value) && value.every((file: unknown) => isRecord(file) && typeof file["path"] === "string");
}
