export * from "../fixed-point/index.ts";
