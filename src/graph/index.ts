export * from "./graph.ts";
export { foldConstants } from "./passes/fold-constants.ts";
export { normalize } from "./passes/normalize.ts";
export { optimize } from "./passes/optimize.ts";
export { type Feed, specialize } from "./specialize.ts";
