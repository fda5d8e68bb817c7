/** `bitbasis/series`: the expansion itself. */
export * from "../series/index.ts";
