export * from "./backend.ts";
export * from "./transformers.ts";
