// Which of the three precision regimes a ReLU network is in. Source: "Three Quantization Regimes for ReLU Networks" (arXiv 2405.01952).
import { checkList, checkOptions, shown } from "../core/index.ts";
import { type Achievable, achievable, achievableAt } from "./achievable.ts";
import {
  type Architecture,
  type LayerSize,
  type LowerBounds,
  layerSizes,
  lowerBounds,
  memoryBits,
  type OutputGrid,
  overThreshold,
  parameterCount,
  plainGrid,
  underThreshold,
  uniformWidths,
  vcUpperBound,
  type Widths,
} from "./bounds.ts";

/** Weights and biases lie in 2^-b ℤ ∩ [-2^a, 2^a]. */
export type RegimeOptions =
  | {
      /** Neurons of every hidden layer; one input, one output. */
      readonly width: number;
      /** Affine maps, ≥ 1. */
      readonly depth: number;
      /** Integer bits: |w| ≤ 2^a. */
      readonly a: number;
      /** Fractional bits: weights are multiples of 2^-b. */
      readonly b: number;
    }
  | {
      /** From the input to the output. */
      readonly widths: Widths;
      /** Integer bits: |w| ≤ 2^a. */
      readonly a: number;
      /** Fractional bits: weights are multiples of 2^-b. */
      readonly b: number;
    }
  | {
      /** Values and parameters per layer, where weights are shared. */
      readonly layers: readonly LayerSize[];
      /** Integer bits: |w| ≤ 2^a. */
      readonly a: number;
      /** Fractional bits: weights are multiples of 2^-b. */
      readonly b: number;
      /** Where the outputs lie; default that of affine maps and ReLU alone. */
      readonly grid?: OutputGrid;
    };

/** What bounds the error of the networks of one shape and weight format. */
export interface Regime {
  /**
   * Which lower bound dominates: `under` the grid of the output (starved of bits), `proper` memory (every bit counts),
   * `over` the architecture (further bits cannot help).
   */
  readonly regime: "under" | "proper" | "over";
  /** Lower bounds on the best sup error over 1-Lipschitz functions [0,1] → [-1,1]; no network of this form beats the largest. */
  readonly bounds: LowerBounds;
  /** The least b at which the network is no longer starved. */
  readonly bUnder: number;
  /** The least b from which none of this package's constructions gains in this architecture; undefined where none fits at all. */
  readonly bConstructive: number | undefined;
  /** The least b from which no network can gain. Between bConstructive and bOver nobody knows. */
  readonly bOver: number;
  /** parameters·log2(values of a weight), in bits. */
  readonly memoryBits: number;
  /** Weights and biases, zeros included and shared ones once. */
  readonly parameters: number;
  /** The upper bound on the VC dimension behind `bounds.vc`. */
  readonly vcDimension: number;
  /** A construction that fits at this b with the smallest proved error: an upper bound beside the lower ones. Its a may be larger. */
  readonly achievable: Achievable | undefined;
  /** Values and parameters per layer. */
  readonly layers: readonly LayerSize[];
  /** One sentence. */
  readonly advice: string;
  /** What the verdict is a statement about, and what it does not predict. */
  readonly caveats: readonly string[];
}

/**
 * Classifies a ReLU network by width, depth and weight format.
 *
 * With `widths` the bounds use every layer's own size instead of the largest. For several inputs or outputs they are the bounds on a
 * line through the input space and for one output, which hold a fortiori.
 *
 * @param options `width` and `depth` (affine maps; one input, one output), `widths` = [inputs, hidden…, outputs], or the sizes of
 *   `layers` that share weights; for those no construction is known to fit
 * @throws RangeError for sizes that are no positive integers, or a or b below 0
 * @example
 * regime({ width: 64, depth: 4, a: 1, b: 3 }).regime // "under"
 */
export function regime(options: RegimeOptions): Regime {
  checkOptions(options);
  const { a, b } = options;
  const architecture = checkArchitecture(options);
  checkBits("a", a);
  checkBits("b", b);
  const grid = ("grid" in options ? options.grid : undefined) ?? plainGrid(architecture);
  const vc = vcUpperBound(architecture);
  const bounds = lowerBounds(architecture, a, b, vc, grid);
  const bUnder = underThreshold(architecture, a, vc, grid);
  const bOver = overThreshold(architecture, a, vc, grid);
  const all = fitting(architecture);
  const name = dominating(bounds);
  const memory = memoryBits(architecture, a, b, grid.floats);
  // The constructions' constants are not the bounds': they may stop gaining before bUnder, or only after bOver.
  const gained = all.at(-1)?.b;
  const bConstructive = gained === undefined ? undefined : Math.min(Math.max(gained, bUnder), bOver);
  return {
    regime: name,
    bounds,
    bUnder,
    bConstructive,
    bOver,
    memoryBits: memory,
    parameters: parameterCount(architecture),
    vcDimension: vc,
    achievable: achievableAt(all, b),
    layers: layerSizes(architecture),
    advice: advise(name, { b, bUnder, bConstructive, bOver, memory, precision: bounds.precision }),
    caveats: caveats(bounds, a, b),
  };
}

