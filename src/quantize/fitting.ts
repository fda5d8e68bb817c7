import { type Core, type MakeCore, Turns } from "../core/index.ts";
import { moduleOver } from "../core/share.ts";
import type { Graph } from "../graph/index.ts";
import {
  isRounded,
  type LayerPlan,
  type MeasuredSeries,
  type Plan,
  type RoundedRows,
  type RoundOptions,
  roundRows,
  weightWidth,
} from "../series/index.ts";
import { type Tensor, uniformNumbers } from "../tensor/index.ts";
import { branchesOf } from "./branches.ts";
import { layerRows } from "./layer-inputs.ts";
import { type LinearNode, linearNodes, readsTable } from "./linear.ts";
import type { MeasureOptions, QuantizeOptions } from "./options.ts";
import { planLayers } from "./plan.ts";
import { readersOf } from "./readers.ts";
import { recordsFor } from "./records.ts";
import { type Feeds, Runner, stageFor } from "./runner.ts";
import { sampledText } from "./sampled-text.ts";

/** The functions of assembly/synth.ts. */
interface Kernels {
  addMoments(inputs: number, count: number, n: number, stride: number, moments: number): void;
  factor(moments: number, n: number, unit: number): void;
  fitRows(...words: number[]): void;
}

/** Rows of inputs of one layer that a run is asked for, and elements of inputs that all runs together have at most. */
const [POSITIONS, ELEMENTS] = [96, 2 ** 22];
/** Least and most runs. */
const RUNS = [16, 64] as const;
/**
 * Part of the mean of the diagonal that is added to it: directions that the inputs do not show count too. Of 0.003, 0.01, 0.03 and 0.1 on five networks at 4 and 5 bits (KL divergence on pictures
 * and texts of their own that no table of docs/quantization.md reports), 0.03 has the least geometric mean; a third or three times as much is within 5 %.
 */
const DAMPING = 0.03;
/** Of the inputs, which are others than those that plans are measured on. */
const SEED = 101;
/** Longest row that is fitted, and most bytes of all moments. */
const [LONGEST, MOST_BYTES] = [4096, 2 ** 30];

/**
 * Bits at which rows are fitted. At three, layers behind a Relu err more on real pictures than with SQuant (fmnist_resnet, KL .0040 against .0012), beyond eight errors are
 * small already.
 */
const [LEAST_WIDTH, MOST_WIDTH] = [4, 8];

/** What the rows of one group of output channels are rounded against. */
interface Curvature {
  readonly moments: number;
  readonly unit: number;
  readonly order: number;
}

interface Fitted {
  readonly depth: number;
  /** f64 [groups][depth][depth] while inputs come. */
  readonly moments: number;
  readonly groups: number;
  curvatures?: readonly Curvature[];
}

/**
 * Weights that are rounded so that the outputs of their layer err least on inputs: GPTQ (Frantar et al., ICLR 2023) with two passes of coordinate descent, on second moments of what the
 * layer reads in a float32 run on procedural inputs, or on texts that a decoder writes itself. Deterministic: sums have a fixed order, and there is one build.
 */
export class Fitting {
  private readonly layers = new Map<string, Fitted>();
  private readonly made = new Map<string, MeasuredSeries>();
  /** What the weights are fitted to, for people. */
  names = "";

  private constructor(
    private readonly core: Core,
    private readonly kernels: Kernels,
  ) {}

