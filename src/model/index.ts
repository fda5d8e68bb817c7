export {
  digestOfModel,
  type ModelStream,
  openContainer,
  readModel,
  readModelStream,
  writeModel,
} from "./container.ts";
export { isContainer } from "./header.ts";
export { knownWeights, limitTerms, type Model, totalTerms } from "./model.ts";
