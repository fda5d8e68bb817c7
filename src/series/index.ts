export * from "./accumulator.ts";
export * from "./axis-rows.ts";
export * from "./basis.ts";
export * from "./digits.ts";
export * from "./expansion.ts";
export * from "./fuse.ts";
export * from "./lattice.ts";
export * from "./measured-series.ts";
export * from "./outliers.ts";
export * from "./pairs.ts";
export * from "./plan.ts";
export * from "./plan-target.ts";
export * from "./presets.ts";
export * from "./rational.ts";
export {
  areFinite,
  gridWidth,
  type RoundedRows,
  type RoundOptions,
  roundingRows,
  roundRows,
} from "./rows.ts";
export * from "./speed.ts";
export * from "./weights.ts";
