import { isRecord, shown, wrongKind } from "../core/index.ts";
import { checkSeries, type DigitSystem, LARGEST_SUM, LARGEST_WIDTH } from "./digits.ts";
import { fusedProducts, isEveryPair, type PairSet } from "./pairs.ts";

/** How one linear layer is expanded. */
export interface LayerPlan {
  /** X, bits of one term, 2…8. */
  readonly bits: number;
  /**
   * Terms of the weights; 0 leaves them in float32. bits·terms ≤ 16, or ≤ 32 of signed digits without outliers, whose layer is the sum of a product for every few terms: that buys 2^-16 per layer,
   * which 16 bits of the activations hide, for two to four times the work.
   */
  readonly weightTerms: number;
  /** Terms of the activations, bits·terms ≤ 16; 0 leaves them in float32. A layer with weights may have one of both alone: it multiplies in float32 then. */
  readonly activationTerms: number;
  /** Bits of a weight, 3…16, where they are not bits·weightTerms: digits of at most `bits` bits, most significant first (7 is 4 + 3). */
  readonly weightBits?: number;
  /** Bits of an activation, 2…16, instead of bits·activationTerms. */
  readonly activationBits?: number;
  /**
   * How a row is rounded: each weight to the nearest, or so that the errors of kernels and rows add up to nearly nothing (SQuant), or, at 4 to 8 bits, so that the layer's outputs err least
   * on procedural inputs (`synth`; where the network cannot be run on any, as SQuant). Default "nearest".
   */
  readonly rounding?: "nearest" | "squant" | "fitted";
  /** Whether a row has a zero point, its lattice reaching from its least to its largest weight. Default false: symmetric. */
  readonly zeroPoint?: boolean;
  /** Which integers a term may take; default "signed". */
  readonly digits?: DigitSystem;
  /**
   * What has a scale of its own: the tensor, each output channel (default), or in a layer without groups of its own every `group` input
   * channels of it, the last group being what is left. Groups are products of their own whose float32 results are added in ascending order.
   */
  readonly granularity?:
    | "tensor"
    | "channel"
    | {
        /** Input channels that share a scale, ≥ 1. */
        readonly group: number;
      };
  /** Fraction of weights kept in the sparse part. */
  readonly outliers?: number;
  /**
   * Which products of terms are computed; default all, which is also what costs least: see `fusedProducts`. Fewer need signed or odd digits of
   * the weights; activations are signed digits of their distance to the zero point then, and have 15 bits at most. Products of two activations
   * always compute all.
   */
  readonly pairs?: PairSet;
}

/** What is done to each linear layer of a network: the JSON that `--plan` reads and a container carries. */
export interface Plan {
  /** 2 where it has what version 1 did not: widths, rounding, zero points, tables. */
  readonly version: 1 | 2;
  /** For layers that `layers` does not name. */
  readonly default: LayerPlan;
  /** Bits of the tables that rows are looked up in, 3…16; absent or 0: float32. */
  readonly tables?: number;
  /** What a measurement found when the plan was made. */
  readonly check?: PlanCheck;
  /** By name of the node or of its weight initializer. */
  readonly layers?: Readonly<
    Record<
      string,
      LayerPlan & {
        /** Why, in one sentence; for people alone. */
        readonly reason?: string;
      }
    >
  >;
}

/** What a plan was measured to do when it was made. */
export interface PlanCheck {
  /** The target that the plan was made for, such as "bytes=2000000"; absent where a preset was measured. */
  readonly target?: string;
  /** Largest error of an output that was asked for on the inputs: ‖a − b‖/‖b‖, for `faithful` and targets also max|a − b|/max|b|. */
  readonly tolerance: number;
  /** What the plan was predicted to have. */
  readonly predicted: number;
  /** Part of the vectors of the outputs whose largest element is where it is in float32, where that was the target. */
  readonly agreement?: number;
  /** What was measured with the whole plan. */
  readonly measured?: number;
  /** Names of the inputs, with their range. */
  readonly inputs: string;
}

/** A ready-made way to plan, by rules for each kind of layer: `float32` quantizes nothing, `faithful` takes 12 and more bits, `fast` mostly 7 × 8, `compact` 4 or 5 × 8. */
export type Preset = "float32" | "faithful" | "fast" | "compact";

/** All presets, from the most bits to the fewest. */
export const PRESETS: readonly Preset[] = ["float32", "faithful", "fast", "compact"];

/** Whether a layer under this plan has nothing quantized. */
export function isFloat(plan: LayerPlan): boolean {
  return plan.weightTerms === 0 && plan.activationTerms === 0;
}

