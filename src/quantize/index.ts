export { type InspectOptions, inspect, type LayerSummary, type ModelSummary } from "./inspect.ts";
export { type QuantizeFileOptions, quantize, quantizeGraph } from "./quantize.ts";
export { expandGraph, type QuantizedLayer, type QuantizeOptions } from "./quantize-graph.ts";
export type { LayerReport, QuantizationReport } from "./report.ts";
