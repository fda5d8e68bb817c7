import type { Tensor } from "../tensor/index.ts";

/** Anything that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A Vega-Lite specification as plain JSON with its data inside (`data: { values: [...] }`), so that no type of vega-lite leaks out. */
export type VegaLiteSpec = { readonly [key: string]: Json };

/** A network to study instead of the one that an experiment generates. */
export interface StudyNetwork {
  readonly name: string;
  readonly onnx: Uint8Array;
  /** Feeds of its runs. */
  readonly inputs: readonly Readonly<Record<string, Tensor>>[];
  /** The right class of each vector along the last axis of the first output, over all runs. */
  readonly labels?: readonly number[];
}

/** What `run` may be given. An experiment that has no use for a field ignores it. */
export interface ExperimentOptions {
  /** Seed of every random choice; the same seed gives the same result. Each experiment has its own default. */
  seed?: number;
  /** Rejects with the signal's reason at the next opportunity. */
  signal?: AbortSignal;
  network?: StudyNetwork;
  onProgress?: (progress: { phase: string; loaded: number; total: number }) => void;
}

/**
 * What became of a claim: `confirmed` as it stands; `corrected`: true with the change that `found` states; `refuted`; `open`: this run does not decide it
 * (a figure that is reported because nobody predicted it, or data that are missing).
 */
export type Verdict = "confirmed" | "corrected" | "refuted" | "open";

/** One line of an experiment's answer: a claim, what it predicts, what was found. `bitbasis experiment NAME` prints these as a table. */
export interface Finding {
  /** The claim in a few words. */
  claim: string;
  /** What the claim predicts, with its figures. */
  expected: string;
  /** What this run found, with its figures, computed from `data`. */
  found: string;
  verdict: Verdict;
}

/** A finding whose verdict is whether what was found is what was expected. */
export function finding(claim: string, expected: string, found: string, holds: boolean): Finding {
  return { claim, expected, found, verdict: holds ? "confirmed" : "refuted" };
}

/** Figures for a terminal. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

export interface ExperimentResult {
  /** The figures; the same options give the same JSON on every machine, timings excepted. */
  data: Json;
  /** What they say, one claim each; at least one. */
  findings: readonly Finding[];
  /** The figures for a terminal, below the findings. */
  tables?: readonly Table[];
  /** Charts of the figures, drawn below one another. */
  chart?: VegaLiteSpec[];
}

/** One published experiment, reproduced; `bitbasis experiment NAME` runs it. */
export interface Experiment {
  /** Unique, lower case with hyphens, for example `fixed-point-indicator`. */
  name: string;
  /** One sentence: what is measured, on what. */
  summary: string;
  /** Whether it studies the network of `options.network`, where there is one; the others have no use for it. */
  studies?: true;
  run(options?: ExperimentOptions): Promise<ExperimentResult>;
}