/** One row of a curve over b. */
export interface RegimePoint extends LowerBounds {
  /** Fractional bits of a weight. */
  readonly b: number;
  /** Which bound dominates at this b. */
  readonly regime: Regime["regime"];
  /** Smallest error that a construction here is sure of at this b, where one fits. */
  readonly achievable: number | undefined;
}

/** The bounds and the achievable error at each b. */
export function regimeCurve(
  architecture: Architecture,
  a: number,
  precisions: readonly number[],
  grid?: OutputGrid,
): RegimePoint[] {
  checkList("architecture", architecture);
  checkSizes(architecture);
  checkBits("a", a);
  checkList("precisions", precisions);
  for (const [i, b] of precisions.entries()) checkBits(`precisions[${i}]`, b);
  const outputs = grid ?? plainGrid(architecture);
  const vc = vcUpperBound(architecture);
  const all = fitting(architecture);
  return precisions.map((b) => {
    const bounds = lowerBounds(architecture, a, b, vc, outputs);
    return { b, ...bounds, regime: dominating(bounds), achievable: achievableAt(all, b)?.error };
  });
}

function dominating({ memory, vc, precision }: LowerBounds): Regime["regime"] {
  if (memory >= vc && memory >= precision) return "proper";
  return vc >= precision ? "over" : "under";
}

interface Figures {
  b: number;
  bUnder: number;
  bConstructive: number | undefined;
  bOver: number;
  memory: number;
  precision: number;
}

function advise(name: Regime["regime"], { b, bUnder, bConstructive, bOver, memory, precision }: Figures): string {
  if (name === "under")
    return `Starved of bits: the outputs lie on a grid that alone costs an error of ${short(precision)}; raise b from ${b} to at least ${bUnder}, or add layers.`;
  if (name === "over")
    return `Wasted bits: from b = ${bOver} on the architecture is the limit whatever the precision; lower b from ${b}, or spend the memory on width and depth.`;
  if (bConstructive !== undefined && b >= bConstructive && bConstructive < bOver)
    return `Perhaps wasted bits: no construction known here gains beyond b = ${bConstructive}, though only from b = ${bOver} on is it proved that none can.`;
  return `About right: the error is limited by the ${Math.round(memory)} bits of memory, so a bit of precision is worth as much as a bit of width or depth.`;
}

function caveats({ memory, vc, precision }: LowerBounds, a: number, b: number): string[] {
  const least = Math.max(memory, vc, precision);
  return [
    `About the class: no network of these layer sizes with all weights and biases in 2^-${b} Z, at most 2^${a}, comes closer than ${short(least)} to every 1-Lipschitz function of one variable.`,
    ...(precision === 0
      ? [
          'The precision bound does not apply: outputs do not lie on a grid (float scales, or constants that are not rounded), so no verdict "starved" is possible.',
        ]
      : []),
    "Not about a trained network: it predicts no accuracy at any number of bits (one large weight sets a for all, real inputs are no worst case, scales of a quantizer are left out). " +
      "For that measure: bitbasis compare.",
  ];
}

function short(value: number): string {
  return value.toPrecision(3);
}

function fitting(architecture: Architecture): Achievable[] {
  if (typeof architecture[0] !== "number") return [];
  const widths = architecture as Widths;
  return achievable(Math.min(...widths.slice(1, -1), Number.POSITIVE_INFINITY), widths.length - 1);
}

function checkArchitecture(options: RegimeOptions): Architecture {
  if ("layers" in options) {
    if (!Array.isArray(options.layers) || options.layers.length === 0)
      throw new RangeError(`"layers" expected sizes of layers, got ${JSON.stringify(options.layers)}`);
    for (const [l, layer] of options.layers.entries()) checkLayer(`layers[${l}]`, layer);
    return options.layers;
  }
  if ("widths" in options) {
    if (!Array.isArray(options.widths) || options.widths.length < 2)
      throw new RangeError(`"widths" expected [inputs, hidden…, outputs], got ${JSON.stringify(options.widths)}`);
    for (const [l, width] of options.widths.entries()) checkSize(`widths[${l}]`, width);
    return options.widths;
  }
  checkSize("width", options.width);
  checkSize("depth", options.depth);
  return uniformWidths(options.width, options.depth);
}

function checkSizes(architecture: Architecture): void {
  for (const [l, one] of architecture.entries()) {
    if (typeof one === "number") checkSize(`architecture[${l}]`, one);
    else checkLayer(`architecture[${l}]`, one);
  }
}

function checkLayer(name: string, layer: LayerSize): void {
  checkOptions(layer, name);
  checkSize(`${name}.width`, layer.width);
  checkSize(`${name}.parameters`, layer.parameters);
}

function checkSize(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`"${name}" expected a positive integer, got ${shown(value)}`);
}

function checkBits(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`"${name}" expected an integer of at least 0, got ${shown(value)}`);
}
