import { Opcode } from "../core/abi/opcode.ts";
import {
  atOnce,
  type Core,
  chooseKernel,
  type Kernel,
  type Layer,
  type LinearWork,
  layerOf,
  lendTerms,
  tapsBehind,
} from "../core/index.ts";
import type { Elsewhere } from "../parallel/index.ts";
import { lowestOf, type WeightSeries, widthOf } from "../series/index.ts";
import { packedTerms } from "./fused.ts";
import { type Stack, StackedSeries } from "./stack.ts";
import { selectedSeries, type TapSelection } from "./taps.ts";

/** What a layer makes of its series. */
interface View {
  /** Pairs of terms are left out. */
  readonly stack?: Stack | undefined;
  /** Only some taps. */
  readonly selection?: TapSelection | undefined;
  /** Plain linear steps read it and nothing else, so that it may be held elsewhere. */
  readonly isPlain?: boolean;
  /** `LinearWork.isTiled`. */
  readonly isTiled?: boolean;
}

/** Addresses of one layer's fused integer weights, and the kernel that reads them. */
export interface FusedWeights {
  readonly kernel: Kernel;
  readonly weights: number;
  readonly columnSums: number;
  readonly scales: number;
  /** `ConvStep.turns`; 0 for a layer that has none. */
  readonly turns: number;
}

interface Placed extends Omit<FusedWeights, "turns"> {
  readonly series: WeightSeries;
  readonly layer: Layer;
  /** Terms that have been added. */
  loaded: number;
  /** 0: none; absent: not asked for yet. */
  turns?: number;
  /** Held elsewhere: its panels are an address. */
  readonly held: boolean;
}

/** Bits of weights that panels hold; the widest hold every fused weight. */
const WIDTHS = [4, 8, 16] as const;
const WIDEST = 16;
/**
 * Turns are worth their bookkeeping from so many k-pairs on: weights of 16 bits have 2.0 … 2.4 on average and are slower by 5 … 14 % with turns than with
 * blocks of one pair, those of 14 bits have 8 and more and are faster by 20 … 35 %.
 */
const LEAST_TURN = 2.5;
/** Elements that are added between two stops: some 10 ms. */
const PIECE = 2 ** 21;

/**
 * The series of all weights in a core's memory, fused: a panel holds Σ D_i·B^(k−i) of the terms that are there, on the finest
 * lattice, so that a further term is an integer addition and nothing is repacked (ARCHITECTURE.md, "The container"). Panels are as narrow as the bits
 * of all terms; a series that outgrows them, which digits below the symmetric range or zero points can do, is packed again.
 */
export class Panels {
  private readonly placed = new Map<string, Map<string, Placed>>();
  /** Bits of the panels of series that have outgrown those of their own bits. */
  private readonly widened = new Map<string, number>();

  constructor(
    private readonly core: Core,
    private readonly elsewhere?: Elsewhere,
  ) {}

  /** Whether other workers may hold weights, and give integer sums. */
  get isElsewhere(): boolean {
    return this.elsewhere !== undefined;
  }

  /**
   * Places a series for a layer and chooses the layer's kernel, once.
   *
   * @param shape - of a stacked layer, with the channels of all its products
   */
  place(...args: Parameters<Panels["placing"]>): FusedWeights {
    return atOnce(this.placing(...args));
  }

  /** The same with stops where the series is large. */
  *placing(
    series: WeightSeries,
    work: Omit<LinearWork, "weightBits" | "rows" | "channels" | "dots">,
    shape: Omit<Layer, "kernel">,
    view: View = {},
  ): Generator<undefined, FusedWeights, void> {
    const { stack, selection, isPlain = false, isTiled = false } = view;
    const held = isPlain && this.elsewhere !== undefined;
    const dots = isPlain && !held && stack === undefined ? this.core.dots : undefined;
    let layers = this.placed.get(series.name);
    if (layers === undefined) {
      layers = new Map();
      this.placed.set(series.name, layers);
    }
    const { rows, channels } = shape;
    const layer = {
      kernel: chooseKernel({
        ...{ ...work, rows, channels, dots },
        ...{ weightBits: this.bitsOf(series), isTiled: isTiled && !held },
      }),
      ...shape,
    };
    const key = `${layerOf(layer).join(":")}:${stack?.key}:${selection?.key}:${held}`;
    let placed = layers.get(key);
    if (placed === undefined) {
      const some = selection === undefined ? series : selectedSeries(series, selection);
      const own = stack === undefined ? some : new StackedSeries(some, stack.products, some.columns / layer.taps);
      placed = this.allocate(own, layer, held);
      // Gone unless all terms are added, and fit.
      let outgrown: boolean | undefined;
      try {
        // To clear 32 MB takes as long as a piece.
        yield;
        outgrown = yield* this.outgrows(placed);
      } finally {
        // Those of other layers, some taps of a transposed convolution, stay as they are: steps that have been emitted read them.
        if (outgrown !== false) this.forget(placed);
      }
      if (outgrown) {
        this.widen(series);
        return yield* this.placing(series, work, shape, view);
      }
      layers.set(key, placed);
    }
    if (layer.kernel === Opcode.ConvI16 && !work.exactInInt32 && placed.turns === undefined && !held) {
      placed.turns = this.takeTurns(placed);
    }
    if (layer.kernel === Opcode.ConvU7 && !dots?.sums32) placed.turns ??= this.takeQuadTurns(placed);
    const { kernel, weights, columnSums, scales, turns = 0 } = placed;
    return { kernel, weights, columnSums, scales, turns };
  }

