import { type Core, depthwiseBytesI16, pairsOf, panelBytesI16 } from "../core/index.ts";
import { isSigned, termWeight, type WeightSeries } from "../series/index.ts";

/** How a layer reads its weights: see `ConvStep`. */
export interface PanelLayout {
  readonly kind: "gemm" | "depthwise";
  readonly groups: number;
  readonly taps: number;
  /** Input channels per group; of a depthwise layer, all its channels. */
  readonly channels: number;
}

/** Addresses of one layer's fused integer weights. */
export interface FusedWeights {
  readonly weights: number;
  readonly columnSums: number;
  readonly scales: number;
}

interface Placed extends FusedWeights {
  readonly layout: PanelLayout;
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

  /** Places a series in a layout, once. */
  place(series: WeightSeries, layout: PanelLayout): FusedWeights {
    let layouts = this.placed.get(series.name);
    if (layouts === undefined) {
      layouts = new Map();
      this.placed.set(series.name, layouts);
    }
    const key = `${layout.kind}:${layout.groups}:${layout.taps}:${layout.channels}`;
    let placed = layouts.get(key);
    if (placed === undefined) {
      placed = this.allocate(series, layout);
      layouts.set(key, placed);
      this.load(series, placed);
    }
    const { weights, columnSums, scales } = placed;
    return { weights, columnSums, scales };
  }

  /** Adds the planes that have arrived since to every placed layout of the series. */
  refine(series: WeightSeries): void {
    for (const placed of this.placed.get(series.name)?.values() ?? []) this.load(series, placed);
  }

  private allocate(series: WeightSeries, layout: PanelLayout): Placed {
    const bytes = panelBytes(series.rows, layout);
    const padded = 8 * Math.ceil(series.rows / 8);
    const weights = this.core.allocate(bytes);
    const columnSums = this.core.allocate(padded * 4);
    const scales = this.core.allocate(padded * 4);
    this.core.u8(weights, bytes).fill(0);
    this.core.i32(columnSums, padded).fill(0);
    const view = this.core.f32(scales, padded).fill(0);
    view.set(series.scales);
    return { weights, columnSums, scales, layout, loaded: 0 };
  }

  private load(series: WeightSeries, placed: Placed): void {
    const { kind, groups, taps, channels } = placed.layout;
    const { addTerm, addTermDepthwise } = this.core.exports;
    const { weights, columnSums } = placed;
    for (; placed.loaded < series.planes.length; placed.loaded++) {
      const plane = this.core.place(series.planes[placed.loaded]!);
      const weight = termWeight(series, placed.loaded);
      const unsigned = isSigned(series.digits, placed.loaded) ? 0 : 1;
      if (kind === "depthwise") {
        addTermDepthwise(plane, series.bits, weight, channels, taps, weights, columnSums, unsigned);
      } else {
        addTerm(
          plane,
          series.bits,
          weight,
          groups,
          series.rows / groups,
          taps,
          channels,
          weights,
          columnSums,
          unsigned,
        );
      }
      this.core.release(plane);
      if (placed.loaded === 0) this.shift(series, placed);
    }
  }

  /** Applies what comes with the first term: zero points and outliers. */
  private shift(series: WeightSeries, placed: Placed): void {
    const { rows, columns, zeros, sparse } = series;
    const panels = this.core.i16(placed.weights, panelBytes(rows, placed.layout) / 2);
    const sums = this.core.i32(placed.columnSums, rows);
    const add = (row: number, element: number, value: number): void => {
      const at = panelIndex(rows, placed.layout, row, element);
      panels[at] = panels[at]! + value;
      sums[row] = sums[row]! + value;
    };
    zeros?.forEach((zero, row) => {
      if (zero !== 0) for (let e = 0; e < columns; e++) add(row, e, -zero);
    });
    sparse?.indices.forEach((e, i) => {
      add(Math.floor(e / columns), e % columns, sparse.values[i]!);
    });
  }
}

/** Bytes of a layer's fused int16 weights. */
function panelBytes(rows: number, { kind, groups, taps, channels }: PanelLayout): number {
  return kind === "depthwise"
    ? depthwiseBytesI16(channels, taps)
    : panelBytesI16(groups, rows / groups, taps, channels);
}

/** Where the kernels look for element `element` (tap by tap, channels innermost) of row `row`, in i16 units. */
export function panelIndex(
  rows: number,
  { kind, groups, taps, channels }: PanelLayout,
  row: number,
  element: number,
): number {
  if (kind === "depthwise") {
    const block = (row >> 3) * Math.ceil(taps / 2) + (element >> 1);
    return block * 16 + (row & 7) * 2 + (element & 1);
  }
  const perGroup = rows / groups;
  const panel = Math.floor(row / perGroup) * Math.ceil(perGroup / 8) + ((row % perGroup) >> 3);
  const [tap, channel] = [Math.floor(element / channels), element % channels];
  return ((panel * taps + tap) * pairsOf(channels) + (channel >> 1)) * 16 + ((row % perGroup) & 7) * 2 + (channel & 1);
}
