export { type InspectOptions, inspect, type LayerSummary, type ModelSummary } from "./inspect.ts";
export {
  checkPreset,
  checkQuantizeOptions,
  type InputRange,
  type MeasureOptions,
  type QuantizeFileOptions,
  type QuantizeOptions,
} from "./options.ts";
export { quantize, quantizeGraph } from "./quantize.ts";
export { expandGraph, type QuantizedLayer } from "./quantize-graph.ts";
export type { LayerReport, QuantizationReport } from "./report.ts";
