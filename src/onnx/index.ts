export type { ExternalData } from "./external.ts";
export * from "./read.ts";
export * from "./write.ts";
