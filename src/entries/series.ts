/**
 * `bitbasis/series`: the expansion itself, and plans for a target.
 *
 * @module
 */
export { basisModels } from "../networks/basis-models.ts";
export type { Target, TargetOptions } from "../quantize/options.ts";
export { plan } from "../quantize/plan-model.ts";
export {
  Accumulator,
  abelianAdd,
  abelianMul,
  accumulatorBits,
  type BasisLayer,
  BasisModel,
  checkPlan,
  DIGIT_SYSTEMS,
  type DigitSystem,
  dequantize,
  type ExpandOptions,
  type Expansion,
  expand,
  type FusedProduct,
  fuse,
  fusedProducts,
  joinDigits,
  type LayerPlan,
  type LinearLayer,
  type Pair,
  type PairSet,
  type PairsOptions,
  type Plan,
  type PlannableLayer,
  type PlanOptions,
  PRESETS,
  type Preset,
  pairs,
  planFor,
  publishedRecurrence,
  Rational,
  scalesOf,
  splitDigits,
  type WeightSeries,
} from "../series/index.ts";
