import type { Core } from "../core/index.ts";
import { everyNode, type Graph } from "../graph/index.ts";
import { type Variant, Variants } from "../program/variants.ts";
import {
  besideWeights,
  FLOAT,
  gridWidth,
  isFloat,
  isSlowOnIntegers,
  type LayerPlan,
  type Plan,
  productPlan,
  roundRows,
  toRows,
  UNROUNDED,
  type WeightSeries,
  weightWidth,
  widthPlan,
} from "../series/index.ts";
import { Tensor } from "../tensor/index.ts";
import type { Allocation, Sensitivity } from "./allocate.ts";
import type { Fitting } from "./fitting.ts";
import type { Judge } from "./judge.ts";
import { type LinearNode, readsTable, type Table, tablesOf } from "./linear.ts";
import { fullPlan, type ReasonedPlan } from "./plan.ts";
import { roundingOf, tableRounding } from "./quantize-graph.ts";
import type { Records } from "./records.ts";

/** Bits that layers may have, and those at which each is measured alone. */
export interface Levels {
  /** Ascending; 32 is float32. */
  readonly weights: readonly number[];
  readonly activations: readonly number[];
  /** Few enough to be seen, enough to stay where errors grow with the step. */
  readonly probe: readonly [weights: number, activations: number];
  /** Bits of tables that rows are looked up in, 32 is float32; absent: they are left alone. */
  readonly tables?: readonly number[];
  /** Whether layers that integers of 16 bits would make slower keep activations in float32, which cost no bytes. */
  readonly neverSlower?: boolean;
}

/** Stands for all tables among the layers, in the place of a node's name, which holds no NUL. */
const TABLES = "\0tables";

/** Most bytes of all values of a run; networks with more are not measured. */
const MOST_BYTES = 2 ** 30;
/** Rows of a layer that the law of its weight error is taken from. */
const SAMPLED_ROWS = 16;

/** What rounding to nearest must leave of the squared error of SQuant's flips to be taken instead: no less than what two roundings differ by without reason. */
const CLEARLY = 0.9;

/** Squared errors of the outputs with one layer quantized: its weights, its weights rounded to nearest where that may be better, its activations. */
interface Errors {
  readonly weights: Float64Array;
  readonly nearest?: Float64Array;
  readonly activations: Float64Array;
}

interface Probe {
  readonly variant: Variant;
  /** What its squared errors are added to. */
  readonly into: Float64Array;
}

/** Whether a layer is among these, by the name of its node or of its weights. */
export function isFixed({ node, weights }: Pick<LinearNode, "node" | "weights">, fixed: ReadonlySet<string>): boolean {
  return fixed.has(node.name) || fixed.has(weights?.name ?? "");
}

/** Every layer quantized alone. */
export class Ablation {
  /** Layers whose bits are open: neither a front end, nor fixed by the caller. */
  readonly open: readonly LinearNode[];
  private readonly tables: readonly Table[];
  private readonly grids = new Map<string, number | undefined>();
  /** Layers whose weights err less when they are rounded to nearest: behind a LayerNorm, some; never behind a Relu, whose mean SQuant's flips are made for. */
  private readonly nearest = new Set<LinearNode>();

  constructor(
    private readonly core: Core,
    private readonly graph: Graph,
    linear: readonly LinearNode[],
    private readonly structural: ReadonlyMap<string, ReasonedPlan>,
    private readonly levels: Levels,
    fixed: ReadonlySet<string> = new Set(),
    private readonly fitting?: Fitting,
  ) {
    this.open = linear.filter(({ node, weights, frontEnd }) => {
      const isClosed = frontEnd || (weights === undefined && isFloat(structural.get(node.name)!));
      return !isClosed && !isFixed({ node, weights }, fixed);
    });
    const series = new Set(this.open.map(({ weights }) => weights?.name));
    this.tables = levels.tables === undefined ? [] : tablesOf(graph).filter(({ name }) => !series.has(name));
  }

