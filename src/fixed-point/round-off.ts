import { checkHolds, checkList, checkOptions, wrongKind } from "../core/index.ts";
import { type Activation, activationOfReal, activationTable } from "./activations.ts";
import { checkFormat, clamp, maximum, roundAway } from "./arithmetic.ts";
import { createNetwork, evaluate, type FixedNetwork } from "./network.ts";
import { separation } from "./separation.ts";

/** A trained network in real numbers: y = W·a(… a(W₁·x + b₁) …) + b. */
export interface RealNetwork {
  readonly activation: Activation;
  readonly layers: readonly {
    readonly inputs: number;
    readonly outputs: number;
    /** outputs × inputs, row-major. */
    readonly weights: ArrayLike<number>;
    readonly biases: ArrayLike<number>;
  }[];
}

/** How one format fares, and what the theory says about it beforehand. */
export interface RoundOffPoint {
  /** Bits of a number without its sign: |k| ≤ M = 2^p − 1. */
  readonly p: number;
  /** Scale: numbers are multiples of 1/s. */
  readonly s: number;
  /** Share of samples whose largest output is the one that was wanted; only where labels are given. */
  readonly accuracy?: number;
  /** Share of samples whose largest output is that of the real network. */
  readonly agreement: number;
  /** Root of the mean squared difference of outputs, in real units. */
  readonly error: number;
  /** Share of weights that saturate at M/s, and share that round to 0 though they are not. */
  readonly saturated: number;
  /** Share of weights that are not 0 and round to 0, 0…1. */
  readonly lostWeights: number;
  /** Inputs that only the rounding of inputs to 1/s makes equal, as a share of samples. */
  readonly equalInputs: number;
  /** Hidden neurons with one value over all samples. */
  readonly dead: number;
  /** Hidden neurons in all layers together. */
  readonly hidden: number;
  /** The threshold s ≤ 2M: beyond it no neuron of one input tells 0 from 1/s. */
  readonly belowThreshold: boolean;
  /** Activations of this format tell inputs apart, and how many different values they have. */
  readonly separates: boolean;
  /** Different entries of the activation's table. */
  readonly activationValues: number;
}

/** What `roundOff` measured. */
export interface RoundOff {
  /** Accuracy of the real network, where labels are given. */
  readonly accuracy?: number;
  /** One per format, in the order given. */
  readonly points: readonly RoundOffPoint[];
}

/**
 * Rounds a trained network to Q_{p,s} (weights and inputs saturated to ±M/s, biases free) for several formats, runs it in exact fixed-point arithmetic
 * with one rounding per neuron, and measures what that costs, beside what the theory says of the format.
 *
 * @param samples inputs in real units, each of the network's input width
 * @param options `formats`: pairs [p, s]; `labels`: wanted index of the largest output per sample
 * @throws TypeError, RangeError for no samples, labels of another number, and formats outside their ranges
 * @example
 * const { points } = roundOff(network, samples, { formats: [[4, 2], [6, 8]], labels });
 */