/** Bits of a weight. */
export function weightWidth({ bits, weightTerms, weightBits = bits * weightTerms }: LayerPlan): number {
  return weightTerms === 0 ? 0 : weightBits;
}

/** Bits of an activation; 0 for float32. */
export function activationWidth({ bits, activationTerms, activationBits = bits * activationTerms }: LayerPlan): number {
  return activationTerms === 0 ? 0 : activationBits;
}

const LAYER_KEYS: ReadonlySet<string> = new Set([
  ...["bits", "weightTerms", "activationTerms", "weightBits", "activationBits", "rounding", "zeroPoint"],
  ...["digits", "granularity", "outliers", "pairs", "reason"],
]);

const PLAN_KEYS = ["version", "default", "tables", "check", "layers"];

/**
 * Checks a plan that came from outside, such as a file.
 *
 * @param plan - anything
 * @throws TypeError or RangeError that names the layer, the field, what was expected and what was given
 */
export function checkPlan(plan: unknown): asserts plan is Plan {
  if (!isRecord(plan)) throw wrongKind("plan", "an object", plan);
  const { version, tables = 0, check } = plan;
  if (version !== 1 && version !== 2) throw new RangeError(`"plan.version" expected 1 or 2, got ${shown(version)}`);
  const extra = Object.keys(plan).find((key) => !PLAN_KEYS.includes(key));
  if (extra !== undefined) throw new RangeError(`"plan" expected ${PLAN_KEYS.join(", ")}, got "${extra}"`);
  if (tables !== 0) integer(tables, 3, LARGEST_WIDTH, "plan.tables");
  if (check !== undefined) checkFound(check);
  checkLayerPlan(plan["default"], "plan.default");
  const layers = plan["layers"] ?? {};
  if (!isRecord(layers)) throw wrongKind("plan.layers", "an object", layers);
  for (const [name, layer] of Object.entries(layers)) checkLayerPlan(layer, `plan.layers["${name}"]`);
}

/** What was measured is printed, and rounded to be printed: numbers and texts. */
function checkFound(check: unknown): void {
  if (!isRecord(check)) throw wrongKind("plan.check", "an object", check);
  const { tolerance, predicted, agreement = 0, measured = 0, target = "", inputs } = check;
  const found = { tolerance, predicted, agreement, measured, target, inputs };
  for (const [name, value] of Object.entries(found)) {
    const kind = name === "target" || name === "inputs" ? "string" : "number";
    if (typeof value !== kind) throw wrongKind(`plan.check.${name}`, `a ${kind}`, value);
  }
}

/** Checks the plan of one layer, which messages call `what`. */
export function checkLayerPlan(plan: unknown, what: string): asserts plan is LayerPlan {
  if (!isRecord(plan)) throw wrongKind(what, "an object", plan);
  const extra = Object.keys(plan).find((key) => !LAYER_KEYS.has(key));
  if (extra !== undefined) throw new RangeError(`"${what}" expected ${[...LAYER_KEYS].join(", ")}, got "${extra}"`);
  const { bits, weightTerms, activationTerms } = plan;
  const { digits = "signed", granularity = "channel", outliers = 0, pairs = "all", reason = "" } = plan;
  if (typeof reason !== "string") throw wrongKind(`${what}.reason`, "a string", reason);
  integer(bits, 2, 8, `${what}.bits`);
  integer(weightTerms, 0, Math.floor(LARGEST_SUM / bits), `${what}.weightTerms`);
  integer(activationTerms, 0, Math.floor(LARGEST_WIDTH / bits), `${what}.activationTerms`);
  checkRounding(plan, what);
  const wide = bits * weightTerms > LARGEST_WIDTH;
  if (wide && (digits !== "signed" || outliers !== 0 || pairs !== "all")) {
    throw new RangeError(`"${what}" expected signed digits, no outliers and all pairs beyond ${LARGEST_WIDTH} bits`);
  }
  try {
    checkSeries(bits, Math.max(weightTerms, 1), digits as DigitSystem, wide ? LARGEST_SUM : LARGEST_WIDTH);
  } catch (error) {
    throw new RangeError(`"${what}": ${(error as Error).message}`);
  }
  if (granularity !== "channel" && granularity !== "tensor") {
    if (!isRecord(granularity) || Object.keys(granularity).join() !== "group") {
      throw new RangeError(
        `"${what}.granularity" expected "channel", "tensor" or { group }, got ${shown(granularity)}`,
      );
    }
    integer(granularity["group"], 1, 2 ** 31 - 1, `${what}.granularity.group`);
  }
  if (typeof outliers !== "number" || !(outliers >= 0 && outliers < 1)) {
    throw new RangeError(`"${what}.outliers" expected number in 0..1, got ${shown(outliers)}`);
  }
  if (outliers > 0 && digits === "unsigned") {
    throw new RangeError(`"${what}.outliers" expected 0 with unsigned digits, got ${outliers}`);
  }
  checkPairs(pairs, plan as unknown as LayerPlan, `${what}.pairs`);
}

