/**
 * `bitbasis/series`: the expansion itself, and plans for a target.
 *
 * @module
 */
export { basisModels } from "../networks/basis-models.ts";
export type { Target, TargetOptions } from "../quantize/options.ts";
export { plan } from "../quantize/plan-model.ts";
export * from "../series/index.ts";