export function roundOff(
  network: RealNetwork,
  samples: readonly ArrayLike<number>[],
  options: { formats: readonly (readonly [number, number])[]; labels?: ArrayLike<number> },
): RoundOff {
  checkHolds("network", "a network of real weights", network, "layers");
  checkList("samples", samples);
  checkHolds("options", "an object", options, "formats");
  const { formats, labels } = options;
  for (const [l, layer] of network.layers.entries()) {
    checkOptions(layer, `network.layers[${l}]`);
    const { inputs, outputs, weights, biases } = layer;
    if (!(weights?.length === inputs * outputs && biases?.length === outputs))
      throw wrongKind(`network.layers[${l}]`, "a weight per input and output and a bias per output", layer);
  }
  for (const [i, x] of samples.entries())
    if (typeof x !== "object" || x === null) throw wrongKind(`samples[${i}]`, "numbers", x);
  for (const [i, format] of formats.entries()) checkList(`options.formats[${i}]`, format);
  if (samples.length === 0) throw new RangeError('"samples" expected at least one input, got none');
  if (labels !== undefined && labels.length !== samples.length) {
    throw new RangeError(`"labels" expected ${samples.length} labels, got ${labels.length}`);
  }
  const real = samples.map((x) => forward(network, x));
  const share = (test: (i: number) => boolean): number =>
    samples.reduce((sum, _, i) => sum + (test(i) ? 1 : 0), 0) / samples.length;
  const accuracyOf = (outputs: readonly number[][]): { accuracy?: number } =>
    labels === undefined ? {} : { accuracy: share((i) => argmax(outputs[i]!) === labels[i]) };
  const points = formats.map(([p, s]): RoundOffPoint => {
    checkFormat(p, s);
    const m = maximum(p);
    const rounded = roundNetwork(network, p, s);
    const inputs = samples.map((x) => Array.from(x, (value) => clamp(roundAway(value * s), m)));
    const outputs = inputs.map((x) => evaluate(rounded, x).map((k) => k / s));
    const weights = network.layers.flatMap((layer) => Array.from(layer.weights));
    const portion = (test: (w: number) => boolean): number => weights.filter(test).length / weights.length;
    return {
      p,
      s,
      ...accuracyOf(outputs),
      agreement: share((i) => argmax(outputs[i]!) === argmax(real[i]!)),
      error: Math.sqrt(
        outputs.reduce((sum, y, i) => sum + y.reduce((own, v, o) => own + (v - real[i]![o]!) ** 2, 0), 0) /
          (outputs.length * outputs[0]!.length),
      ),
      saturated: portion((w) => Math.abs(roundAway(w * s)) > m),
      lostWeights: portion((w) => w !== 0 && roundAway(w * s) === 0),
      equalInputs: 1 - new Set(inputs.map(String)).size / new Set(samples.map((x) => Array.from(x).join())).size,
      ...countDead(rounded, inputs),
      belowThreshold: s <= 2 * m,
      separates: separation(rounded.table, p, s).separates,
      activationValues: new Set(rounded.table).size,
    };
  });
  return { ...accuracyOf(real), points };
}

/** The same network with weights and biases rounded to multiples of 1/s, weights saturated. */
export function roundNetwork({ activation, layers }: RealNetwork, p: number, s: number): FixedNetwork {
  const m = maximum(p);
  return createNetwork({
    p,
    s,
    activation: typeof activation === "string" ? activation : activationTable(activation, p, s),
    layers: layers.map(({ inputs, outputs, weights, biases }) => ({
      inputs,
      outputs,
      weights: Array.from(weights, (w) => clamp(roundAway(w * s), m)),
      biases: Array.from(biases, (b) => roundAway(b * s)),
    })),
  });
}

function forward({ activation, layers }: RealNetwork, x: ArrayLike<number>): number[] {
  const apply = activationOfReal(activation);
  let values = Array.from(x);
  layers.forEach(({ inputs, outputs, weights, biases }, l) => {
    values = Array.from({ length: outputs }, (_, o) => {
      let sum = biases[o]!;
      for (let i = 0; i < inputs; i++) sum += weights[o * inputs + i]! * values[i]!;
      return l + 1 < layers.length ? apply(sum) : sum;
    });
  });
  return values;
}

/** Hidden neurons whose activation is the same on all inputs. */
function countDead(network: FixedNetwork, inputs: readonly number[][]): { dead: number; hidden: number } {
  const m = maximum(network.p);
  let dead = 0;
  let hidden = 0;
  for (let l = 1; l < network.layers.length; l++) {
    const front = { ...network, layers: network.layers.slice(0, l) };
    const values = inputs.map((x) => evaluate(front, x).map((z) => network.table[z + m]!));
    const width = network.layers[l - 1]!.outputs;
    hidden += width;
    for (let i = 0; i < width; i++) if (values.every((list) => list[i] === values[0]![i])) dead++;
  }
  return { dead, hidden };
}

function argmax(values: readonly number[]): number {
  return values.indexOf(Math.max(...values));
}
