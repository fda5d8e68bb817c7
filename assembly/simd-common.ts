// What most networks need of the core, and what a session asks of it: the module that a download begins with.
export { run } from "./vm";
export { turns } from "./gemm/turns";
export { transformWeights } from "./gemm/winograd";
export { groupStride, paddedRows, panelBytes, panelColumns, pixelStride, scratchBytes } from "./layout";
export { addOutliers, addTerms, fuseTerms } from "./series/terms";