function checkPairs(pairs: unknown, plan: LayerPlan, what: string): asserts pairs is PairSet {
  if (pairs === "all") return;
  const { weightTerms, activationTerms, digits = "signed" } = plan;
  if (Array.isArray(pairs)) {
    for (const pair of pairs as unknown[]) {
      if (!Array.isArray(pair) || pair.length !== 2) {
        throw new RangeError(`"${what}" expected pairs [weight term, activation term], got ${shown(pair)}`);
      }
      integer(pair[0], 1, weightTerms, `${what}: a weight term`);
      integer(pair[1], 1, activationTerms, `${what}: an activation term`);
    }
  } else if (isRecord(pairs) && Object.keys(pairs).join() === "upTo") {
    integer(pairs["upTo"], 2, Number.MAX_SAFE_INTEGER, `${what}.upTo`);
  } else throw new RangeError(`"${what}" expected "all", { upTo } or a list of pairs, got ${shown(pairs)}`);
  const products = fusedProducts(pairs as PairSet, weightTerms, activationTerms);
  if (products.length === 0)
    throw new RangeError(`"${what}" expected at least one pair of the layer's terms, got none`);
  if (isEveryPair(products, weightTerms, activationTerms)) return;
  if (digits !== "signed" && digits !== "odd") {
    throw new RangeError(`"${what}" expected "all" with ${digits} digits, whose cut series are biased`);
  }
}

/** What version 2 has. */
function checkRounding(plan: Record<string, unknown>, what: string): void {
  const {
    bits,
    weightTerms,
    activationTerms,
    weightBits,
    activationBits,
    rounding = "nearest",
    zeroPoint = false,
  } = plan;
  const fits = (width: unknown, terms: unknown, least: number, key: string): void => {
    if (width === undefined) return;
    integer(width, least, LARGEST_WIDTH, `${what}.${key}`);
    const expected = Math.ceil(width / Number(bits));
    if (terms === expected) return;
    throw new RangeError(
      `"${what}.${key}" of ${width} expected ${expected} terms of ${bits} bits, got ${shown(terms)}`,
    );
  };
  fits(weightBits, weightTerms, 3, "weightBits");
  fits(activationBits, activationTerms, 2, "activationBits");
  if (rounding !== "nearest" && rounding !== "squant" && rounding !== "fitted") {
    throw new RangeError(`"${what}.rounding" expected "nearest", "squant" or "fitted", got ${shown(rounding)}`);
  }
  if (typeof zeroPoint !== "boolean") throw wrongKind(`${what}.zeroPoint`, "a boolean", zeroPoint);
  const rounded = isRounded(plan as unknown as LayerPlan);
  if (rounded && Number(bits) * Number(weightTerms) > LARGEST_WIDTH) {
    throw new RangeError(
      `"${what}" expected at most ${LARGEST_WIDTH} bits of a weight beside weightBits, rounding or zeroPoint, got ${Number(bits) * Number(weightTerms)}`,
    );
  }
  if ((rounded || activationBits !== undefined) && (plan["pairs"] ?? "all") !== "all") {
    throw new RangeError(`"${what}.pairs" expected "all" beside weightBits, activationBits, rounding or zeroPoint`);
  }
  if (!rounded) return;
  for (const key of ["digits", "granularity", "outliers"]) {
    if (plan[key] === undefined) continue;
    throw new RangeError(`"${what}" expected no "${key}" beside weightBits, rounding or zeroPoint`);
  }
}

/** Whether rows are rounded as `roundRows` does, rather than by the nearest of symmetric steps. */
export function isRounded({ weightBits, rounding, zeroPoint }: LayerPlan): boolean {
  return weightBits !== undefined || (rounding !== undefined && rounding !== "nearest") || zeroPoint === true;
}

function integer(value: unknown, least: number, most: number, what: string): asserts value is number {
  if (!Number.isInteger(value) || Number(value) < least || Number(value) > most) {
    throw new RangeError(`"${what}" expected integer in ${least}..${most}, got ${shown(value)}`);
  }
}
