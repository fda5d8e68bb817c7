import { BadIndex, BitbasisError, type Core, type MakeCore, yieldToEventLoop } from "../core/index.ts";
import type { Graph } from "../graph/index.ts";
import { type Stage, specialize } from "../graph/specialize.ts";
import type { Model } from "../model/index.ts";
import { compile } from "../program/compile.ts";
import { Constants } from "../program/constants.ts";
import { Panels } from "../program/panels.ts";
import { type Variant, Variants } from "../program/variants.ts";
import {
  FLOAT,
  gridWidth,
  isFloat,
  type LayerPlan,
  type Plan,
  type Preset,
  productPlan,
  roundRows,
  toRows,
  type WeightSeries,
  widthPlan,
} from "../series/index.ts";
import { elementBytes, type Shape, sizeOf, Tensor, viewData } from "../tensor/index.ts";
import { type Allocation, allocate, type Sensitivity } from "./allocate.ts";
import { type LinearNode, linearNodes } from "./linear.ts";
import type { MeasureOptions, QuantizeOptions } from "./options.ts";
import { planLayers, type ReasonedPlan } from "./plan.ts";
import { canBeMade, checkRange, type ProceduralInputs, proceduralInputs, shapesOf } from "./procedural.ts";
import { expandGraph, roundingOf } from "./quantize-graph.ts";

/** What a measurement comes to: a plan of all layers, or why nothing could be measured. */
export type Measured = { readonly plan: Plan } | { readonly unchecked: string };

/** How a preset spends bits: what it promises, and the bits that it may take. */
interface Policy {
  /** Largest error on procedural inputs. */
  readonly tolerance: number;
  readonly weights: readonly number[];
  readonly activations: readonly number[];
  /** Bits at which one layer alone is measured: few enough to be seen, enough to stay where errors grow with the step. */
  readonly probe: readonly [weights: number, activations: number];
  /** Whether the largest deviation counts beside the mean one. */
  readonly largest: boolean;
}

/**
 * `faithful` promises 2e-3 on real inputs, and on procedural ones a third of it is asked, since these underrate by up to that. The others stop where more bits
 * were not seen in the answers of classifiers and texts, and in boxes of detectors.
 */
const POLICIES: Readonly<Record<Exclude<Preset, "float32">, Policy>> = {
  faithful: { tolerance: 7e-4, weights: [12, 16, 32], activations: [16], probe: [12, 16], largest: true },
  fast: { tolerance: 0.03, weights: [6, 7, 8, 9, 10, 12, 16], activations: [8, 12, 16], probe: [6, 8], largest: false },
  compact: {
    tolerance: 0.09,
    weights: [4, 5, 6, 7, 8, 10, 12, 16],
    activations: [8, 12, 16],
    probe: [6, 8],
    largest: false,
  },
};

/** Most bytes of all values of a run; networks with more are not measured. */
const MOST_BYTES = 2 ** 30;
/** How many plans are tried: what the laws predict is off by a factor of 2 at times. */
const ROUNDS = 4;

/**
 * A plan with bits where they are needed, found by running the network on procedural inputs in float32 and with each layer quantized alone. A run of the whole plan then says
 * what it comes to. Deterministic: the same model gives the same plan on every machine.
 *
 * @throws RangeError for an input range that makes no sense, the signal's reason when it aborts
 */
export async function measuredPlan(
  graph: Graph,
  options: QuantizeOptions & MeasureOptions,
  makeCore: MakeCore,
): Promise<Measured> {
  checkRange(options.inputRange, graph.inputs);
  try {
    return await measured(graph, options, makeCore);
  } catch (error) {
    // What a session could not run either is said there; a container of it can be written all the same.
    if (error instanceof BitbasisError || error instanceof BadIndex)
      return { unchecked: `a run failed: ${error.message}` };
    throw error;
  }
}

