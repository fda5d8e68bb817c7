export { type InspectOptions, inspect, type LayerSummary, type ModelSummary } from "./inspect.ts";
export {
  checkPreset,
  checkQuantizeOptions,
  checkTarget,
  type InputRange,
  type MeasureOptions,
  type QuantizeFileOptions,
  type QuantizeOptions,
  type Target,
  type TargetOptions,
} from "./options.ts";
export { quantize, quantizeGraph } from "./quantize.ts";
export type { LayerReport, QuantizationReport } from "./report.ts";
export type { TargetPlan } from "./target.ts";
