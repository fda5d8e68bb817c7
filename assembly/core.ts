// What every build of the core exports.
export { run } from "./vm";
export { turns } from "./gemm/turns";
export { groupStride, paddedRows, panelBytes, panelColumns, pixelStride, scratchBytes } from "./layout";
export { seriesGrid, seriesLargest, seriesQuantize, seriesRange, seriesRound, seriesRows, seriesScales, seriesSplit } from "./series/index";
export { addOutliers, addTerm, addZeroPoints } from "./series/terms";
export { pack } from "./tensor/pack";
