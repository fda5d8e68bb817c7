// What the common part has not: steps that few networks have, and what makes series of weights.
export { run } from "./vm";
export { seriesGrid, seriesLargest, seriesQuantize, seriesRange, seriesRound, seriesRows, seriesScales, seriesSplit } from "./series/index";
