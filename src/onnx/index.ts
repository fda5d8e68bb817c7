export * from "./read.ts";
export type { ExternalData } from "./tensors.ts";
export * from "./write.ts";