  /** What each layer does to the outputs; or why that cannot be found out. */
  async sensitivities(
    { stage, feeds, probes: count }: Pick<Records, "stage" | "feeds" | "probes">,
    judge: Judge,
    turn: (loaded: number, total: number) => Promise<void>,
  ): Promise<Sensitivity[] | string> {
    const sums = () => new Float64Array(judge.count);
    const errors = new Map(
      this.open.map((linear): [LinearNode, Errors] => {
        const nearest = this.mayBeNearest(linear) ? { nearest: sums() } : {};
        return [linear, { weights: sums(), activations: sums(), ...nearest }];
      }),
    );
    const ofTables = sums();
    const place = new Map(stage.nodes.map(({ name }, i) => [name, i]));
    const probes: Probe[] = [];
    for (const [linear, into] of errors) probes.push(...this.layerProbes(linear, into));
    for (const table of this.tables) probes.push(...this.tableProbes(table, ofTables));
    // A branch that is not taken has no part in the run.
    const run = probes.filter(({ variant }) => place.has(variant.node));
    run.sort((a, b) => place.get(b.variant.node)! - place.get(a.variant.node)!);
    let variants: Variants;
    try {
      variants = new Variants(
        this.core,
        { graph: this.graph, weights: new Map(), layers: new Map() },
        stage,
        run.map(({ variant }) => variant),
        MOST_BYTES,
      );
    } catch (error) {
      if (error instanceof RangeError) return error.message;
      throw error;
    }
    const own = new Float64Array(judge.count);
    let done = 0;
    for (const [record, one] of feeds.slice(0, count).entries()) {
      variants.run(one);
      for (const { variant, into } of run) {
        own.fill(0);
        judge.squares(variants.try(variant), record, own);
        for (const [k, square] of own.entries()) into[k] = into[k]! + square;
        await turn(++done, run.length * count);
      }
    }
    for (const [linear, { weights, nearest }] of errors)
      if (nearest !== undefined && most(nearest) < CLEARLY * most(weights)) this.nearest.add(linear);
    const layers = this.open.map((linear) => this.sensitivity(linear, errors.get(linear)!));
    return this.tables.length === 0 ? layers : [...layers, this.ofTables(ofTables)];
  }

  /** Sensitivities from the weights alone, for networks that cannot be run: the squared error of a layer's weights counts by their number. */
  fromWeights(): Sensitivity[] {
    const total = this.open.reduce((sum, { weights }) => sum + (weights?.tensor.size ?? 0), 0);
    const layers = this.open.map((linear): Sensitivity => {
      const share = (linear.weights?.tensor.size ?? 0) / total;
      const base = linear.weights === undefined ? 0 : this.weightErrors(linear)(this.levels.probe[0]) ** 2 * share;
      return this.sensitivity(linear, { weights: Float64Array.of(base), activations: new Float64Array(1) });
    });
    return this.tables.length === 0 ? layers : [...layers, this.ofTables(Float64Array.of(1e-4))];
  }

  /** The plan that an allocation stands for: `base`, with one entry per layer. */
  plan(base: Plan, allocation: Allocation): Plan {
    const [tables = base.tables] = allocation.widths.get(TABLES) ?? [];
    return fullPlan(
      { ...base, ...(tables !== undefined && { tables: tables === 32 ? 0 : tables }) },
      this.plans(allocation),
    );
  }

  /** Bits that a plan of all layers gives the weights that these sensitivities are of. */
  bitsOf(found: readonly Sensitivity[], { layers = {}, tables = 0 }: Plan): number {
    const bits = (node: string) => (node === TABLES ? tables : weightWidth(layers[node]!)) || 32;
    return found.reduce((sum, { node, size }) => sum + size * bits(node), 0);
  }

