import { checkBytes } from "../core/index.ts";
import { everyNode } from "../graph/index.ts";
import { readModel } from "../model/index.ts";
import { BasisModel, type WeightSeries } from "../series/index.ts";
import type { Tensor } from "../tensor/index.ts";

/**
 * The basis models of a network from `quantize`: one per weight term, most significant first, with a layer per linear node. Rows of a
 * convolution are its output channels, the elements of a row its taps with the channels of a tap innermost. Biases belong to the first model.
 *
 * Their sum (`abelianAdd`, in any order) is the network; their accumulators are added layer by layer, never their outputs.
 *
 * @throws BitbasisError MODEL when the bytes are no container
 * @example
 * const models = basisModels((await quantize(onnx, { preset: "fast" })).bytes);
 * const whole = models.reduce(abelianAdd);
 */
export function basisModels(container: Uint8Array): BasisModel[] {
  checkBytes("container", container);
  const { graph, weights, layers } = readModel(container);
  const found = new Map<string, { series: WeightSeries; bias?: Float32Array }>();
  for (const { name, inputs } of everyNode(graph)) {
    const series = weights.get(inputs[1] ?? "");
    if (series === undefined || !layers.has(name)) continue;
    const bias: Tensor | undefined = graph.initializers.get(inputs[2] ?? "");
    found.set(name, { series, ...(bias?.type === "float32" ? { bias: bias.data as Float32Array } : {}) });
  }
  return BasisModel.terms(found);
}
