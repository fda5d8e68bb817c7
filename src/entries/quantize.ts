/**
 * `bitbasis/quantize`: turn a network into a series, look into models, compare presets.
 *
 * @module
 */
export type { ImageEntry, ImageManifest, ProgramImage } from "../export/image.ts";
export { type ExportOptions, exportOnnx } from "../export/onnx.ts";
export { exportProgram } from "../export/program.ts";
export {
  type InputRange,
  type InspectOptions,
  inspect,
  type LayerReport,
  type LayerSummary,
  type MeasureOptions,
  type ModelSummary,
  type QuantizationReport,
  type QuantizeFileOptions,
  type QuantizeOptions,
  quantize,
} from "../quantize/index.ts";
export { type CompareOptions, type Comparison, compare } from "../session/compare.ts";