  /**
   * Runs a prepared network on its inputs.
   *
   * @returns why there is nothing to fit to, as a string: see `recordsFor`
   * @throws the signal's reason when it aborts
   */
  static async create(
    whole: Graph,
    options: Pick<MeasureOptions & QuantizeOptions, "inputRange" | "signal" | "onProgress">,
    makeCore: MakeCore,
  ): Promise<Fitting | string> {
    const { graph, names: held } = branchesOf(whole)[0]!;
    const about = {
      seed: SEED,
      part: true,
      held,
      ...(options.inputRange !== undefined && { inputRange: options.inputRange }),
    };
    const few = recordsFor(graph, about);
    if (typeof few === "string") return few;
    const core = await makeCore();
    const fitting = new Fitting(core, await moduleOver<Kernels>(core, "synth"));
    const text = sampledText(await makeCore(), graph, few);
    const size = [...few.feeds[0]!.values()].reduce((sum, tensor) => sum + tensor.size, 0);
    const runs = Math.min(RUNS[1], Math.max(RUNS[0], Math.floor(ELEMENTS / size)));
    const feeds = text === undefined ? (recordsFor(graph, about, runs) as typeof few).feeds : [text];
    fitting.names = text === undefined ? `${runs} of ${few.names}` : "text that it wrote itself";
    await fitting.observe(graph, feeds, makeCore, options);
    return fitting;
  }

  /** Whether the rows of these weights are fitted at so many bits. */
  has(name: string, width: number): boolean {
    return width >= LEAST_WIDTH && width <= MOST_WIDTH && this.layers.has(name);
  }

  /** The plan of structure and weights, with every layer fitted that can be. */
  plan(graph: Graph, options: QuantizeOptions, core: Core): Plan {
    const linear = linearNodes(graph);
    const { plan, layers } = planLayers(core, linear, options);
    const fitted = linear.map(({ node, weights }): [string, LayerPlan] => {
      const layer = layers.get(node.name)!;
      const can = isRounded(layer) && this.has(weights?.name ?? "", weightWidth(layer));
      return [node.name, can ? { ...layer, rounding: "fitted" } : layer];
    });
    return { ...plan, version: 2, layers: Object.fromEntries(fitted) };
  }

  /** As `roundRows`, fitted; what was made before is not made again. */
  round(tensor: Tensor<"float32">, options: RoundOptions): MeasuredSeries {
    const key = `${options.bits}/${options.width}/${options.zeroPoint} ${options.name}`;
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const roundWith = (rows: RoundedRows): void => this.fitRows(options.name, rows);
    // Errors of clipped weights are taken up by the others: the least squares are the best scale.
    const expansion = roundRows(this.core, tensor, { ...options, power: 2, flips: false, roundWith });
    this.made.set(key, expansion);
    return expansion;
  }

  private async observe(
    graph: Graph,
    feeds: readonly Feeds[],
    makeCore: MakeCore,
    { signal, onProgress }: Pick<QuantizeOptions, "signal" | "onProgress">,
  ): Promise<void> {
    const readers = readersOf(graph);
    const linear = linearNodes(graph).filter(({ weights }) => {
      // Rows that are looked up too are to be near the weights, not their products.
      return weights !== undefined && !(readers.get(weights.name) ?? []).some((node) => readsTable(node, weights.name));
    });
    const asked = [...new Set(linear.map(({ node }) => node.inputs[0]!))].filter((name) => !feeds[0]!.has(name));
    const outputs = asked.map((name) => ({ name, type: "float32" as const, shape: undefined }));
    const planned = { graph: { ...graph, outputs }, weights: new Map(), layers: new Map() };
    const runner = new Runner(await makeCore(), planned);
    const types = [...feeds[0]!].map(([name, { type, dims }]) => [name, { type, shape: dims }] as const);
    const stage = stageFor({ ...planned, graph }, types);
    const nodes = new Map(stage.nodes.map((node) => [node.name, node]));
    const uniform = uniformNumbers(1);
    const turns = new Turns(signal);
    for (const [run, feed] of feeds.entries()) {
      await turns.next();
      onProgress?.({ phase: "fit", loaded: run, total: feeds.length });
      const values = new Map([...feed, ...runner.run(feed)]);
      for (const one of linear) {
        const node = nodes.get(one.node.name);
        const x = values.get(one.node.inputs[0]!);
        const output = stage.values.get(node?.outputs[0] ?? "");
        if (node === undefined || x?.type !== "float32" || output === undefined) continue;
        const rows = layerRows(node, x, one.weights!.tensor.dims, output);
        if (rows === undefined || rows.depth > LONGEST || rows.positions === 0) continue;
        this.add(one, rows, feeds.length === 1 ? rows.positions : POSITIONS, uniform);
      }
    }
    // Inputs that are not finite say nothing.
    for (const [name, { moments, groups, depth }] of this.layers) {
      if (!this.core.f64(moments, groups * depth * depth).every(Number.isFinite)) this.layers.delete(name);
    }
  }

