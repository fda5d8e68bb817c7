export { isContainer } from "./header.ts";
export { limitTerms, type Model, totalTerms } from "./model.ts";
