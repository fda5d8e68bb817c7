import type { Plan, Preset } from "../series/index.ts";
import type { WasmSource } from "./wasm.ts";

export interface SessionOptions {
  /** For an `.onnx` source; default "faithful". */
  readonly preset?: Preset;
  /** Overrides the preset, per layer. */
  readonly plan?: Plan;
  /** Weight terms to use at most, ≥ 1. */
  readonly terms?: number;
  /** Default 1. */
  readonly numThreads?: number;
  readonly build?: "auto" | "scalar" | "simd" | "relaxed";
  /** Replaces the inlined build. */
  readonly wasm?: WasmSource | Promise<WasmSource>;
  /** ONNX external data by location. */
  readonly externalData?: Record<string, Uint8Array>;
  /** Resolve as soon as the first terms are in; `refine` takes the others. */
  readonly progressive?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (p: { phase: string; loaded: number; total: number }) => void;
}

export interface RunOptions {
  /** Looked at between slices of a few milliseconds. */
  readonly signal?: AbortSignal;
}

export interface ValueMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type: string;
  /** Numbers, and names of dimensions that are free. */
  readonly shape: readonly (number | string)[];
}

export interface StepTiming {
  readonly step: number;
  readonly op: string;
  readonly node: string;
  readonly kernel: string;
  readonly milliseconds: number;
  readonly macs: number;
  readonly bytes: number;
}
