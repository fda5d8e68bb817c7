import {
  BadIndex,
  BitbasisError,
  Core,
  checkBytes,
  chooseBuild,
  completed,
  type MakeCore,
  newCore,
  readLimits,
  Turns,
} from "../core/index.ts";
import type { Graph } from "../graph/graph.ts";
import {
  channelsLast,
  checkRuns,
  checkSupported,
  everyBody,
  everyNode,
  float32Inside,
  folding,
  hoistConstants,
  integerLayers,
  normalize,
  optimize,
  uniqueNames,
} from "../graph/index.ts";
import { type Model, writeModel } from "../model/index.ts";
import { ExternalFiles, readOnnx } from "../onnx/index.ts";
import { loadCommon, loadOperators } from "../program/operators/chunks.ts";
import { CONSTANT_WORK, computeConstants } from "./constants.ts";
import type { Fitting } from "./fitting.ts";
import type { Measured, MeasuredOptions } from "./measured.ts";
import {
  checkQuantizeOptions,
  type MeasureOptions,
  type QuantizeFileOptions,
  type QuantizeOptions,
  type TargetOptions,
} from "./options.ts";
import { expandGraph } from "./quantize-graph.ts";
import { type QuantizationReport, reportLayers } from "./report.ts";
import { shareConstants } from "./shared.ts";

/**
 * Turns a float32 ONNX network into a series of low-bit terms, without calibration data.
 *
 * @param onnx - the bytes of the model
 * @returns a container (a safetensors file), the same for the same input, and what was done to each layer
 * @throws BitbasisError MODEL for bytes that are no model, weights that are NaN or infinite and what no feeds can run, UNSUPPORTED for operators and
 *   cases that a session does not have, MEMORY for more than `limits.bytes`; RangeError or
 *   TypeError for an option that makes no sense and a plan that does not fit; the reason of the signal when it aborts
 * @example
 * const { bytes, report } = await quantize(onnx, { preset: "fast" });
 * console.log(report.bytesAfter / report.bytesBefore);
 */
export async function quantize(
  onnx: Uint8Array,
  options: QuantizeFileOptions = {},
): Promise<{
  /** The container. */
  bytes: Uint8Array;
  /** What was done to each layer, and what is proved about it. */
  report: QuantizationReport;
}> {
  checkBytes("onnx", onnx);
  checkQuantizeOptions(options);
  const { bytes: most, macs } = readLimits(options.limits, { bytes: Number.POSITIVE_INFINITY, macs: CONSTANT_WORK });
  options.signal?.throwIfAborted();
  const externalData = new ExternalFiles(options.externalData);
  if (onnx.length + externalData.bytes > most)
    throw new BitbasisError(
      "MEMORY",
      `the model takes ${onnx.length + externalData.bytes} bytes, "limits.bytes" allows ${most}`,
    );
  const makeCore = completed(() => Core.create(chooseBuild("auto"), undefined, most));
  const prepared = await prepare(readOnnx(onnx, { externalData }), makeCore, macs, options.signal);
  // A container that no session takes is no use.
  checkSupported(prepared);
  await checkRuns(prepared);
  const { check = true, target } = options;
  const fitted = await fittingFor(prepared, options, makeCore);
  const how = { ...options, ...(typeof fitted === "object" && { fitting: fitted }) };
  const measured =
    target !== undefined
      ? await targeted(prepared, { ...how, target }, makeCore)
      : check
        ? await measure(prepared, how, makeCore)
        : {};
  const isOpen = !("plan" in measured) && options.synth === true && typeof fitted === "object";
  const planned = isOpen ? { plan: fitted.plan(prepared, options, await makeCore()) } : measured;
  const { model, layers, tables, floats } = await expandGraph(prepared, { ...how, ...planned }, makeCore);
  const bytes = writeModel(model);
  const report = {
    bytesBefore: onnx.length + externalData.bytes,
    bytesAfter: bytes.length,
    layers: reportLayers(layers, tables, floats),
    ...(model.plan.check === undefined ? {} : { check: model.plan.check }),
    ...("unchecked" in measured ? { unchecked: measured.unchecked } : {}),
    ...(typeof fitted === "object" && { synth: `fitted to ${fitted.names}` }),
    ...(typeof fitted === "string" && { synth: `nothing is fitted: ${fitted}` }),
  };
  return { bytes, report };
}

