import { checkList, checkOptions, shown } from "../core/index.ts";
import { cutWidth } from "./digits.ts";
import { type LayerPlan, type Plan, PRESETS, type Preset } from "./plan.ts";
import { isSlowOnIntegers, type LayerShape, UNROUNDED } from "./speed.ts";

/** A linear layer as planning sees it. */
export interface LinearLayer {
  /** Name of the node. */
  readonly node: string;
  /**
   * `first`: the first layer with weights; `depthwise`: a convolution with one input channel per group; `product`: a product of two
   * activations, without weights; `separable`: another convolution beside a depthwise one; `other`: everything else.
   */
  readonly kind: "first" | "depthwise" | "separable" | "product" | "other";
  /** Its part of the weights of all linear layers, 0…1: what bits cost. Absent counts as 1. */
  readonly share?: number;
  /** Whether no linear layer reads what it gives, as with a classifier. */
  readonly last?: boolean;
  /** Whether a logarithm, a root or a division takes what it gives, with nothing bounded in between: a front end of audio. */
  readonly frontEnd?: boolean;
  /** Whether its inputs come from an RMS norm, which leaves no mean: rounding errors that add up to nothing are of no use then. */
  readonly centred?: boolean;
  /** Whether its network hands a recurrent state from run to run, with which errors come back. */
  readonly streaming?: boolean;
  /** Bits of the grid that its weights lie on already, if they do: with so many they are exact. */
  readonly grid?: number;
  /** Absent: integers count as the faster ones. */
  readonly shape?: LayerShape;
}

/** Below this part of the network's weights a layer gets one bit more under `faithful`, where the errors of all layers count alike and such bits cost little. */
export const MODEST_SHARE = 0.04;

/** Below this part of the network's weights a layer gets eight bits under `compact`: all such layers together cost little and do much. */
export const SMALL_SHARE = 0.01;

/** What layers with such bits have of the weights together, at most: in a deep network every layer is small. The smallest get them. */
export const SMALL_SHARES = 0.1;

/**
 * Bits of tables that rows are looked up in; use_lite's at 12, 8 and 6 bits: cosine of its embeddings 1, 0.99995, 0.9992. Under `faithful` 13: what is looked up is not averaged over, so that at 12
 * tables erred more than all layers together (largest error of bert_toy 3.9e-4, at 13 1.8e-4; of five made encoders and decoders 0.5 to 0.8 of that at 12, for 1 to 3 % more bytes; 14 gains little more).
 */
const TABLES: Readonly<Record<Preset, number>> = { float32: 0, faithful: 13, fast: 8, compact: 6 };

/** X: bits of one term in the presets. */
const DIGIT = 4;

/** The plan of a layer that stays in float32. */
export const FLOAT: LayerPlan = { bits: DIGIT, weightTerms: 0, activationTerms: 0 };

/**
 * The plan of a layer with weights of `weights` bits, rounded as well as weights alone allow, and activations of `activations` bits. Weights of 0 or 32 bits
 * are float32, and so are activations of 0: such a layer keeps its small weights and multiplies in float32.
 *
 * @param centred - rounds to nearest, see `LinearLayer`
 */
export function widthPlan(weights: number, activations: number, centred = false): LayerPlan {
  if (weights === 0 || weights > 16) return FLOAT;
  const weightTerms = cutWidth(weights, DIGIT).terms;
  const { terms: activationTerms } = cutWidth(activations, DIGIT);
  return {
    ...{ bits: DIGIT, weightTerms, activationTerms, weightBits: weights },
    ...(activations === DIGIT * activationTerms ? {} : { activationBits: activations }),
    ...(centred ? {} : { rounding: "squant" as const }),
    zeroPoint: true,
  };
}

/** The plan of a product of two activations of so many bits. */
export function productPlan(activations: number): LayerPlan {
  const { terms } = cutWidth(activations, DIGIT);
  const odd = activations === DIGIT * terms ? {} : { activationBits: activations };
  return { bits: DIGIT, weightTerms: terms, activationTerms: terms, ...odd };
}

/**
 * Bits of activations that cost neither bytes nor time. Beside weights of eight bits, since kernels for fewer are those of seven bits of weights, and int8 by int16 takes as long with twelve: mobilenet_v2, whose weights
 * lie on a grid of eight bits, KL 1.1e-3 with eight, 2.0e-6 with twelve, in 0.98 of the time. And in depthwise layers, which have few products: from these bits on a range that the graph tells is
 * taken, so that what comes before such a layer writes its integers, and no float32 tensor is between the two.
 */
