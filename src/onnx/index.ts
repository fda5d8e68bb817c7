export { filesBeside } from "./beside.ts";
export { type ExternalData, ExternalFiles } from "./external.ts";
export * from "./read.ts";
export type { ModelProto } from "./schema.ts";
export * from "./write.ts";
