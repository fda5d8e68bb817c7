import type { Json } from "../experiments/experiment.ts";

/** What one number of a sweep came to. */
export interface Outcome {
  /** Whether what was checked holds. */
  readonly ok: boolean;
  /** What was computed. */
  readonly [key: string]: Json;
}

/** A check or an experiment for every number of a range, each on its own: in any order, on any machine, with the same outcome. */
export interface Sweep {
  readonly name: string;
  readonly summary: string;
  /** How many numbers there are, from 0; a sweep that draws its cases from seeds has this many unless more are asked for. */
  readonly size: number;
  /** Whether there are more than `size` numbers. */
  readonly endless: boolean;
  /** Numbers that make a job of some seconds. */
  readonly chunk: number;
  one(index: number, signal: AbortSignal): Promise<Outcome>;
}