const FREE = 12;

/** Bits of the activations of a layer for which `activations` were asked, beside weights of so many: those, or more where more are free. */
export function besideWeights(kind: LinearLayer["kind"], weights: number, activations: number): number {
  const free = kind === "depthwise" || weights > 7;
  return free && activations > 0 ? Math.max(activations, FREE) : activations;
}

/** The reason of depthwise weights that stay as they are. */
const DEPTHWISE = "float32: depthwise, few weights whose errors count most";

const STREAMING = "hands its state on";

const BESIDE_DEPTHWISE = "in a network with depthwise layers";

/** Bits of weights and activations, and what they are due to. */
type Width = readonly [weights: number, activations: number, why?: string];

/**
 * Bits by place in the network. Measured with the engine on real inputs, largest error relative to the largest output for `faithful`, else KL divergence
 * of the answers, of twelve kinds of network; the alternatives were the uniform widths around:
 *
 * - `faithful`: 12 bits are not enough on many samples: resnet20 2.0e-3 on 500 pictures, 1.25e-3 at 13, 7.4e-4 with 14 for modest layers, which was chosen on other pictures than are reported;
 *   Silero on 200 frames of its own state, three releases of it, 1.8e-3, 1.9e-3 and 2.4e-3 at 13 and 14, which is why such networks have 16: 2.4e-4 … 9.1e-4. Networks with depthwise layers, which are detectors for the most part, need
 *   weights of 16: YuNet 3.1e-3 at 14 bits, 4.2e-4 at 16. Depthwise weights themselves are few and err most: in float32 they cost PP-OCR's detector 3.7 % more bytes, for an
 *   error of 2.6e-3 instead of 3.7e-3 on a page and 1.8e-3 instead of 7.6e-3 on photographs. Activations are rounded only where integers are faster, which products of activations, rounded
 *   anew at each run, are not: stories260k 9.6e-4 → 7.9e-4, fmnist_vit from 0.88 to 1.04 times float32's speed.
 * - `fast`: the spare bit belongs to the activations: 7 × 8 bits are better than 8 × 7 by a factor of 2 … 5 on every network, and as good as 8 × 8 of the
 *   nearest symmetric steps. First and depthwise layers at 8 × 12 halve what detectors lose.
 * - `compact`: weights at four bits where no layer is depthwise, resnet20 KL 0.039 at 4.3 bits; at five bits beside them, with eight for what is depthwise,
 *   separable or last.
 * - Where a state is handed on, errors come back with it: three releases of Silero on 120 frames of tones at three levels were off by up to .23, .094 and .26 of a probability at 7 × 8 bits, by
 *   .27, .0013 and .019 at 8 × 12, by .088, 7.3e-4 and .0069 at 10 × 12.
 *
 * Where both come to eight bits, activations get twelve: see `FREE`.
 */
function widthOf(preset: Preset, layer: LinearLayer, depthwise: boolean, small: boolean): Width {
  const { kind, last = false, share = 1 } = layer;
  const first = kind === "first";
  if (preset === "faithful") {
    if (kind === "product") return [0, 0];
    if (kind === "depthwise") return layer.grid === undefined ? [32, 0, DEPTHWISE] : [16, 0, `depthwise: ${UNROUNDED}`];
    if (first) return faithfulWidth(layer, 16, "first layer");
    if (last) return faithfulWidth(layer, 16, "last layer");
    if (depthwise) return faithfulWidth(layer, 16, BESIDE_DEPTHWISE);
    if (layer.streaming) return faithfulWidth(layer, 16, STREAMING);
    return share < MODEST_SHARE
      ? faithfulWidth(layer, 14, `only ${(100 * share).toFixed(2)} % of the weights`)
      : faithfulWidth(layer, 13, undefined);
  }
  if (preset === "fast") {
    if (first) return [8, 8, "first layer"];
    if (kind === "depthwise") return [8, 8, "depthwise"];
    return layer.streaming ? [10, 12, STREAMING] : [7, 8];
  }
  if (first) return [8, 8, "first layer"];
  if (kind === "depthwise") return [8, 8, "depthwise"];
  if (depthwise) {
    if (kind === "separable") return [8, 8, "beside a depthwise convolution"];
    return last ? [8, 8, "last layer"] : [5, 8, BESIDE_DEPTHWISE];
  }
  if (layer.streaming) return [8, 8, STREAMING];
  if (small) return [8, 8, `only ${(100 * share).toFixed(2)} % of the weights`];
  return last ? [7, 8, "last layer"] : [4, 8];
}

