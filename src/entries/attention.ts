export * from "../attention/index.ts";
