import type { Part } from "./partition.ts";

/** What a worker is told first. */
export interface ShardSetup {
  readonly module: WebAssembly.Module;
}

/** A layer's sums, as far as a worker has its weights. */
export interface ShardJob {
  readonly layer: number;
  readonly part: Omit<Part, "terms">;
  /** i16, with the first job of the layer and whenever terms have arrived. */
  readonly weights?: Int16Array;
  readonly taps: number;
  /** Of the ConvStep; addresses are those of another memory. */
  readonly words: Int32Array;
  readonly input: Uint8Array;
  readonly parameters: Uint8Array;
  /** Output pixels of all samples. */
  readonly pixels: number;
  readonly wide: boolean;
  /** Where the sums go, where memory is shared. */
  readonly reply?: Uint8Array;
}

export interface ShardAnswer {
  /** i32, or i64 where `wide`, [pixels][rows]. */
  readonly sums: Uint8Array;
  /** Bytes of the worker's memory, and of what it holds of layers in it. */
  readonly memory: number;
  readonly weights: number;
}
