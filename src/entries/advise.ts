/** `bitbasis/advise`: how many bits a network needs, layer by layer, with what the theories say about it. */
export * from "../advise/index.ts";
export type { Target, TargetOptions } from "../quantize/options.ts";
