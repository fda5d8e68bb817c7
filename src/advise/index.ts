export type { Advice, Figures, LayerAdvice, RegimeAdvice } from "./advice.ts";
export { type AdviseOptions, advise } from "./advise.ts";
export type { ActivationLoss, WeightLoss } from "./format.ts";
