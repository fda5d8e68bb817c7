/**
 * `bitbasis`: run a model.
 *
 * @module
 */
import "../program/operators/begin.ts";

export { BitbasisError } from "../core/index.ts";
export type { LayerPlan, Plan, Preset } from "../series/index.ts";
export type { RunOptions, SessionOptions, StepTiming, ValueMetadata } from "../session/options.ts";
export { InferenceSession } from "../session/session.ts";
export type { Source } from "../session/source.ts";
export { SessionState, type StateOptions } from "../session/state.ts";
export type { WasmSource } from "../session/wasm.ts";
export { type ElementType, Tensor, type TensorLike } from "../tensor/index.ts";
