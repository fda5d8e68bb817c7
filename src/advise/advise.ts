import { BitbasisError, type Core, checkBytes, newCore } from "../core/index.ts";
import type { Graph } from "../graph/index.ts";
import { type Audit, audit } from "../networks/attention-audit.ts";
import { findAttention } from "../networks/attention-blocks.ts";
import { regimeOfOnnx } from "../networks/regimes.ts";
import { type ExternalData, ExternalFiles, readOnnx } from "../onnx/index.ts";
import { checkQuantizeOptions, type TargetOptions, type TargetPlan } from "../quantize/index.ts";
import { prepare } from "../quantize/quantize.ts";
import { planTarget } from "../quantize/target.ts";
import { activationWidth, FLOAT, isFloat, type LayerPlan, weightWidth } from "../series/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { Advice, Figures, LayerAdvice, RegimeAdvice } from "./advice.ts";
import { ActivationLosses, weightLoss } from "./format.ts";
import { answers, summary } from "./sentences.ts";

export type AdviseOptions = TargetOptions;

/** Weight bits of one to four INT4 terms. */
const TERMS = [4, 8, 12, 16];

/**
 * How many bits each layer of a network needs for a target, why, and what the theories of this package say about it: one answer from the measurement of `plan`, the attention
 * audit, the regimes and the fixed-point formats. The advised plan has been measured on the samples, or on procedural inputs, and is held against the best plan with the same bits everywhere.
 *
 * @param onnx - the bytes of an FP32 ONNX network
 * @returns the plan with a reason for every layer, a line for people, and figures; see `Advice`
 * @throws as `plan` of "bitbasis/series"
 * @example
 * const { summary, plan } = await advise(onnx, { target: { error: 1e-2 }, samples: [{ image }] });
 * const { bytes } = await quantize(onnx, { plan });
 */
export async function advise(onnx: Uint8Array, options: AdviseOptions): Promise<Advice> {
  checkBytes("onnx", onnx);
  checkQuantizeOptions(options);
  if (options.target === undefined)
    throw new TypeError('"target" expected { error }, { agreement } or { bytes }, got nothing');
  const { target, externalData, signal, samples } = options;
  // Samples are gone through more than once.
  const how = { ...options, ...(samples !== undefined && typeof samples === "object" && { samples: listed(samples) }) };
  const graph = readOnnx(onnx, { externalData: new ExternalFiles(externalData) });
  const prepared = await prepare(graph, newCore, undefined, signal);
  const found = await planTarget(prepared, how, newCore);
  const core = await newCore();
  const attention = await attentionOf(onnx, graph, found, how);
  const regime = regimeOf(onnx, found, externalData);
  const layers = layersOf(core, prepared, graph, found, regime, attention);
  const weightsOnly = await weightsAlone(found, signal);
  const { plan, bytes, error, agreement, records, allocation, uniform } = found;
  const about = {
    ...{ target, plan, layers, bytes, regime, predicted: allocation.predicted },
    ...(error !== undefined && {
      measured: { error, inputs: records!.names, ...(agreement !== undefined && { agreement }) },
    }),
    ...(uniform !== undefined && { uniform }),
    ...(weightsOnly !== undefined && { weightsOnly }),
    ...(attention !== undefined && { attention }),
  };
  return { summary: summary(about), ...about, answers: answers(about) };
}

function listed<T>(samples: Iterable<T>): Iterable<T> {
  return Symbol.iterator in samples ? [...samples] : samples;
}

/** The plan with activations in float32. */
async function weightsAlone(
  { plan, linear, reference }: TargetPlan,
  signal?: AbortSignal,
): Promise<Figures | undefined> {
  if (reference === undefined) return undefined;
  const layers = linear.map(({ node, weights }): [string, LayerPlan] => {
    const { activationBits: _, ...rest } = plan.layers?.[node.name] ?? plan.default;
    return [node.name, weights === undefined ? FLOAT : { ...rest, activationTerms: 0 }];
  });
  const alone = { ...plan, layers: Object.fromEntries(layers) };
  const { model: _, ...figures } = await reference.try(alone, newCore, signal === undefined ? {} : { signal });
  return figures;
}

