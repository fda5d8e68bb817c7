/** Anything that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A Vega-Lite specification as plain JSON with its data inside (`data: { values: [...] }`), so that no type of vega-lite leaks out. */
export type VegaLiteSpec = { readonly [key: string]: Json };

/** What `run` may be given. An experiment that has no use for a field ignores it. */
export interface ExperimentOptions {
  /** Seed of every random choice; the same seed gives the same result. Each experiment has its own default. */
  seed?: number;
  /** Rejects with the signal's reason at the next opportunity. */
  signal?: AbortSignal;
  onProgress?: (progress: { phase: string; loaded: number; total: number }) => void;
}

export interface ExperimentResult {
  /** The figures; the same options give the same JSON on every machine, timings excepted. */
  data: Json;
  /** Charts of the figures, drawn below one another. */
  chart?: VegaLiteSpec[];
}

/** One published experiment, reproduced; `bitbasis experiment NAME` runs it. */
export interface Experiment {
  /** Unique, lower case with hyphens, for example `fixed-point-indicator`. */
  name: string;
  /** One sentence: what is measured, on what. */
  summary: string;
  run(options?: ExperimentOptions): Promise<ExperimentResult>;
}
