import { type Core, type Layer, layerOf } from "../core/index.ts";
import { isSigned, termWeight, type WeightSeries } from "../series/index.ts";
import { type Stack, StackedSeries } from "./stack.ts";

/** Addresses of one layer's fused integer weights. */
export interface FusedWeights {
  readonly weights: number;
  readonly columnSums: number;
  readonly scales: number;
}

interface Placed extends FusedWeights {
  readonly series: WeightSeries;
  readonly layer: Layer;
  /** Terms that have been added. */
  loaded: number;
}

/**
 * The series of all weights in a core's memory, fused: a panel holds Σ D_i·B^(k−i) of the terms that are there, on the finest
 * lattice, so that a further term is an integer addition and nothing is repacked (ARCHITECTURE.md, "The container").
 */
export class Panels {
  private readonly placed = new Map<string, Map<string, Placed>>();

  constructor(private readonly core: Core) {}

  /** Places a series for the kernel of a layer, once; `layer` of a stacked one has the channels of all its products. */
  place(series: WeightSeries, layer: Layer, stack?: Stack): FusedWeights {
    let layers = this.placed.get(series.name);
    if (layers === undefined) {
      layers = new Map();
      this.placed.set(series.name, layers);
    }
    const key = `${layerOf(layer).join(":")}:${stack?.key}`;
    let placed = layers.get(key);
    if (placed === undefined) {
      const own = stack === undefined ? series : new StackedSeries(series, stack.products, series.columns / layer.taps);
      placed = this.allocate(own, layer);
      layers.set(key, placed);
      this.load(placed);
    }
    const { weights, columnSums, scales } = placed;
    return { weights, columnSums, scales };
  }

  /** Adds the planes that have arrived since to every placed layer of the series. */
  refine(series: WeightSeries): void {
    for (const placed of this.placed.get(series.name)?.values() ?? []) this.load(placed);
  }

  private allocate(series: WeightSeries, layer: Layer): Placed {
    const core = this.core;
    const bytes = core.exports.panelBytes(...layerOf(layer));
    const padded = core.exports.paddedRows(layer.kernel, series.rows);
    const weights = core.allocate(bytes);
    const columnSums = core.allocate(padded * 4);
    const scales = core.allocate(padded * 4);
    core.u8(weights, bytes).fill(0);
    core.i32(columnSums, padded).fill(0);
    core.f32(scales, padded).fill(0).set(series.scales);
    return { weights, columnSums, scales, series, layer, loaded: 0 };
  }

  private load(placed: Placed): void {
    const core = this.core;
    const { addTerm, addZeroPoints, addOutliers } = core.exports;
    const { series } = placed;
    const { bits, digits, planes, zeros, sparse } = series;
    const panels = [...layerOf(placed.layer), placed.weights, placed.columnSums] as const;
    for (; placed.loaded < planes.length; placed.loaded++) {
      const unsigned = isSigned(digits, placed.loaded) ? 0 : 1;
      const weight = termWeight(series, placed.loaded);
      core.lend([planes[placed.loaded]!], (plane) => addTerm(...panels, plane, bits, unsigned, weight));
      if (placed.loaded > 0) continue;
      // What comes with the first term.
      if (zeros !== undefined) core.lend([zeros], (at) => addZeroPoints(...panels, at));
      if (sparse === undefined) continue;
      const { indices, values } = sparse;
      core.lend([indices, values], (at, of) => addOutliers(...panels, at, of, values.length));
    }
  }
}
