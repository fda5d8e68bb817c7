/**
 * `bitbasis/fixed-point`: what a fixed-point format can represent, and the network that does.
 *
 * @module
 */
export {
  type Activation,
  type Analysis,
  activationNames,
  activationTable,
  analyze,
  type Condition,
  createNetwork,
  evaluate,
  type FixedLayer,
  type FixedNetwork,
  type FixedNetworkJson,
  type Impossible,
  type MapRun,
  type MapVerdict,
  type NetworkSize,
  networkFromJson,
  networkSize,
  networkToJson,
  type Published,
  type RoundOff,
  type RoundOffPoint,
  roundOff,
  type Sets,
  type Synthesis,
  type Synthesized,
  type SynthesizeOptions,
  sets,
  synthesize,
  type Target,
  type UniversalityMap,
  universalityMap,
  type Verification,
  type VerifyOptions,
  verify,
} from "../fixed-point/index.ts";
export { exportFixedPoint, fixedPointGraph } from "../networks/fixed-point.ts";
export { type Fit, type FitLayer, type FitOptions, fitFormats } from "../networks/fixed-point-fit.ts";
export type { LayerFormat } from "../networks/fixed-point-layers.ts";