  private add(
    { weights }: LinearNode,
    { depth, groups, positions, read }: NonNullable<ReturnType<typeof layerRows>>,
    most: number,
    uniform: () => number,
  ): void {
    const { core } = this;
    const { name } = weights!;
    const bytes = 8 * groups * depth * depth;
    const used = [...this.layers.values()].reduce((sum, one) => sum + 8 * one.groups * one.depth * one.depth, 0);
    if (!this.layers.has(name)) {
      if (used + bytes > MOST_BYTES) return;
      const moments = core.allocate(bytes);
      core.u8(moments, bytes).fill(0);
      this.layers.set(name, { depth, groups, moments });
    }
    const layer = this.layers.get(name)!;
    if (layer.depth !== depth || layer.groups !== groups) return;
    const chosen =
      positions <= most
        ? Array.from({ length: positions }, (_, i) => i)
        : Array.from({ length: most }, () => Math.floor(uniform() * positions));
    const stride = 8 * Math.ceil(depth / 8);
    const inputs = new Float32Array(chosen.length * stride);
    const at = core.allocate(inputs.byteLength);
    for (let group = 0; group < groups; group++) {
      inputs.fill(0);
      for (const [i, position] of chosen.entries()) read(position, group, inputs, i * stride);
      core.f32(at, inputs.length).set(inputs);
      this.kernels.addMoments(at, chosen.length, depth, stride, layer.moments + 8 * group * depth * depth);
    }
    core.release(at);
  }

  private fitRows(name: string, { rows, columns, ...given }: RoundedRows): void {
    const { core } = this;
    const layer = this.layers.get(name)!;
    layer.curvatures ??= this.curvatures(layer);
    const each = rows / layer.groups;
    const scratch = core.allocate(32 * columns);
    for (const [group, { moments, unit, order }] of layer.curvatures.entries()) {
      const first = group * each;
      const elements = 4 * first * columns;
      this.kernels.fitRows(
        ...[given.weights + elements, given.scales + 4 * first, given.zeros + 4 * first, each, columns],
        ...[given.steps, given.offset, moments, unit, order, given.wide + elements, scratch],
        given.errors + 24 * first,
      );
    }
    core.release(scratch);
  }

  /** The moments of each group with columns in descending order of their diagonal, and the factor. */
  private curvatures({ depth: n, groups, moments }: Fitted): Curvature[] {
    const { core } = this;
    const all = core.f64(moments, groups * n * n).slice();
    core.release(moments);
    return Array.from({ length: groups }, (_, group): Curvature => {
      const base = group * n * n;
      const diagonal = Float64Array.from({ length: n }, (_, i) => all[base + i * n + i]!);
      const mean = diagonal.reduce((sum, v) => sum + v, 0) / n;
      // In units of their mean, so that f32 holds them whatever the inputs are.
      const factor = mean > 0 ? 1 / mean : 0;
      const order = Int32Array.from(diagonal.keys()).sort((a, b) => diagonal[b]! - diagonal[a]! || a - b);
      const own = core.allocate(8 * n * n);
      const lower = core.f64(own, n * n);
      const whole = new Float32Array(n * n);
      for (const [i, a] of order.entries()) {
        for (let j = 0; j <= i; j++) {
          const b = order[j]!;
          const value =
            all[base + (a > b ? a * n + b : b * n + a)]! * factor + (i === j ? (mean > 0 ? DAMPING : 1) : 0);
          lower[i * n + j] = value;
          whole[i * n + j] = value;
          whole[j * n + i] = value;
        }
      }
      const unit = core.allocate(4 * n * n);
      this.kernels.factor(own, n, unit);
      core.release(own);
      return { moments: core.place(whole), unit, order: core.place(order) };
    });
  }
}
