export { attributeType } from "./attributes.ts";
export { nodeError } from "./errors.ts";
export * from "./graph.ts";
export { evaluateNode } from "./host.ts";
export { type AttributeJson, type GraphJson, graphFromJson, graphToJson, type NodeJson } from "./json.ts";
export { bodiesError } from "./operators/control.ts";
export { operatorOf } from "./operators/index.ts";
export { captures, everyNode, isGraph, reads, subgraphs } from "./order.ts";
export { everyBody, hoistConstants, uniqueNames } from "./passes/bodies.ts";
export { channelsLast } from "./passes/channels-last.ts";
export { foldConstants, folding } from "./passes/fold-constants.ts";
export { integerLayers } from "./passes/integer-layer.ts";
export { normalize } from "./passes/normalize.ts";
export { optimize } from "./passes/optimize.ts";
export { float32Inside, toFloat32 } from "./passes/to-float32.ts";
export {
  type Feed,
  type Known,
  LIST,
  type Outcome,
  type Source,
  type SpecializeOptions,
  type Stage,
  type Stop,
  specialize,
} from "./specialize.ts";
export { checkSupported, type UnsupportedNode, unsupportedNodes } from "./supported.ts";
export { checkRuns } from "./verify.ts";
