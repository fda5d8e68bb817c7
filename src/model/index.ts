export { type ModelStream, readModel, readModelStream, writeModel } from "./container.ts";
export { isContainer, toldDigest } from "./header.ts";
export { knownWeights, limitTerms, type Model, totalTerms } from "./model.ts";
