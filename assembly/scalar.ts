export { run } from "./vm";
export { seriesLargest, seriesQuantize, seriesScales, seriesSplit } from "./series/index";
export { addTerm, addTermDepthwise } from "./series/terms";
export { packDepthwise, packMatrix, packWeights } from "./tensor/pack";