async function measured(
  graph: Graph,
  options: QuantizeOptions & MeasureOptions,
  makeCore: MakeCore,
): Promise<Measured> {
  const { preset = "faithful", plan: given, inputRange, signal, onProgress } = options;
  if (preset === "float32") return { unchecked: "float32 has nothing to measure" };
  const stage = stageOf(graph);
  if (typeof stage === "string") return { unchecked: stage };
  const core = await makeCore();
  const linear = linearNodes(graph);
  const structural = planLayers(core, linear, { preset, ...(given === undefined ? {} : { plan: given }) });
  const policy = POLICIES[preset];
  const about = inputRange === undefined ? {} : { inputRange };
  const inputs = proceduralInputs(graph, { shapes: stage.shapes, ...about });
  const exact = { graph, weights: new Map(), layers: new Map() };
  const expected = inputs.feeds.map((feeds) => runOnce(core, exact, stage.stage, feeds));
  const judge = new Judge(expected, policy.largest);
  if (judge.count === 0)
    return { unchecked: "its outputs on procedural inputs are empty, constant, integer or not finite" };

  const measure = async (plan: Plan): Promise<number> => {
    signal?.throwIfAborted();
    const own = await makeCore();
    const { model } = await expandGraph(graph, { preset, plan, ...(signal === undefined ? {} : { signal }) }, makeCore);
    return judge.worst(inputs.feeds.map((feeds) => runOnce(own, model, undefined, feeds)));
  };
  const said = (predicted: number, measured: number) => ({
    ...{ tolerance: policy.tolerance, predicted, measured },
    inputs: inputRange === undefined ? `${inputs.names} (guessed)` : inputs.names,
  });
  const first = fullPlan(structural.plan, structural.layers);
  if (preset === "faithful") {
    const error = await measure(first);
    if (error <= policy.tolerance) return { plan: { ...first, check: said(error, error) } };
  }
  const layers = new Ablation(
    core,
    graph,
    linear,
    structural.layers,
    policy,
    new Set(Object.keys(given?.layers ?? {})),
  );
  const found = await layers.sensitivities(stage.stage, inputs, judge, async (loaded, total) => {
    onProgress?.({ phase: "measure", loaded, total });
    await yieldToEventLoop();
    signal?.throwIfAborted();
  });
  if (typeof found === "string") return { unchecked: found };
  // What is asked of the laws, between what was kept and what was missed.
  let [asked, kept, missed] = [policy.tolerance, 0, Number.POSITIVE_INFINITY];
  let best: Plan | undefined;
  for (let round = 1; ; round++) {
    const allocation = allocate(found, asked);
    const plan = fullPlan(structural.plan, layers.plans(allocation));
    const error = await measure(plan);
    const checked = { ...plan, check: said(allocation.predicted, error) };
    if (error <= policy.tolerance) [kept, best] = [asked, checked];
    else missed = Math.min(asked, allocation.predicted);
    if (round === ROUNDS || missed === Number.POSITIVE_INFINITY || kept > 0.8 * missed)
      return { plan: best ?? checked };
    asked = kept > 0 ? Math.sqrt(kept * missed) : missed * Math.max(0.25, (0.9 * policy.tolerance) / error);
  }
}

function fullPlan(base: Plan, layers: ReadonlyMap<string, ReasonedPlan>): Plan {
  return { ...base, version: 2, layers: Object.fromEntries(layers) };
}

/** The whole network as one stage, for shapes that it takes; or why there is none. */
function stageOf(graph: Graph): { stage: Stage; shapes: Map<string, Shape> } | string {
  let why = "";
  for (const scale of [1, 2, 0.5, 4, 0.25]) {
    const shapes = shapesOf(graph.inputs, scale);
    const odd = graph.inputs.find((input) => !canBeMade(input));
    if (odd !== undefined) return `its input "${odd.name}" is ${odd.holder ?? odd.type}`;
    const feeds = graph.inputs.map(({ name, type }) => [name, { type, shape: shapes.get(name)! }] as const);
    try {
      const stage = specialize(graph, Object.fromEntries(feeds));
      if (stage.final && stage.stop === undefined) return { stage, shapes };
      why = stage.stop?.kind === "control" ? "it has control flow" : "its shapes depend on data";
    } catch (error) {
      if (!(error instanceof BitbasisError || error instanceof RangeError || error instanceof TypeError)) throw error;
      why = `no sizes of its free dimensions were found that it takes: ${error.message}`;
    }
  }
  return why;
}

