// What computes, away from the thread that draws. One table of questions; `client.ts` asks them by name.
import { equalitySensitivity } from "../src/entries/attention.ts";
import { activationNames, analyze, universalityMap } from "../src/entries/fixed-point.ts";
import { regime, regimeCurve } from "../src/entries/regimes.ts";
import { gaussianKeys } from "./explore/keys.ts";
import { open, quantized } from "./run/network.ts";

const questions = {
  /** Opens a network; the later questions are about it. */
  open,
  /** Quantizes the open network and lets it answer, term by term. */
  quantized,
  /** Names of activations. */
  activations: () => activationNames,
  /** Verdicts over all formats. */
  map: (activation: string, maxP: number, maxS: number) => universalityMap(activation, { maxP, maxS }),
  /** The verdict of one format with its reasons. */
  analyze: (activation: string, p: number, s: number) => analyze(activation, p, s),
  /** Where a network of this form stands, and the bounds over its bits. */
  regimes: (width: number, depth: number, a: number, b: number) => ({
    at: regime({ width, depth, a, b }),
    curve: regimeCurve(
      [1, ...new Array<number>(depth - 1).fill(width), 1],
      a,
      Array.from({ length: 33 }, (_, i) => i),
    ),
  }),
  /** What rounding keys does to attention over them. */
  attention: (keys: number, width: number, clusters: number, seed: number) =>
    equalitySensitivity(gaussianKeys(keys, width, clusters, seed), [keys, width]),
};

export type Questions = typeof questions;

/** What the page sends. */
export interface Question {
  readonly id: number;
  readonly name: keyof Questions;
  readonly values: readonly unknown[];
}

/** The question before: the next one is asked of the network that it left. */
let before: Promise<void> = Promise.resolve();

addEventListener("message", ({ data }: MessageEvent<Question>) => {
  before = before.then(() => answer(data));
});

async function answer({ id, name, values }: Question): Promise<void> {
  try {
    const answer = await (questions[name] as (...values: readonly unknown[]) => unknown)(...values);
    postMessage({ id, answer });
  } catch (error) {
    postMessage({ id, error: (error as Error).message });
  }
}