/** What weights are fitted to, where that is asked for, by the option or by a plan; as a string, why there is nothing. */
export async function fittingFor(
  graph: Graph,
  options: QuantizeOptions & MeasureOptions,
  makeCore: MakeCore,
): Promise<Fitting | string | undefined> {
  const { synth = false, plan, preset } = options;
  const asked = [plan?.default, ...Object.values(plan?.layers ?? {})].some((layer) => layer?.rounding === "fitted");
  if (preset === "float32" || (!synth && !asked)) return undefined;
  const { Fitting } = await import("./fitting.ts");
  try {
    return await Fitting.create(graph, options, makeCore);
  } catch (error) {
    // As with measured plans: what a session could not run either is said there.
    if (error instanceof BitbasisError || error instanceof BadIndex) return `a run failed: ${error.message}`;
    throw error;
  }
}

/** The plan for a target. */
async function targeted(
  graph: Graph,
  options: TargetOptions & { readonly fitting?: Fitting },
  makeCore: MakeCore,
): Promise<Measured> {
  const { planTarget } = await import("./target.ts");
  const { plan, unmeasured } = await planTarget(graph, options, makeCore);
  return { plan, ...(unmeasured !== undefined && { unchecked: unmeasured }) };
}

/** The measured plan of a preset. It is code that only those who ask for it load. */
async function measure(
  graph: Graph,
  options: MeasuredOptions,
  makeCore: MakeCore,
): Promise<Measured | Record<string, never>> {
  const { preset, plan } = options;
  if (preset === "float32" || (plan !== undefined && preset === undefined)) return {};
  const { measuredPlan } = await import("./measured.ts");
  return measuredPlan(graph, options, makeCore);
}

/**
 * The same for a graph as it was read, without writing: what a session does with an `.onnx` source.
 *
 * @throws as `quantize`
 */
export async function quantizeGraph(
  graph: Graph,
  options: QuantizeOptions & MeasureOptions = {},
  makeCore: MakeCore = newCore,
): Promise<Model> {
  const prepared = await prepare(graph, makeCore, CONSTANT_WORK, options.signal);
  const fitted = await fittingFor(prepared, options, makeCore);
  const how = { ...options, ...(typeof fitted === "object" && { fitting: fitted }) };
  const measured = options.check === true ? await measure(prepared, how, makeCore) : {};
  return (await expandGraph(prepared, { ...how, ...measured, isUnmeasured: true }, makeCore)).model;
}

/** Folded, fused, channels-last, bodies too: what plans and kernels are made for. */
export async function prepare(
  graph: Graph,
  makeCore: MakeCore = newCore,
  macs = CONSTANT_WORK,
  signal?: AbortSignal,
): Promise<Graph> {
  await loadCommon();
  await loadOperators(graph);
  const turns = new Turns(signal);
  const read = normalize(float32Inside(graph));
  const isSummed = everyNode(read).some(({ op }) => op === "Einsum");
  const summed = isSummed ? everyBody(read, (await import("./einsum-layers.ts")).einsumLayers) : read;
  // Of a file it may be a second's work. What integer layers look for stays.
  const folded = await turns.run(folding(summed, ["DequantizeLinear"]));
  const layered = everyBody(folded, integerLayers);
  const computed = await computeConstants(layered, makeCore, macs, signal);
  const whole = hoistConstants(uniqueNames(everyBody(computed, (one) => channelsLast(optimize(one)))));
  const even = hasFeatures(whole) ? await turns.run((await import("./even-columns.ts")).evenColumns(whole)) : whole;
  const flat = hasStacks(even) ? (await import("./stacked-tables.ts")).stackedTables(even) : even;
  return shareConstants(flat, constantsOf(graph));
}

/** Whether an input may hold features in units of their own, by column or channel; those of pictures are alike. */
function hasFeatures({ inputs }: Graph): boolean {
  return inputs.some(({ type, shape }) => type.startsWith("float") && (shape?.length ?? 0) < 4);
}

/** Whether matrices may be looked up in a constant. */
function hasStacks({ nodes, initializers }: Graph): boolean {
  return nodes.some(({ op, inputs }) => op.startsWith("Gather") && initializers.get(inputs[0]!)?.dims[2] !== undefined);
}

/** Names of the constants of a file, those of bodies included. */
function constantsOf(graph: Graph): Set<string> {
  const names = new Set(graph.initializers.keys());
  everyBody(graph, (one) => {
    for (const name of one.initializers.keys()) names.add(name);
    return one;
  });
  return names;
}
