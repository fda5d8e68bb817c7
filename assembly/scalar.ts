export { run } from "./vm";
export { seriesLargest, seriesQuantize, seriesScales, seriesSplit } from "./series/index";
