import { shown } from "../core/index.ts";
import { checkSeries, type DigitSystem, LARGEST_WIDTH } from "./digits.ts";
import { fusedProducts, isEveryPair, type PairSet } from "./pairs.ts";

/** How one linear layer is expanded. */
export interface LayerPlan {
  /** X, bits of one term, 2…8. */
  readonly bits: number;
  /** Terms of the weights; 0 leaves them in float32. bits·terms ≤ 16. */
  readonly weightTerms: number;
  /** Terms of the activations; 0 leaves them in float32. A layer with weights may have one of both alone: it multiplies in float32 then. */
  readonly activationTerms: number;
  readonly digits?: DigitSystem;
  /**
   * What has a scale of its own: the tensor, each output channel (default), or in a layer without groups of its own every `group` input
   * channels of it, the last group being what is left. Groups are products of their own whose float32 results are added in ascending order.
   */
  readonly granularity?: "tensor" | "channel" | { readonly group: number };
  /** Fraction of weights kept in the sparse part. */
  readonly outliers?: number;
  /**
   * Which products of terms are computed; default all, which is also what costs least: see `fusedProducts`. Fewer need signed or odd digits of
   * the weights; activations are signed digits of their distance to the zero point then, and have 15 bits at most. Products of two activations
   * always compute all.
   */
  readonly pairs?: PairSet;
}

export interface Plan {
  readonly version: 1;
  readonly default: LayerPlan;
  /** By name of the node or of its weight initializer. */
  readonly layers?: Readonly<Record<string, LayerPlan & { readonly reason?: string }>>;
}

export type Preset = "float32" | "faithful" | "fast" | "compact";

/** Whether a layer under this plan has nothing quantized. */
export function isFloat(plan: LayerPlan): boolean {
  return plan.weightTerms === 0 && plan.activationTerms === 0;
}

const LAYER_KEYS: ReadonlySet<string> = new Set([
  ...["bits", "weightTerms", "activationTerms", "digits", "granularity", "outliers", "pairs", "reason"],
]);

/**
 * Checks a plan that came from outside, such as a file.
 *
 * @param plan - anything
 * @throws TypeError or RangeError that names the layer, the field, what was expected and what was given
 */
export function checkPlan(plan: unknown): asserts plan is Plan {
  if (!isRecord(plan)) throw new TypeError(`"plan" expected an object, got ${kindOf(plan)}`);
  if (plan["version"] !== 1) throw new RangeError(`"plan.version" expected 1, got ${shown(plan["version"])}`);
  const extra = Object.keys(plan).find((key) => !["version", "default", "layers"].includes(key));
  if (extra !== undefined) throw new RangeError(`"plan" expected version, default and layers, got "${extra}"`);
  checkLayerPlan(plan["default"], "plan.default");
  const layers = plan["layers"] ?? {};
  if (!isRecord(layers)) throw new TypeError(`"plan.layers" expected an object, got ${kindOf(layers)}`);
  for (const [name, layer] of Object.entries(layers)) checkLayerPlan(layer, `plan.layers["${name}"]`);
}

/** Checks the plan of one layer, which messages call `what`. */
export function checkLayerPlan(plan: unknown, what: string): asserts plan is LayerPlan {
  if (!isRecord(plan)) throw new TypeError(`"${what}" expected an object, got ${kindOf(plan)}`);
  const extra = Object.keys(plan).find((key) => !LAYER_KEYS.has(key));
  if (extra !== undefined) throw new RangeError(`"${what}" expected ${[...LAYER_KEYS].join(", ")}, got "${extra}"`);
  const { bits, weightTerms, activationTerms } = plan;
  const { digits = "signed", granularity = "channel", outliers = 0, pairs = "all" } = plan;
  integer(bits, 2, 8, `${what}.bits`);
  integer(weightTerms, 0, Math.floor(LARGEST_WIDTH / bits), `${what}.weightTerms`);
  integer(activationTerms, 0, Math.floor(LARGEST_WIDTH / bits), `${what}.activationTerms`);
  try {
    checkSeries(bits, Math.max(weightTerms, 1), digits as DigitSystem);
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

function integer(value: unknown, least: number, most: number, what: string): asserts value is number {
  if (!Number.isInteger(value) || Number(value) < least || Number(value) > most) {
    throw new RangeError(`"${what}" expected integer in ${least}..${most}, got ${shown(value)}`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  return value === undefined ? "nothing" : value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
}