/** The outputs of a model, of which nothing is kept. */
function runOnce(
  core: Core,
  model: Pick<Model, "graph" | "weights" | "layers">,
  known: Stage | undefined,
  feeds: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  const weights = new Map([...model.weights].map(([name, { shape }]) => [name, { type: "float32" as const, shape }]));
  const types = [...feeds].map(([name, { type, dims }]) => [name, { type, shape: dims }] as const);
  const stage = known ?? specialize(model.graph, Object.fromEntries(types), { weights });
  const program = compile(model, stage, { core, constants: new Constants(core), panels: new Panels(core), threads: 1 });
  const arena = core.allocate(program.arenaBytes);
  const address = program.write(arena);
  for (const [name, { place }] of program.inputs) {
    const { buffer, byteOffset, byteLength } = feeds.get(name)!.data as Float32Array;
    if ("arena" in place) core.u8(arena + place.arena, byteLength).set(new Uint8Array(buffer, byteOffset, byteLength));
  }
  core.run(address, 0, program.steps.length);
  const results = new Map<string, Tensor>();
  for (const [name, { type, shape, place }] of program.outputs) {
    if ("constant" in place) continue;
    const at = "arena" in place ? arena + place.arena : place.address;
    const bytes = core.u8(at, sizeOf(shape) * elementBytes(type)).slice();
    results.set(name, new Tensor(type, viewData(type as "float32", bytes, sizeOf(shape)), shape));
  }
  for (const at of [arena, address]) core.release(at);
  return results;
}

/** How far outputs are from those in float32: one number for each output and record of inputs that can tell. */
class Judge {
  private readonly used: { readonly record: number; readonly name: string; readonly exact: Float32Array }[] = [];

  constructor(
    expected: readonly ReadonlyMap<string, Tensor>[],
    private readonly largest: boolean,
  ) {
    for (const [record, outputs] of expected.entries()) {
      for (const [name, { type, data }] of outputs) {
        const exact = data as Float32Array;
        if (type !== "float32" || exact.length === 0 || !exact.every(Number.isFinite)) continue;
        if (exact.every((v) => v === exact[0]) && (exact.length > 1 || exact[0] === 0)) continue;
        this.used.push({ record, name, exact });
      }
    }
  }

  get count(): number {
    return this.used.length;
  }

  /** Squared errors of the outputs of one record; the others' stay as they are. */
  squares(outputs: ReadonlyMap<string, Tensor>, record: number, into: Float64Array): void {
    for (const [k, used] of this.used.entries()) {
      if (used.record !== record) continue;
      into[k] = this.square(outputs.get(used.name)!.data as Float32Array, used.exact);
    }
  }

  worst(outputs: readonly ReadonlyMap<string, Tensor>[]): number {
    const squares = new Float64Array(this.count);
    for (const [record, one] of outputs.entries()) this.squares(one, record, squares);
    return Math.sqrt(Math.max(...squares));
  }

  private square(given: Float32Array, exact: Float32Array): number {
    let [missed, energy, most, top] = [0, 0, 0, 0];
    for (let i = 0; i < exact.length; i++) {
      const d = given[i]! - exact[i]!;
      missed += d * d;
      energy += exact[i]! * exact[i]!;
      most = Math.max(most, Math.abs(d));
      top = Math.max(top, Math.abs(exact[i]!));
    }
    const square = Math.max(missed / energy, this.largest ? (most / top) ** 2 : 0);
    return Number.isFinite(square) ? square : 1e6;
  }
}

/** Rows of a layer that the law of its weight error is taken from. */
const SAMPLED_ROWS = 16;

/** Every layer quantized alone. */
class Ablation {
  private readonly open: readonly LinearNode[];

  constructor(
    private readonly core: Core,
    private readonly graph: Graph,
    private readonly linear: readonly LinearNode[],
    private readonly structural: ReadonlyMap<string, ReasonedPlan>,
    private readonly policy: Policy,
    fixed: ReadonlySet<string>,
  ) {
    this.open = linear.filter(({ node, weights }) => {
      return !isFloat(structural.get(node.name)!) && !fixed.has(node.name) && !fixed.has(weights?.name ?? "");
    });
  }

