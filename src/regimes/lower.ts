// lowerPrecision(): the same function with fewer bits per weight and more layers. Source: design note A6.
import { BitbasisError, checkPace, shown } from "../core/index.ts";
import type { Recoding } from "./digits.ts";
import { dyadic, negate, ONE, shift } from "./dyadic.ts";
import { lowerLayer, provesEqual } from "./lower-layer.ts";
import { checkNetwork, type DyadicNetwork, type Layer, magnitude, type NetworkSize, networkSize } from "./network.ts";

/** How the digits of `lowerPrecision` are made. */
export interface LowerOptions {
  /** Weights of the result are at most 2^magnitude; default 0, that is |w| ≤ 1. */
  magnitude?: number;
  /** Digits of the weights; `signed` has fewer non-zeros when bits = 1. Default `magnitude`. */
  recoding?: Recoding;
  /** The inputs are known never to be negative, so that they need no split into two halves. Default false. */
  nonNegativeInputs?: boolean;
  /** Moves powers of two from layer to layer first, so that all but the last layer have |w| ≤ 1. Default true. */
  rescale?: boolean;
}

/** What became of one layer of the original. */
export interface LoweredLayerReport {
  /** Layers that it takes now. */
  readonly layers: number;
  /** Digits per weight. */
  readonly digits: number;
  /** Layers among them that only double, because weights above 1 remained. */
  readonly doublings: number;
  /** Its output was divided by 2^scale before, which a later layer undoes. */
  readonly scale: number;
}

/** The deeper network of fewer bits, and what it costs beside the original. */
export interface Lowered extends NetworkSize {
  /** Equal to the original for all real inputs. */
  readonly network: DyadicNetwork;
  /** What the given network costs. */
  readonly original: NetworkSize;
  /** One per layer of the original. */
  readonly layers: readonly LoweredLayerReport[];
  /** sparseMemory and denseMemory over the original's. */
  readonly ratio: {
    /** Memory without zero weights, over the original's. */
    readonly sparse: number;
    /** Memory with all weights, over the original's. */
    readonly dense: number;
  };
}

/**
 * Turns a network into a deeper one whose weights are multiples of 2^-bits in [-1, 1], equal for all real inputs. Each layer is proved
 * equal while it is made: its new layers are multiplied out and compared with the old one.
 *
 * Source: design note A6; "Three Quantization Regimes for ReLU Networks" (arXiv 2405.01952).
 *
 * @param bits fractional bits of the result, at least 1 and below the network's own; 1 gives {0, ±1/2, ±1}
 * @throws RangeError when the network already has no more fractional bits than that
 * @example
 * const { network, depth, ratio } = await lowerPrecision(original, 1);
 */
export async function lowerPrecision(
  network: DyadicNetwork,
  bits: number,
  options: LowerOptions = {},
): Promise<Lowered> {
  checkPace(options);
  const { magnitude: a = 0, recoding = "magnitude", nonNegativeInputs = false, rescale = true } = options;
  checkNetwork(network);
  if (!Number.isSafeInteger(bits) || bits < 1 || bits > 30)
    throw new RangeError(`"bits" expected an integer in 1..30, got ${shown(bits)}`);
  if (!Number.isSafeInteger(a) || a < 0)
    throw new RangeError(`"magnitude" expected an integer of at least 0, got ${shown(a)}`);
  if (recoding !== "magnitude" && recoding !== "signed")
    throw new RangeError(`"recoding" expected magnitude or signed, got ${JSON.stringify(recoding)}`);
  const original = networkSize(network);
  if (bits >= original.b)
    throw new RangeError(`"bits" expected less than the network's ${original.b} fractional bits, got ${bits}`);

  const { layers, scales } = rescale
    ? rescaled(network)
    : { layers: network.layers, scales: network.layers.map(() => 0) };
  const made: Layer[] = [];
  const reports: LoweredLayerReport[] = [];
  let inputs = network.inputs;
  let first = layers[0]!;
  if (!nonNegativeInputs) {
    made.push(halves(inputs));
    first = onHalves(first, inputs);
    inputs *= 2;
  }
  for (const [l, layer] of [first, ...layers.slice(1)].entries()) {
    const lowered = lowerLayer(layer, inputs, { bits, magnitude: a, recoding });
    if (!provesEqual(layer, lowered.layers, inputs))
      throw new BitbasisError("INTERNAL", `layer ${l} was not lowered exactly`);
    made.push(...lowered.layers);
    reports.push({
      layers: lowered.layers.length,
      digits: lowered.digits,
      doublings: lowered.doublings,
      scale: scales[l]!,
    });
    inputs = layer.length;
    await Promise.resolve();
  }
  const result = { inputs: network.inputs, layers: made };
  const size = networkSize(result);
  const ratio = { sparse: size.sparseMemory / original.sparseMemory, dense: size.denseMemory / original.denseMemory };
  return { network: result, ...size, original, layers: reports, ratio };
}

/** x → (ReLU(x), ReLU(−x)). */
function halves(inputs: number): Layer {
  const row = (j: number, weight: typeof ONE) => ({ bias: dyadic(0n), indices: [j], weights: [weight] });
  const all = Array.from({ length: inputs }, (_, j) => j);
  return [...all.map((j) => row(j, ONE)), ...all.map((j) => row(j, negate(ONE)))];
}

function onHalves(layer: Layer, inputs: number): Layer {
  return layer.map(({ bias, indices, weights }) => ({
    bias,
    indices: [...indices, ...indices.map((j) => j + inputs)],
    weights: [...weights, ...weights.map(negate)],
  }));
}

/**
 * ReLU commutes with positive factors: layer l is divided by 2^scale and the next one multiplied, so that weights and biases of every
 * layer but the last are at most 1. The powers of two meet in the last layer, which is usually the narrowest.
 */
function rescaled(network: DyadicNetwork): { layers: readonly Layer[]; scales: number[] } {
  const scales: number[] = [];
  let before = 0;
  const layers = network.layers.map((layer, l) => {
    let scale = 0;
    if (l < network.layers.length - 1) {
      for (const { bias, weights } of layer) {
        scale = Math.max(scale, magnitude(bias));
        for (const weight of weights) scale = Math.max(scale, magnitude(weight) + before);
      }
    }
    const power = before - scale;
    const next = layer.map(({ bias, indices, weights }) => ({
      bias: shift(bias, -scale),
      indices,
      weights: weights.map((weight) => shift(weight, power)),
    }));
    scales.push(scale);
    before = scale;
    return next;
  });
  return { layers, scales };
}
