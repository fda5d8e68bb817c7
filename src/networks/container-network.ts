// Quantized container → exact dyadic ReLU network: a weight is a float32 scale times an integer, which is a dyadic number.
import { checkOptions } from "../core/index.ts";
import { type Arrangement, newOrder, rearrangement } from "../export/arrange.ts";
import type { Emitter } from "../export/emitter.ts";
import { standardGraph, type WeightWriter } from "../export/standard.ts";
import type { DyadicNetwork } from "../regimes/index.ts";
import { fromRows, fuse, type WeightSeries } from "../series/index.ts";
import { openModel } from "../session/open.ts";
import { Reading } from "../session/source.ts";
import { type Shape, Tensor } from "../tensor/index.ts";
import { type ReluNetworkOptions, reluNetworkOfGraph } from "./relu-network.ts";

/**
 * Reads the weights of a quantized container as one exact network: what the container computes if its activations were not rounded.
 * The scales make for many fractional bits (24 and more); round the result where that is too many.
 *
 * @throws as `reluNetwork`, and BitbasisError (`MODEL`) for bytes that are no container
 * @example
 * const { bytes } = await quantize(mlp, { preset: "fast" });
 * const { network } = roundNetwork(await containerNetwork(bytes), 10);
 */
export async function containerNetwork(
  container: Uint8Array,
  options: ReluNetworkOptions = {},
): Promise<DyadicNetwork> {
  checkOptions(options);
  const { graph, weights } = (await openModel(new Reading(container), {})).model;
  const exact = new Exact(weights);
  return reluNetworkOfGraph(standardGraph(graph, new Set(weights.keys()), exact), options, exact.values);
}

/** Weights as float32 initializers, with what they are exactly. */
class Exact implements WeightWriter {
  readonly values = new Map<string, Float64Array>();

  constructor(private readonly weights: ReadonlyMap<string, WeightSeries>) {}

  dims(name: string): Shape | undefined {
    return this.weights.get(name)?.shape;
  }

  value(name: string, to: Emitter): void {
    const { shape, ...series } = this.weights.get(name)!;
    const values = exactValues({ shape, ...series });
    this.values.set(to.initializer(name, new Tensor("float32", Float32Array.from(values), shape)), values);
  }

  arranged(name: string, as: Arrangement, group: number, to: Emitter): string {
    const series = this.weights.get(name)!;
    const values = exactValues(series);
    const moved = Float64Array.from(newOrder(series.shape, as, group), (from) => values[from]!);
    const { to: shape } = rearrangement(series.shape, as, group);
    const made = to.constant(`${name}/first`, new Tensor("float32", Float32Array.from(moved), shape));
    this.values.set(made, moved);
    return made;
  }
}

/** s·(Q − zero) of every weight: 24 bits times 16 bits, which a double holds exactly. */
function exactValues(series: WeightSeries): Float64Array {
  const fused = fuse(series);
  const rows = Float64Array.from(fused, (q, at) => series.scales[Math.floor(at / series.columns)]! * q);
  return fromRows(rows, series.shape, series.axis);
}