  /** The plans of the layers, with a reason each. */
  private plans({ widths, parts }: Allocation): Map<string, ReasonedPlan> {
    const plans = new Map(this.structural);
    for (const linear of this.open) {
      const { node, kind, weights, shape } = linear;
      const [w, asked] = widths.get(node.name)!;
      const bits = besideWeights(kind, w, asked);
      const isSlow = kind === "depthwise" ? bits === 16 : shape !== undefined && isSlowOnIntegers(shape, w, bits);
      // Activations of 8 bits have kernels of their own.
      const a = this.levels.neverSlower === true && bits > 8 && isSlow ? 0 : bits;
      const left = a === 0 ? `; ${UNROUNDED}` : "";
      const share = `${(100 * parts.get(node.name)!).toFixed(1)} % of the squared error${left}`;
      if (w === 32) {
        plans.set(node.name, this.unrounded(linear));
        continue;
      }
      const rounded = weights === undefined ? productPlan(a) : widthPlan(w, a, this.isNearest(linear));
      const plan = this.fitting?.has(weights?.name ?? "", w) ? { ...rounded, rounding: "fitted" as const } : rounded;
      plans.set(node.name, { ...plan, reason: share });
    }
    return plans;
  }

  /** The plan of a layer that errs too much at 16 bits: it multiplies in float32, by weights that keep the bits of their grid if they lie on one. */
  private unrounded({ weights, centred }: LinearNode): ReasonedPlan {
    const grid = weights && this.gridOf(weights);
    if (grid === undefined) return { ...FLOAT, reason: "float32: its error at 16 bits is too large" };
    const reason = `its error with activations of 16 bits is too large; the weights lie on a grid of ${grid} bits`;
    return { ...widthPlan(grid, 0, centred), reason };
  }

  /** As `gridWidth`; every plan that is tried asks. */
  private gridOf({ name, tensor, axis }: NonNullable<LinearNode["weights"]>): number | undefined {
    const key = `${axis} ${name}`;
    if (!this.grids.has(key)) this.grids.set(key, gridWidth(this.core, tensor, axis));
    return this.grids.get(key);
  }

  private isNearest(linear: LinearNode): boolean {
    return linear.centred || this.nearest.has(linear);
  }

  /** Products of few bits: at twelve and more rounding matters no longer; with both ways for convolutions YuNet was off by 0.071, at the same bits, instead of 0.018. */
  private mayBeNearest({ node, weights, centred, nonNegative }: LinearNode): boolean {
    const isProduct = node.op === "MatMul" && weights !== undefined;
    return isProduct && !centred && !nonNegative && this.levels.probe[0] <= 8;
  }

  private layerProbes(linear: LinearNode, { weights: w, nearest, activations: a }: Errors): Probe[] {
    const [weightBits, activationBits] = this.levels.probe;
    const { weights } = linear;
    const activations = { variant: this.variant(linear, 16, activationBits), into: a };
    if (weights === undefined) return [activations];
    const own = this.variant(linear, weightBits, 16);
    const other = nearest && [{ variant: this.variant(linear, weightBits, 16, true), into: nearest }];
    // A table that is a layer's matrix too is one series: its look-ups err with the layer.
    const looked = this.levels.tables === undefined || weights.axis !== 0 ? [] : this.readers(weights.name);
    const layers = new Map<string, LayerPlan>();
    const shared = looked.map((name) => ({ variant: { node: name, planned: { ...own.planned, layers } }, into: w }));
    return [{ variant: own, into: w }, ...(other ?? []), activations, ...shared];
  }

  private tableProbes({ name, tensor }: Table, into: Float64Array): Probe[] {
    const [width] = this.levels.probe;
    const rounding = tableRounding(`${name}:${width}`, width);
    const weights = new Map([[name, roundRows(this.core, tensor, rounding)]]);
    const planned = { graph: this.graph, weights, layers: new Map() };
    return this.readers(name).map((node) => ({ variant: { node, planned }, into }));
  }

  /** Names of the nodes that look rows of a tensor up. */
  private readers(name: string): string[] {
    return everyNode(this.graph)
      .filter((node) => readsTable(node, name))
      .map((node) => node.name);
  }