  /** What each layer does to the outputs; or why that cannot be found out. */
  async sensitivities(
    stage: Stage,
    inputs: ProceduralInputs,
    judge: Judge,
    turn: (loaded: number, total: number) => Promise<void>,
  ): Promise<Sensitivity[] | string> {
    const [weightBits, activationBits] = this.policy.probe;
    const probes = this.open.map((linear) => ({
      linear,
      ...(linear.weights === undefined ? {} : { weights: this.variant(linear, weightBits, 16) }),
      activations: this.variant(linear, 16, activationBits),
      errors: [new Float64Array(judge.count), new Float64Array(judge.count)] as const,
    }));
    const all = probes.flatMap(({ weights, activations }) =>
      weights === undefined ? [activations] : [weights, activations],
    );
    let variants: Variants;
    try {
      variants = new Variants(
        this.core,
        { graph: this.graph, weights: new Map(), layers: new Map() },
        stage,
        all,
        MOST_BYTES,
      );
    } catch (error) {
      if (error instanceof RangeError) return error.message;
      throw error;
    }
    let done = 0;
    for (const [record, feeds] of inputs.feeds.entries()) {
      variants.run(feeds);
      for (const { weights, activations, errors } of [...probes].reverse()) {
        if (weights !== undefined) judge.squares(variants.try(weights), record, errors[0]);
        judge.squares(variants.try(activations), record, errors[1]);
        await turn(++done, probes.length * inputs.feeds.length);
      }
    }
    return probes.map(({ linear, errors }) => this.sensitivity(linear, errors));
  }

  /** The plans that an allocation stands for, with a reason each. */
  plans({ widths, parts }: Allocation): Map<string, ReasonedPlan> {
    const plans = new Map(this.structural);
    for (const { node, weights, centred } of this.open) {
      const [w, a] = widths.get(node.name)!;
      const share = `${(100 * parts.get(node.name)!).toFixed(1)} % of the squared error`;
      const plan = w === 32 ? FLOAT : weights === undefined ? productPlan(a) : widthPlan(w, a, centred);
      plans.set(node.name, { ...plan, reason: w === 32 ? "float32: its error at 16 bits is too large" : share });
    }
    return plans;
  }

  private variant({ node, weights, centred }: LinearNode, weightBits: number, activationBits: number): Variant {
    const plan = weights === undefined ? productPlan(activationBits) : widthPlan(weightBits, activationBits, centred);
    const series = new Map<string, WeightSeries>();
    if (weights !== undefined) {
      const { name, tensor } = weights;
      const own = this.linear.find((linear) => linear.node === node)!;
      series.set(name, roundRows(this.core, tensor, { ...roundingOf(own, plan), name: `${node.name}:${weightBits}` }));
    }
    const layers = new Map<string, LayerPlan>([[node.name, plan]]);
    return { node: node.name, planned: { graph: this.graph, weights: series, layers } };
  }

  /** The laws: squared errors fall as those of the weights do, and by four for a bit of the activations. */
  private sensitivity(linear: LinearNode, [w, a]: readonly [Float64Array, Float64Array]): Sensitivity {
    const { node, weights } = linear;
    const [weightBits, activationBits] = this.policy.probe;
    const scaled = (errors: Float64Array, factor: number) => errors.map((v) => v * factor);
    const activations = this.policy.activations.map((bits) => [bits, scaled(a, 4 ** (activationBits - bits))] as const);
    if (weights === undefined) {
      const float = this.policy.weights.includes(32) ? [[0, w] as const, [32, w] as const] : [[0, w] as const];
      return { node: node.name, size: 64, weights: new Map(float), activations: new Map(activations) };
    }
    const errors = this.weightErrors(linear);
    const base = errors(weightBits);
    const laws = this.policy.weights.map(
      (bits) => [bits, scaled(w, base > 0 ? (errors(bits) / base) ** 2 : 0)] as const,
    );
    const grid = gridWidth(this.core, weights.tensor, weights.axis);
    const levels = laws.filter(([bits]) => grid === undefined || bits < grid);
    if (grid !== undefined) levels.push([grid, scaled(w, 0)]);
    const rows = weights.tensor.dims[weights.axis] ?? 1;
    const size = weights.tensor.size + 64 * rows;
    return { node: node.name, size, weights: new Map(levels), activations: new Map(activations) };
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
      const how = roundingOf(linear, widthPlan(bits, 16, linear.centred));
      if (!known.has(bits)) known.set(bits, roundRows(this.core, some, { ...how, axis: 0 }).relativeError);
      return known.get(bits)!;
    };
    return (bits) => (bits === 32 ? 0 : bits <= 8 ? measured(bits) : measured(8) * 2 ** (8 - bits));
  }
}
