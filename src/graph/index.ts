export * from "./graph.ts";
export { normalize } from "./passes/normalize.ts";
export { type Feed, specialize } from "./specialize.ts";
