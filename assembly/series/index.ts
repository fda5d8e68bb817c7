export { seriesLargest, seriesScales } from "./scale";
export { seriesQuantize, seriesSplit } from "./digits";
export { seriesGrid, seriesRange, seriesRound, seriesRows } from "./rows";
