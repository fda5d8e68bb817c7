export type { AccumulatorEvaluation, AccumulatorGamma, State } from "./accumulator.ts";
export * from "./capacity.ts";
export * from "./certificate.ts";
export * from "./certify.ts";
export { leastWrongPairs } from "./certify-token.ts";
export type { Granularity } from "./collisions.ts";
export * from "./exhaustive.ts";
export { type Gamma, type GammaVerification, gamma, type Kind, verifyGamma } from "./gamma.ts";
export type { KeyBlocks } from "./keys.ts";
export {
  equalitySensitivity,
  type Score,
  type Sensitivity,
  type SensitivityOptions,
  type SensitivityRow,
} from "./sensitivity.ts";
export type { TokenEvaluation, TokenGamma, TokenLayer, TokenTrace } from "./token.ts";
export { canonicalString, type Positions, paddedString, type Step } from "./words.ts";
