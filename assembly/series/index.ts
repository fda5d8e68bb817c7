export { seriesLargest, seriesScales } from "./scale";
export { seriesQuantize, seriesSplit } from "./digits";