/** The audit at the samples, or the procedural inputs, of the plan. */
async function attentionOf(
  onnx: Uint8Array,
  graph: Graph,
  { records }: TargetPlan,
  { externalData, signal }: AdviseOptions,
): Promise<Audit | string | undefined> {
  if (findAttention(graph).length === 0) return undefined;
  if (records === undefined) return "the network cannot be run here";
  const samples = records.feeds
    .slice(0, records.probes)
    .map((feeds) => Object.fromEntries(feeds) as Record<string, Tensor>);
  try {
    const about = { ...(externalData && { externalData }), ...(signal && { signal }) };
    return {
      ...(await audit(onnx, { samples, bits: [4, 6, 8, 10, 12, 14, 16], ...about })),
      generated: !records.given,
    };
  } catch (error) {
    if (error instanceof BitbasisError || error instanceof RangeError) return error.message;
    throw error;
  }
}

function regimeOf(onnx: Uint8Array, { records }: TargetPlan, externalData?: ExternalData): RegimeAdvice | string {
  try {
    const shape = records === undefined || records.feeds[0]!.size > 1 ? undefined : [...records.feeds[0]!][0]![1].dims;
    const about = { ...(shape && { shape }), ...(externalData && { externalData }) };
    const { a, bUnder, bOver, caveats } = regimeOfOnnx(onnx, { bits: 16, ...about });
    return { bitsUnder: a + bUnder + 1, bitsOver: a + bOver + 1, caveats };
  } catch (error) {
    if (error instanceof BitbasisError || error instanceof RangeError) return error.message;
    throw error;
  }
}

function layersOf(
  core: Core,
  prepared: Graph,
  graph: Graph,
  { plan, linear, sensitivities, allocation, reference }: TargetPlan,
  regime: RegimeAdvice | string,
  attention: Audit | string | undefined,
): LayerAdvice[] {
  const activations = new ActivationLosses(prepared);
  const byNode = new Map(sensitivities.map((one) => [one.node, one]));
  const root = (squares: Float64Array | undefined): number => Math.sqrt(Math.max(0, ...(squares ?? [])));
  const blocks = new Map(findAttention(graph).map(({ product }, layer) => [product, layer]));
  return linear.map((one): LayerAdvice => {
    const { node, weights } = one;
    const { reason = "", ...layer }: LayerPlan & { reason?: string } = plan.layers?.[node.name] ?? plan.default;
    const own = byNode.get(node.name);
    const loss = weightLoss(core, one, layer);
    const activation = activations.of(node, layer);
    const bits = weightWidth(layer);
    const block = typeof attention === "object" ? attention.blocks[blocks.get(node.name) ?? -1] : undefined;
    const heads = (block?.heads ?? []).flatMap(({ head, safeBits, agreementBits }) => {
      const wanted =
        safeBits === undefined || agreementBits === undefined ? undefined : Math.max(safeBits, agreementBits);
      const width = isFloat(layer) ? 32 : activationWidth(layer);
      return wanted !== undefined && wanted <= width ? [] : [{ head, ...(wanted !== undefined && { bits: wanted }) }];
    });
    // Where a grid is kept, more bits than it has change nothing.
    const errorAt = (asked: number): number => {
      const level = [...own!.weights.keys()].filter((known) => known <= asked).at(-1);
      return root(level === undefined ? undefined : own!.weights.get(level));
    };
    return {
      ...{ name: node.name, op: node.op, plan: layer, reason, share: allocation.parts.get(node.name) ?? 0 },
      ...(weights && { shape: weights.tensor.dims }),
      errors:
        reference === undefined || own === undefined || weights === undefined
          ? []
          : TERMS.map((width) => ({ bits: width, error: errorAt(width) })),
      ...(reference !== undefined && own !== undefined && { activationError: root(own.activations.get(8)) }),
      ...(loss && { weights: loss }),
      ...(activation && { activation }),
      ...(typeof regime === "object" &&
        bits > 0 && { regime: bits < regime.bitsUnder ? "under" : bits < regime.bitsOver ? "proper" : "over" }),
      ...(heads.length > 0 && { heads }),
    };
  });
}
