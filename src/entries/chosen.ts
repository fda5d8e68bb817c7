/**
 * `bitbasis/chosen`: run a model, with chosen operators in the bundle. The others are chunks beside it, which load when a model names one of them.
 *
 * @example
 * import { basics, convolution, InferenceSession, normalization, pooling, products, use } from "bitbasis/chosen";
 * use(basics, convolution, pooling, products, normalization); // an image classifier
 * const session = await InferenceSession.create("model.safetensors");
 *
 * @module
 */
export { BitbasisError } from "../core/index.ts";
export type { Chunk } from "../program/operators/chunk.ts";
export { use } from "../program/operators/chunks.ts";
export * from "../program/operators/families.ts";
export type { LayerPlan, Plan, Preset } from "../series/index.ts";
export type { RunOptions, SessionOptions, StepTiming, ValueMetadata } from "../session/options.ts";
export { InferenceSession } from "../session/session.ts";
export type { Source } from "../session/source.ts";
export { SessionState, type StateOptions } from "../session/state.ts";
export type { WasmSource } from "../session/wasm.ts";
export { type ElementType, Tensor, type TensorLike } from "../tensor/index.ts";
