/** `bitbasis/series`: the expansion itself. */
export { basisModels } from "../networks/basis-models.ts";
export * from "../series/index.ts";
