import { BitbasisError, checkPace, Turns } from "../core/index.ts";
import { type Activation, activationTable } from "./activations.ts";
import { type Analysis, analyze } from "./analyze.ts";
import { maximum } from "./arithmetic.ts";
import { type FixedNetwork, networkSize } from "./network.ts";
import { affineLayer } from "./synthesis/affine.ts";
import { binaryCandidates, type Candidate, fullCandidates } from "./synthesis/candidates.ts";
import { impossibility } from "./synthesis/impossible.ts";
import { binaryCopies, build, countParameters, fullCopies, makeFormat, type Sketch } from "./synthesis/sketch.ts";
import type { Steps } from "./synthesis/steps.ts";
import { checkTarget, fillTargets, inputCount, type Target } from "./targets.ts";
import { type VerifyOptions, verify } from "./verify.ts";

/** The format, the activation and the inputs of the network to build. */
export interface SynthesizeOptions extends VerifyOptions {
  /** Inputs. */
  d: number;
  /** A name, a table of 2^(p + 1) − 1 integers in units of 1/s, or a function. */
  activation: Activation;
  /** Bits of a number without its sign: |k| ≤ M = 2^p − 1. */
  p: number;
  /** Scale: numbers are multiples of 1/s. */
  s: number;
  /** `full`: weights in −M … M (default). `binary`: all weights ±1, biases free. */
  weights?: "full" | "binary";
}

/** A network that computes the wanted table, checked on every input. */
export interface Synthesized {
  /** Exactly the wanted function. */
  readonly network: FixedNetwork;
  /** Which construction was the smallest. */
  readonly construction: string;
  /** Weights and biases, zeros included, and those that are not 0. */
  readonly parameters: number;
  /** Weights and biases that are not 0. */
  readonly nonZero: number;
  /** Affine layers, neurons of the widest, neurons of all. */
  readonly depth: number;
  /** Neurons of the widest layer. */
  readonly width: number;
  /** Neurons of every affine layer, from the first to the output. */
  readonly widths: readonly number[];
  /** Parameters, zeros included, of the published construction: one box indicator per input, one copy each (ReLU, s = 1). */
  readonly naive: number;
  /**
   * The least number of weights and biases with which one architecture, of neurons of no more inputs than the widest here, computes every table: counting. A bias
   * carries more than a weight, so that it is below the number of entries.
   */
  readonly informationBound: number;
  /** Every construction that was tried, with its parameters. */
  readonly tried: readonly {
    /** Its name. */
    readonly construction: string;
    /** Weights and biases that it takes, zeros included. */
    readonly parameters: number;
  }[];
  /** Always true: the network was evaluated on every input before it was returned. */
  readonly verified: true;
}

/** No network can compute the table. */
export interface Impossible {
  /** There is none. */
  readonly network: undefined;
  /** Why, in one sentence, with the values or inputs that prove it. */
  readonly reason: string;
  /** Two inputs on which every network agrees and the table does not, where that is why. */
  readonly unseparated?: readonly [readonly number[], readonly number[]];
  /** What networks of this format can compute. */
  readonly analysis: Analysis;
  /** Always false: there is nothing to evaluate. */
  readonly verified: false;
}

/** A network, or why there is none; `network` tells which. */
export type Synthesis = Synthesized | Impossible;

/**
 * Builds the smallest network that it knows for a function Q^d → Q, exactly, and proves it by evaluating every input.
 *
 * @param f the table, or a function of d integers, in units of 1/s (see `Target`)
 * @returns the network with its size; or, where no network exists, why
 * @throws TypeError, RangeError for bad formats and tables; BitbasisError `UNSUPPORTED` where a network may exist but no construction gives it
 * @example
 * const { network, parameters } = await synthesize((x) => Math.abs(x), { d: 1, activation: "relu", p: 4, s: 1 });
 */