/** Weights of so many bits, or of those of their grid, and activations that are rounded only where integers are not the slower ones. */
function faithfulWidth({ grid, shape }: LinearLayer, weights: number, why: string | undefined): Width {
  if (shape === undefined || !isSlowOnIntegers(shape, grid ?? weights)) return [weights, 16, why];
  return [weights, 0, [why, UNROUNDED].filter(Boolean).join("; ")];
}

/** What every layer of a preset has unless a rule says otherwise. */
export function presetDefault(preset: Preset): LayerPlan {
  if (!PRESETS.includes(preset)) {
    throw new RangeError(`"preset" expected one of ${PRESETS.join(", ")}, got ${shown(preset)}`);
  }
  if (preset === "float32") return FLOAT;
  const [weights, activations] = widthOf(preset, { node: "", kind: "other" }, false, false);
  return widthPlan(weights, activations);
}

/**
 * The plan of a preset for the layers of a network, from its structure and its weights alone, with a reason wherever it deviates from the default.
 *
 * @throws RangeError for an unknown preset
 */
export function planFor(preset: Preset, layers: readonly LinearLayer[]): Plan {
  checkList("layers", layers);
  for (const [i, layer] of layers.entries()) checkOptions(layer, `layers[${i}]`);
  const base = presetDefault(preset);
  if (preset === "float32") return { version: 1, default: base };
  const entries: Record<string, LayerPlan & { reason: string }> = {};
  const depthwise = layers.some(({ kind }) => kind === "depthwise");
  const small = smallLayers(layers);
  for (const layer of layers) {
    const { plan, reason } = layerPlan(preset, layer, depthwise, small.has(layer));
    if (!samePlan(plan, base)) define(entries, layer.node, { ...plan, reason });
  }
  const some = Object.keys(entries).length > 0 ? { layers: entries } : {};
  return { version: 2, default: base, tables: TABLES[preset], ...some };
}

/** The smallest layers, which are few weights even together. */
function smallLayers(layers: readonly LinearLayer[]): ReadonlySet<LinearLayer> {
  const share = ({ share = 1 }: LinearLayer): number => share;
  const ascending = layers.filter((layer) => share(layer) < SMALL_SHARE).sort((a, b) => share(a) - share(b));
  let together = 0;
  const few = ascending.findIndex((layer) => {
    together += share(layer);
    return together > SMALL_SHARES;
  });
  return new Set(few < 0 ? ascending : ascending.slice(0, few));
}

function layerPlan(
  preset: Preset,
  layer: LinearLayer,
  depthwise: boolean,
  small: boolean,
): { plan: LayerPlan; reason: string } {
  const { kind, frontEnd, centred, grid } = layer;
  if (frontEnd) return { plan: FLOAT, reason: "float32: a logarithm, root or quotient of it is taken" };
  const [asked, activations, why] = widthOf(preset, layer, depthwise, small);
  if (kind === "product") {
    if (asked === 0) return { plan: FLOAT, reason: "float32: a product of two activations, integers are slower" };
    return { plan: productPlan(activations), reason: "a product of two activations" };
  }
  const kept = grid !== undefined && (grid <= asked || asked >= 7);
  const weights = kept ? grid : asked;
  const plan = widthPlan(weights, besideWeights(kind, weights, activations), centred);
  const reasons = [
    why,
    kept ? `the weights lie on a grid of ${grid} bits` : undefined,
    centred ? "behind an RMS norm" : undefined,
  ];
  return { plan, reason: reasons.filter((reason) => reason !== undefined).join("; ") };
}

/** Whether two plans are the same, whatever the order of their fields. */
export function samePlan(a: LayerPlan, b: LayerPlan): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof LayerPlan>;
  return [...keys].every((key) => JSON.stringify(a[key]) === JSON.stringify(b[key]));
}

/** Sets an own property, also for a node called `__proto__`. */
function define<T>(record: Record<string, T>, key: string, value: T): void {
  Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
}
