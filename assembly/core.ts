// What every whole build of the core exports: both parts in one.
export * from "./simd-common";
export { seriesGrid, seriesLargest, seriesQuantize, seriesRange, seriesRound, seriesRows, seriesScales, seriesSplit } from "./series/index";