export async function synthesize(f: Target, options: SynthesizeOptions): Promise<Synthesis> {
  checkPace(options);
  const { d, activation, p, s, weights = "full" } = options;
  if (weights !== "full" && weights !== "binary") {
    throw new RangeError(`"weights" expected "full" or "binary", got ${JSON.stringify(weights)}`);
  }
  const table = activationTable(activation, p, s);
  const total = inputCount(p, d);
  checkTarget(f, p, d, 1);
  const wanted = new Int32Array(total);
  const turns = new Turns(options.signal);
  for (let first = 0; first < total; first += BLOCK) {
    const count = Math.min(BLOCK, total - first);
    fillTargets(f, wanted.subarray(first, first + count), { p, d, outputs: 1, first, count });
    await turns.next();
  }
  const format = makeFormat(p, s, typeof activation === "string" ? activation : Array.from(table), table);
  const binary = weights === "binary";
  const analysis = await analyze(activation, p, s);
  const affine = await turns.run(affineLayer(wanted, d, format, binary));
  const obstacle =
    affine === undefined ? await turns.run(impossibility(wanted, d, format, analysis, binary)) : undefined;
  if (obstacle !== undefined) return { network: undefined, ...obstacle, analysis, verified: false };
  const { candidate, copies, tried } = await smallest(
    (least) =>
      affine !== undefined
        ? [affine]
        : binary
          ? binaryCandidates(wanted, d, format, least)
          : fullCandidates(wanted, d, format, least),
    (sketch) => (binary ? binaryCopies(sketch, s) : fullCopies(sketch, maximum(p))),
    turns,
  );
  if (candidate === undefined || copies === undefined) {
    throw new BitbasisError("UNSUPPORTED", `no construction gives this table with these weights: ${analysis.reason}`);
  }
  const network = await turns.run(build(candidate.sketch, format, copies, binary));
  const { ok, counterexample } = await verify(network, wanted, options);
  if (!ok) {
    throw new BitbasisError("INTERNAL", `${candidate.construction} is wrong at (${counterexample?.input.join(", ")})`);
  }
  return {
    network,
    construction: candidate.construction,
    ...networkSize(network),
    naive: 2 * d * total * (d + 1) + total * (2 * d * total + 1) + total + 1,
    informationBound: informationBound(total, network, binary),
    tried,
    verified: true,
  };
}

/** Entries of a table that are looked at between two looks at the event loop. */
const BLOCK = 1 << 12;

/**
 * Q has n = |Q|^d inputs and |Q|^n tables. A weight takes |Q| values (2 when binary), a bias of a neuron of m inputs 2(M + ⌈m·W·M/s⌉) + 1, W the largest weight:
 * beyond them the neuron is constant. So n·log|Q| ≤ parameters · log of the larger of the two.
 */
function informationBound(entries: number, { p, s, layers }: FixedNetwork, binary: boolean): number {
  const m = maximum(p);
  const widest = Math.max(...layers.map(({ inputs }) => inputs));
  const biases = 2 * (m + Math.ceil((widest * (binary ? s : m) * m) / s)) + 1;
  return Math.ceil((entries * Math.log2(2 * m + 1)) / Math.log2(biases));
}

async function smallest(
  candidatesBelow: (least: () => number) => Iterable<Candidate | undefined>,
  copiesOf: (sketch: Sketch) => Steps<number[][] | undefined>,
  turns: Turns,
) {
  const tried: { construction: string; parameters: number }[] = [];
  let best: Candidate | undefined;
  let bestCopies: number[][] | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidatesBelow(() => least)) {
    await turns.next();
    if (candidate === undefined) continue;
    const copies = await turns.run(copiesOf(candidate.sketch));
    if (copies === undefined) continue;
    const parameters = countParameters(candidate.sketch, copies);
    tried.push({ construction: candidate.construction, parameters });
    if (parameters < least) [best, bestCopies, least] = [candidate, copies, parameters];
  }
  return { candidate: best, copies: bestCopies, tried };
}
