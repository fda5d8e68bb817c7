import type { Graph } from "../graph/graph.ts";
import {
  channelsLast,
  everyBody,
  float32Inside,
  hoistConstants,
  loadOperators,
  normalize,
  optimize,
  uniqueNames,
} from "../graph/index.ts";
import { type Model, writeModel } from "../model/index.ts";
import { type ExternalData, ExternalFiles, readOnnx } from "../onnx/index.ts";
import { computeConstants } from "./constants.ts";
import { expandGraph, type QuantizeOptions } from "./quantize-graph.ts";
import { type QuantizationReport, reportLayers } from "./report.ts";

export interface QuantizeFileOptions extends QuantizeOptions {
  /** ONNX external data by location, or as onnxruntime-web takes them. */
  readonly externalData?: ExternalData;
}

/**
 * Turns a float32 ONNX network into a series of low-bit terms, without calibration data.
 *
 * @param onnx - the bytes of the model
 * @returns a container (a safetensors file), the same for the same input, and what was done to each layer
 * @throws BitbasisError MODEL for bytes that are no model or weights that are NaN or infinite; RangeError or TypeError for a plan that does
 *   not fit; the reason of the signal when it aborts
 * @example
 * const { bytes, report } = await quantize(onnx, { preset: "fast" });
 * console.log(report.bytesAfter / report.bytesBefore);
 */
export async function quantize(
  onnx: Uint8Array,
  options: QuantizeFileOptions = {},
): Promise<{ bytes: Uint8Array; report: QuantizationReport }> {
  const externalData = new ExternalFiles(options.externalData);
  const graph = readOnnx(onnx, { externalData });
  const { model, layers, floats } = await expandGraph(await prepare(graph), options);
  const bytes = writeModel(model);
  const report = {
    bytesBefore: onnx.length + externalData.bytes,
    bytesAfter: bytes.length,
    layers: reportLayers(layers, floats),
  };
  return { bytes, report };
}

/**
 * The same for a graph as it was read, without writing: what a session does with an `.onnx` source.
 *
 * @throws as `quantize`
 */
export async function quantizeGraph(graph: Graph, options: QuantizeOptions = {}): Promise<Model> {
  return (await expandGraph(await prepare(graph), options)).model;
}

/** Folded, fused, channels-last, bodies too: what plans and kernels are made for. */
export async function prepare(graph: Graph): Promise<Graph> {
  await loadOperators(graph);
  const computed = await computeConstants(normalize(float32Inside(graph)));
  return hoistConstants(uniqueNames(everyBody(computed, (one) => channelsLast(optimize(one)))));
}