  private variant(linear: LinearNode, weightBits: number, activationBits: number, nearest = linear.centred): Variant {
    const { node, weights } = linear;
    const plan = weights === undefined ? productPlan(activationBits) : widthPlan(weightBits, activationBits, nearest);
    const series = new Map<string, WeightSeries>();
    if (weights !== undefined) {
      const { name, tensor } = weights;
      const how = roundingOf(linear, plan);
      series.set(name, roundRows(this.core, tensor, { ...how, name: `${node.name}:${weightBits}${nearest}` }));
    }
    const layers = new Map<string, LayerPlan>([[node.name, plan]]);
    return { node: node.name, planned: { graph: this.graph, weights: series, layers } };
  }

  /** The laws: squared errors fall as those of the weights do, and by four for a bit of the activations. */
  private sensitivity(linear: LinearNode, { weights: flipped, nearest, activations: a }: Errors): Sensitivity {
    const { node, weights } = linear;
    const w = this.nearest.has(linear) ? nearest! : flipped;
    const [weightBits, activationBits] = this.levels.probe;
    const activations = this.levels.activations.map((bits) => [bits, scaled(a, 4 ** (activationBits - bits))] as const);
    if (weights === undefined) {
      const float = this.levels.weights.includes(32) ? [[0, w] as const, [32, w] as const] : [[0, w] as const];
      return { node: node.name, size: 64, weights: new Map(float), activations: new Map(activations) };
    }
    const errors = this.weightErrors(linear);
    const base = errors(weightBits);
    const laws = this.levels.weights.map(
      (bits) => [bits, scaled(w, base > 0 ? (errors(bits) / base) ** 2 : 0)] as const,
    );
    const grid = this.gridOf(weights);
    const levels = laws.filter(([bits]) => grid === undefined || bits < grid || bits === 32);
    if (grid !== undefined) levels.push([grid, scaled(w, 0)]);
    levels.sort(([one], [other]) => one - other);
    const rows = weights.tensor.dims[weights.axis] ?? 1;
    const size = weights.tensor.size + 64 * rows;
    return { node: node.name, size, weights: new Map(levels), activations: new Map(activations) };
  }

  private ofTables(errors: Float64Array): Sensitivity {
    const [probe] = this.levels.probe;
    const laws = this.levels.tables!.map(
      (bits) => [bits, scaled(errors, bits === 32 ? 0 : 4 ** (probe - bits))] as const,
    );
    const size = this.tables.reduce((sum, { tensor }) => sum + tensor.size, 0);
    const none = new Map([[16, new Float64Array(errors.length)]]);
    return { node: TABLES, size, weights: new Map(laws), activations: none };
  }

  /** Relative errors of some rows of the weights by bits; beyond eight bits each halves it. */
  private weightErrors(linear: LinearNode): (bits: number) => number {
    const { tensor, axis } = linear.weights!;
    const rows = tensor.dims[axis] ?? 1;
    const columns = tensor.size / rows;
    const data = toRows(tensor.data, tensor.dims, axis);
    const count = Math.min(rows, SAMPLED_ROWS);
    const sample = new Float32Array(count * columns);
    for (let r = 0; r < count; r++) {
      const from = Math.floor((r * rows) / count) * columns;
      sample.set(data.subarray(from, from + columns), r * columns);
    }
    const some = new Tensor("float32", sample, [count, columns]);
    const known = new Map<number, number>();
    const measured = (bits: number): number => {
      const how = roundingOf(linear, widthPlan(bits, 16, this.isNearest(linear)));
      if (!known.has(bits)) known.set(bits, roundRows(this.core, some, { ...how, axis: 0 }).relativeError);
      return known.get(bits)!;
    };
    return (bits) => (bits === 32 ? 0 : bits <= 8 ? measured(bits) : measured(8) * 2 ** (8 - bits));
  }
}

function most(errors: Float64Array): number {
  return errors.reduce((a, b) => Math.max(a, b), 0);
}

function scaled(errors: Float64Array, factor: number): Float64Array {
  return errors.map((v) => v * factor);
}
