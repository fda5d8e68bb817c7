import { shown } from "../core/index.ts";
import type { LayerPlan, Plan, Preset } from "./plan.ts";

/** A linear layer as planning sees it. */
export interface LinearLayer {
  /** Name of the node. */
  readonly node: string;
  /**
   * `first`: the first layer with weights; `depthwise`: a convolution with one input channel per group; `product`: a product of two
   * activations, without weights; `separable`: another convolution beside a depthwise one; `other`: everything else.
   */
  readonly kind: "first" | "depthwise" | "separable" | "product" | "other";
  /** √(Σ(w − ŵ)² / Σw²) of the weights with one INT4 term: what `compact` decides by. */
  readonly oneTermError?: number;
  /** Its part of the weights of all linear layers, 0…1: what a further term costs. Absent counts as 1. */
  readonly share?: number;
  /** Whether no linear layer reads what it gives, as with a classifier. */
  readonly last?: boolean;
}

export const PRESETS: readonly Preset[] = ["float32", "faithful", "fast", "compact"];

/**
 * Up to this relative weight error a layer that is not beside a depthwise convolution runs with a single INT4 term under `compact`.
 *
 * Measured on resnet20, 1,000 pictures, share of the float32 bytes and top-1 agreement with float32: 0.15 → 0.183, 0.90; 0.152 → 0.161,
 * 0.918; 0.16 → 0.156, 0.865; one term everywhere → 0.85. Rows of some hundred bell-shaped weights have 0.12 … 0.15; above are rows whose
 * largest weight dwarfs the rest. Beside depthwise convolutions the error does not tell: MobileNetV2's expanding layers have 0.09 … 0.14
 * and do not survive one term, therefore these get two whatever their error (mobilenet_v2: 8 of 8 pictures).
 */
export const COMPACT_LARGEST_ERROR = 0.152;

/**
 * Below this part of the network's weights a layer gets two terms under `compact`: all such layers together cost little and do much.
 * Measured, container's share of the float32 bytes and top-1 agreement: resnet20, 1,000 pictures, 0.164, 0.920 → 0.170, 0.938 (least
 * cosine 0.67 → 0.89); PP-OCR, 100 rendered lines, 0.219, 88 equal texts → 0.222, 90. A bound of 0.025, which reaches PP-OCR's attention:
 * 0.231, 93.
 */
export const COMPACT_SMALL_SHARE = 0.01;

/**
 * Part of each row that a last layer with a single term keeps beside it. The largest weights of a row set its step; without them the
 * others, and with them the score of a class, which nothing behind averages any more, are finer. Measured on PP-OCR (6,625 classes from
 * rows of 120), 100 rendered lines, share of the float32 bytes and equal texts: none 0.219, 88; 0.01, one weight a row, 0.221, 96;
 * 0.02 → 0.224, 96; 0.04 → 0.229, 95; a second term instead 0.256, 96. Together with the rule for small layers 98 % of 200 other lines at
 * 0.224.
 */
export const COMPACT_LAST_OUTLIERS = 0.01;

const DEFAULTS: Readonly<Record<Preset, LayerPlan>> = {
  float32: { bits: 4, weightTerms: 0, activationTerms: 0 },
  faithful: { bits: 4, weightTerms: 3, activationTerms: 3 },
  fast: { bits: 4, weightTerms: 2, activationTerms: 2 },
  compact: { bits: 4, weightTerms: 1, activationTerms: 2 },
};

/** What every layer of a preset has unless a rule says otherwise. */
export function presetDefault(preset: Preset): LayerPlan {
  if (!PRESETS.includes(preset)) {
    throw new RangeError(`"preset" expected one of ${PRESETS.join(", ")}, got ${shown(preset)}`);
  }
  return DEFAULTS[preset];
}

/**
 * The plan of a preset for the layers of a network, with a reason wherever it deviates.
 *
 * The first layer and depthwise convolutions get one weight term more than the others: they are a small part of the bytes and the most
 * fragile (PP-OCR under `fast` reads 34 of 60 lines without, 52 with it, for 1 % more bytes). The first layer also gets one activation
 * term more, because what the picture loses there nobody can restore: least cosine over 1,000 pictures of resnet20 under `faithful`
 * 0.99985 → 0.99997, under `fast` 0.9891 → 0.9954. Its weights stay at three terms then: a fourth brought nothing (0.99995) and would
 * cut its integer sums into single products.
 *
 * @throws RangeError for an unknown preset
 */
export function planFor(preset: Preset, layers: readonly LinearLayer[]): Plan {
  const base = presetDefault(preset);
  const entries: Record<string, LayerPlan & { reason: string }> = {};
  if (base.weightTerms > 0) {
    for (const { node, kind, oneTermError = 0, share = 1, last = false } of layers) {
      const reasons: string[] = [];
      let { weightTerms, activationTerms } = base;
      let outliers = 0;
      if (preset === "compact" && kind === "separable") {
        weightTerms++;
        reasons.push("beside a depthwise convolution");
      } else if (preset === "compact" && kind !== "product" && oneTermError > COMPACT_LARGEST_ERROR) {
        weightTerms++;
        reasons.push(`relative error ${oneTermError.toFixed(3)} with one term`);
      } else if (preset === "compact" && kind === "other" && share < COMPACT_SMALL_SHARE) {
        weightTerms++;
        reasons.push(`only ${(100 * share).toFixed(2)} % of the weights`);
      } else if (preset === "compact" && kind === "other" && last) {
        outliers = COMPACT_LAST_OUTLIERS;
        reasons.push(`last layer: ${100 * outliers} % of each row kept beside one term`);
      }
      if (kind === "depthwise") {
        weightTerms++;
        reasons.push("depthwise");
      } else if (kind === "first") {
        weightTerms = Math.min(weightTerms + 1, 3);
        activationTerms++;
        reasons.push("first layer");
      }
      if (reasons.length > 0)
        define(entries, node, {
          ...{ ...base, weightTerms, activationTerms },
          ...(outliers > 0 ? { outliers } : {}),
          reason: reasons.join("; "),
        });
    }
  }
  return { version: 1, default: base, ...(Object.keys(entries).length > 0 ? { layers: entries } : {}) };
}

/** Sets an own property, also for a node called `__proto__`. */
function define<T>(record: Record<string, T>, key: string, value: T): void {
  Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
}
