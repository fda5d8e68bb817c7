/**
 * `bitbasis/regimes`: how precision, depth and width of ReLU networks trade, with networks that prove it.
 *
 * @module
 */
export { containerNetwork } from "../networks/container-network.ts";
export {
  type LoweredForm,
  type LoweredOnnx,
  type LowerOnnxOptions,
  lowerOnnx,
  type SharedSize,
} from "../networks/lower-onnx.ts";
export { networkToOnnx, type OnnxRegime, type OnnxRegimeOptions, regimeOfOnnx } from "../networks/regimes.ts";
export { type ReluNetworkOptions, reluNetwork } from "../networks/relu-network.ts";
export {
  type Achievable,
  type ApproximateOptions,
  type Approximation,
  type Architecture,
  approximate,
  approximatePlane,
  type CompositeShape,
  type DenseLayerJson,
  type Dyadic,
  type DyadicNetwork,
  denseJson,
  denseNetwork,
  evaluate,
  evaluatePoints,
  evaluateRational,
  evaluateSliced,
  type FunctionSource,
  type GridValues,
  type LayerSize,
  type LowerBounds,
  type Lowered,
  type LoweredLayerReport,
  type LowerOptions,
  lowerPrecision,
  type NetworkJson,
  type NetworkSize,
  networkFromJson,
  networkSize,
  networkToJson,
  type OutputGrid,
  type PlaneApproximation,
  type PlaneOptions,
  type Recoding,
  type Regime,
  type RegimeOptions,
  type RegimePoint,
  regime,
  regimeCurve,
  roundNetwork,
  type SlicedNetwork,
  type Style,
  sliceNetwork,
  unitGrid,
} from "../regimes/index.ts";
