import { checkBytes, newCore } from "../core/index.ts";
import { ExternalFiles, readOnnx } from "../onnx/index.ts";
import { type Plan, type PlannableLayer, type PlanOptions, plan as planLayerList } from "../series/index.ts";
import { checkQuantizeOptions, type TargetOptions } from "./options.ts";
import { fittingFor, prepare } from "./quantize.ts";
import { planTarget } from "./target.ts";

/**
 * The plan of a network that reaches a target with the fewest bytes, or has the least error within so many bytes. The network is run on samples, or else on procedural inputs, in
 * float32 and with each layer quantized alone; bits go where they remove most error per byte, and whole plans are measured until the target is just kept. On procedural
 * inputs, which underrate real errors by up to a factor of 3, a third of an `error` is asked for; on n samples that are given, one in 1 + 4/√n, for those that were not.
 *
 * A network that cannot be run here (control flow, shapes that depend on data) has plans for `bytes` only, from its weights alone. A list of layers in the place of a network is planned from
 * their weights alone.
 *
 * @param model - the bytes of an FP32 ONNX network
 * @returns the plan, whose `check` says what was measured on what; `quantize(model, { plan })` and `create(model, { plan })` take it
 * @throws RangeError for fewer bytes than 3 bits everywhere take, and samples that do not fit; BitbasisError UNSUPPORTED for an `error` or `agreement` that cannot be measured,
 *   and as `quantize`
 * @example
 * const { layers, check } = await plan(onnx, { target: { error: 1e-2 }, samples: [{ image }] });
 */
export async function plan(model: Uint8Array, options: TargetOptions): Promise<Plan>;
export async function plan(layers: readonly PlannableLayer[], options: PlanOptions): Promise<Plan>;
export async function plan(
  model: Uint8Array | readonly PlannableLayer[],
  options: TargetOptions | PlanOptions,
): Promise<Plan> {
  if (Array.isArray(model)) return planLayerList(model as readonly PlannableLayer[], options as PlanOptions);
  checkBytes("model", model);
  checkQuantizeOptions(options);
  const how = options as TargetOptions;
  if (how.target === undefined)
    throw new TypeError('"target" expected { error }, { agreement } or { bytes }, got nothing');
  const graph = readOnnx(model, { externalData: new ExternalFiles(how.externalData) });
  const prepared = await prepare(graph, newCore, undefined, how.signal);
  const fitting = await fittingFor(prepared, how, newCore);
  return (await planTarget(prepared, { ...how, ...(typeof fitting === "object" && { fitting }) }, newCore)).plan;
}