  /**
   * Adds the planes that have arrived since to every placed layer of the series.
   *
   * @returns true when the series has outgrown its panels: they are gone, and with them the programs that read them
   */
  refine(series: WeightSeries): boolean {
    for (const placed of this.placed.get(series.name)?.values() ?? []) {
      if (!atOnce(this.outgrows(placed))) continue;
      this.widen(series);
      for (const all of this.placed.get(series.name)!.values()) this.forget(all);
      this.placed.delete(series.name);
      return true;
    }
    return false;
  }

  private allocate(series: WeightSeries, layer: Layer, held: boolean): Placed {
    const { core } = this;
    const bytes = held ? 0 : core.exports.panelBytes(...layerOf(layer));
    const padded = core.exports.paddedRows(layer.kernel, series.rows);
    // Offsets of the columns follow the sums of ConvU7.
    const offset = layer.kernel === Opcode.ConvU7 ? -lowestOf(series) : 0;
    const entries = layer.kernel === Opcode.ConvU7 ? 2 * padded : padded;
    const blocks: number[] = [];
    try {
      for (const size of [bytes, entries * 4, padded * 4]) blocks.push(core.allocate(size));
    } catch (error) {
      for (const at of blocks) core.release(at);
      throw error;
    }
    const [weights, columnSums, scales] = blocks as [number, number, number];
    core.u8(weights, bytes).fill(offset);
    core.i32(columnSums, entries).fill(offset).fill(0, 0, padded);
    core.f32(scales, padded).fill(0).set(series.scales);
    if (held) this.elsewhere!.hold(weights, series, layer);
    return { kernel: layer.kernel, weights, columnSums, scales, series, layer, held, loaded: 0 };
  }

  /** Notes the turns that the weights that are there allow; 0 if they are too short to be worth it. */
  private takeTurns({ layer, weights }: Placed): number {
    const core = this.core;
    const pairs = core.exports.panelBytes(...layerOf(layer)) / core.exports.panelBytes(layer.kernel, 1, 1, 1, 2);
    const turns = core.allocate(pairs);
    if (pairs >= LEAST_TURN * core.exports.turns(...layerOf(layer), weights, turns)) return turns;
    core.release(turns);
    return 0;
  }

  /** Notes after how many words of depth the sums of a panel leave int16. */
  private takeQuadTurns({ layer, weights }: Placed): number {
    const { exports } = this.core;
    const counts = this.core.allocate(
      exports.panelBytes(...layerOf(layer)) / exports.panelBytes(layer.kernel, 1, 1, layer.taps, layer.channels),
    );
    exports.turns(...layerOf(layer), weights, counts);
    return counts;
  }

  private bitsOf(series: WeightSeries): number {
    return this.widened.get(series.name) ?? widthOf(series);
  }

  /** The next panels of a series are wider. */
  private widen(series: WeightSeries): void {
    this.widened.set(series.name, WIDTHS.find((width) => width > this.bitsOf(series)) ?? WIDEST);
  }

  private forget({ weights, columnSums, scales, turns = 0 }: Placed): void {
    for (const at of [weights, columnSums, scales, turns]) if (at !== 0) this.core.release(at);
  }

  /** Adds the terms that are missing; whether panels that could be wider do not hold the result. */
  private *outgrows(placed: Placed): Generator<undefined, boolean, void> {
    const core = this.core;
    const { addTerms, addOutliers, panelBytes } = core.exports;
    const { series } = placed;
    const { planes, zeros, sparse } = series;
    if (placed.held) {
      if (placed.loaded < planes.length) this.elsewhere!.renew(placed.weights);
      placed.loaded = planes.length;
    }
    if (placed.loaded === planes.length) return false;
    const { layer, weights, columnSums, loaded: first, turns = 0 } = placed;
    const tiled = layer.kernel === Opcode.WinogradI16;
    const { offset, ...taps } = tiled ? tapsBehind(core, layer) : { offset: 0, ...layer };
    const { rows, groups, kernel } = layer;
    const columns = taps.taps * taps.channels;
    // Digits of 16 rows begin in a byte of their own, and panels have as many columns at most. What ConvU7 has behind its sums is not cut.
    const most = groups > 1 || kernel === Opcode.ConvU7 ? rows : Math.max(16, Math.floor(PIECE / columns) & -16);
    let fits = true;
    const missing = packedTerms(series, first);
    for (let row = 0; row < rows; row += most) {
      const end = row + most < rows ? row + most : undefined;
      const own = layerOf({ ...taps, rows: (end ?? rows) - row });
      const panels = weights + offset + (row && panelBytes(...layerOf({ ...taps, rows: row })));
      const byte = (r: number, bits: number): number => (r * columns * bits) / 8;
      const terms = missing.map((term) => ({
        ...term,
        plane: term.plane.subarray(byte(row, term.bits), end && byte(end, term.bits)),
      }));
      lendTerms(core, terms, (at, count) => {
        const add = (zero: number): void => {
          fits = addTerms(...own, panels, columnSums + 4 * row, at, count, zero) === 1 && fits;
        };
        if (first > 0 || zeros === undefined) add(0);
        else core.lend([zeros.subarray(row, end)], add);
      });
      if (end !== undefined) yield;
    }
    const panels = [...layerOf(taps), weights + offset, columnSums] as const;
    placed.loaded = planes.length;
    if (first === 0 && sparse !== undefined) {
      const { indices, values } = sparse;
      core.lend([indices, values], (at, of) => {
        fits = addOutliers(...panels, at, of, values.length) === 1 && fits;
      });
    }
    if (tiled) fits = core.exports.transformWeights(layer.kernel, layer.rows, layer.channels, weights) === 1 && fits;
    if (turns !== 0) core.exports.turns(...layerOf(layer), weights, turns);
    return !fits && this.bitsOf(series) < WIDEST;
  }
}

/** Under what key the fused rows of a table lie among the constants. */
export function tableKey(name: string): string {
  return `rows:${name}`;
}
