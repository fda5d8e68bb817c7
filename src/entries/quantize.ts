/**
 * `bitbasis/quantize`: turn a network into a series, look into models, compare presets.
 *
 * @module
 */
export type { ImageEntry, ImageManifest, ProgramImage } from "../export/image.ts";
export { type ExportOptions, exportOnnx } from "../export/onnx.ts";
export { exportProgram } from "../export/program.ts";
export * from "../quantize/index.ts";
export { type CompareOptions, type Comparison, compare } from "../session/compare.ts";
