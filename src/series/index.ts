export * from "./accumulator.ts";
export * from "./basis.ts";
export * from "./digits.ts";
export * from "./expansion.ts";
export * from "./pairs.ts";
export * from "./plan.ts";
export * from "./presets.ts";
export * from "./weights.ts";
