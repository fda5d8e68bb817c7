import { BadIndex, BitbasisError, type MakeCore, Turns } from "../core/index.ts";
import type { Graph, ValueInfo } from "../graph/index.ts";
import { cutWidth, isRounded, type Plan, type PlanCheck, type Preset, weightWidth } from "../series/index.ts";
import { Ablation, isFixed, type Levels } from "./ablation.ts";
import { allocate, type Giving } from "./allocate.ts";
import { type Branch, branchesOf } from "./branches.ts";
import type { Fitting } from "./fitting.ts";
import { type LinearNode, linearNodes } from "./linear.ts";
import type { MeasureOptions, QuantizeOptions } from "./options.ts";
import { fullPlan, planLayers, type ReasonedPlan } from "./plan.ts";
import { checkRange } from "./procedural.ts";
import { hasFreeSizes, layersBehind, type Records, recordsFor } from "./records.ts";
import { Reference, type Trial } from "./reference.ts";

/** Beside what callers say: what weights are fitted to. */
export type MeasuredOptions = QuantizeOptions & MeasureOptions & { readonly fitting?: Fitting };

/** What a measurement comes to: a plan of all layers, or why nothing could be measured. */
export type Measured = { readonly plan: Plan } | { readonly unchecked: string };

/** How a preset spends bits: what it promises, and the bits that it may take. */
interface Policy extends Levels, Giving {
  /** Largest error on procedural inputs. */
  readonly tolerance: number;
  /** Whether the largest deviation counts beside the mean one. */
  readonly largest: boolean;
}

/**
 * `faithful` promises 2e-3 on real inputs, and on procedural ones a third of it is asked, since these underrate by up to that. The others stop where more bits
 * were not seen in the answers of classifiers and texts, and in boxes of detectors. Under `fast` weights below seven bits and tables below eight would save bytes, but no time. Where `compact` would keep its error with less than four bits of a weight, it takes four, and gives them to the layers that need
 * them: with four everywhere fmnist_resnet had a KL divergence of 9.8e-3, with as many on average 1.4e-3 (500 pictures). Its activations, whose bits cost no bytes, have an eighth of the squared error, not a half.
 */
const POLICIES: Readonly<Record<Exclude<Preset, "float32">, Policy>> = {
  faithful: {
    tolerance: 7e-4,
    weights: [12, 14, 16, 32],
    activations: [16],
    probe: [12, 16],
    tables: [12, 13, 14, 16, 32],
    largest: true,
    neverSlower: true,
  },
  fast: {
    tolerance: 0.03,
    weights: [7, 8, 9, 10, 12, 16],
    activations: [8, 12, 16],
    probe: [6, 8],
    tables: [8, 10, 12, 16],
    largest: false,
    part: 1 / 4,
    neverSlower: true,
  },
  compact: {
    tolerance: 0.085,
    weights: [3, 4, 5, 6, 7, 8, 10, 12, 16],
    activations: [8, 12, 16],
    probe: [6, 8],
    tables: [4, 5, 6, 7, 8, 10, 12, 16],
    largest: false,
    part: 1 / 8,
    least: 4,
  },
};

/**
 * What is left of the tolerance of `fast` and `compact`, on the one frame that is measured, where a state is handed on: errors come back with it. Three releases of Silero on 120 frames of tones were off by up to
 * .22 of the largest probability with all of the tolerance, .036 with half of it, .023 with a quarter and .016 with an eighth (`fast`), .27, .062, .062 and .037 (`compact`). `faithful` has 16 bits there.
 */
const STREAMING_PART = 1 / 4;

/** The policy of a preset for these layers. Bits of tables are the caller's where a plan says them. */
function policyOf(preset: keyof typeof POLICIES, linear: readonly LinearNode[], given: Plan | undefined): Policy {
  const { tables, tolerance, ...policy } = POLICIES[preset];
  const part = preset !== "faithful" && linear.some(({ streaming }) => streaming) ? STREAMING_PART : 1;
  const own = given?.tables === undefined && tables !== undefined ? { tables } : {};
  return { ...policy, ...own, tolerance: part * tolerance };
}

/** By how much free sizes are divided at most where outputs tell nothing: powers of sums over 64 steps overflow float32, those over a few do not. */
const MOST_SHRUNK = 8;

/**
 * Up to so many times the bits of a container the structural plan is taken where it errs less: laws are those of single layers on these inputs, and what is left of them where few bits are at stake is chance. A
 * graph convolution under `fast`, 5,424 bytes and off by 1.5e-2 on its own inputs: by structure 5,264 and 1.1e-2.
 */
const MUCH_THE_SAME = 1.03;

/** Bits of a container beside its weights, for all and for each node, whose names count most where networks are small (the middle of 54 networks). */
const HEADER = { all: 8192, node: 512 };

/** How many plans are tried: what the laws predict is off by a factor of 2 at times. */
const ROUNDS = 7;

/**
 * A plan with bits where they are needed, found by running the network on procedural inputs in float32 and with each layer quantized alone. A run of the whole plan then says
 * what it comes to. Deterministic: the same model gives the same plan on every machine.
 *
 * @throws RangeError for an input range that makes no sense, the signal's reason when it aborts
 */
export async function measuredPlan(graph: Graph, options: MeasuredOptions, makeCore: MakeCore): Promise<Measured> {
  checkRange(options.inputRange, graph.inputs);
  let found: Measured | undefined;
  // What was measured in one branch stays as it is in those that come after it.
  let layers: Plan["layers"] = {};
  for (const branch of branchesOf(float32Outputs(graph))) {
    const before = found !== undefined && "plan" in found ? { ...found.plan, layers } : undefined;
    const plan = before === undefined ? options.plan : { ...before, layers: { ...layers, ...options.plan?.layers } };
    const next = await measuredBranch(branch, { ...options, ...(plan !== undefined && { plan }) }, makeCore);
    if ("unchecked" in next) found ??= next;
    else {
      found = { plan: withCheck(next.plan, before?.check) };
      layers = Object.fromEntries(Object.entries(next.plan.layers ?? {}).filter(([name]) => !next.behind.has(name)));
      if (next.behind.size === 0) break;
    }
  }
  return found!;
}

/** A plan that was measured in one branch more. */
function withCheck({ check, ...plan }: Plan, before: PlanCheck | undefined): Plan {
  if (check === undefined || before === undefined) return { ...plan, ...(check && { check }) };
  const worse = (name: "predicted" | "measured") => Math.max(before[name] ?? 0, check[name] ?? 0);
  const inputs = `${before.inputs}; ${check.inputs}`;
  return { ...plan, check: { ...check, predicted: worse("predicted"), measured: worse("measured"), inputs } };
}

/** A plan, and the layers of it that were not run; or why nothing was measured. */
type MeasuredBranch = { readonly plan: Plan; readonly behind: ReadonlySet<string> } | { readonly unchecked: string };

async function measuredBranch(
  { graph, names }: Branch,
  options: MeasuredOptions,
  makeCore: MakeCore,
): Promise<MeasuredBranch> {
  const { preset = "faithful", inputRange } = options;
  if (preset === "float32") return { unchecked: "float32 has nothing to measure" };
  try {
    const linear = linearNodes(graph);
    const about = { part: true, held: names, ...(inputRange !== undefined && { inputRange }) };
    let silent: { readonly unchecked: string } | undefined;
    for (let shrink = 1; shrink <= (hasFreeSizes(graph) ? MOST_SHRUNK : 1); shrink *= 2) {
      const records = recordsFor(graph, { ...about, shrink });
      if (typeof records === "string") return silent ?? { unchecked: records };
      const behind = layersBehind(linear, records.stage).map(({ node }) => node.name);
      const found = await measured(graph, linear, records, new Set(behind), { ...options, preset }, makeCore);
      if ("plan" in found) return withTwins(withNote(found.plan, silent?.unchecked), linear, new Set(behind));
      silent ??= found;
    }
    return silent!;
  } catch (error) {
    // What a session could not run either is said there; a container of it can be written all the same.
    if (error instanceof BitbasisError || error instanceof BadIndex)
      return { unchecked: `a run failed: ${error.message}` };
    throw error;
  }
}

/** A plan whose check says why it was not made on larger sizes, such as that outputs overflow there. */
function withNote(plan: Plan, unchecked: string | undefined): Plan {
  const { check } = plan;
  if (check === undefined || unchecked === undefined) return plan;
  return { ...plan, check: { ...check, inputs: `${check.inputs}; at larger sizes ${unchecked}` } };
}

/** Layers that were not run have the plan of one that was and has the same weights: these are stored once then. */
function withTwins(plan: Plan, linear: readonly LinearNode[], behind: ReadonlySet<string>): MeasuredBranch {
  const layers = { ...plan.layers };
  const run = new Map(
    linear.filter(({ node, weights }) => weights && !behind.has(node.name)).map((one) => [one.weights!.name, one]),
  );
  const left = new Set(behind);
  for (const { node, weights } of linear.filter((one) => behind.has(one.node.name))) {
    const twin = run.get(weights?.name ?? "");
    if (twin === undefined) continue;
    layers[node.name] = layers[twin.node.name]!;
    left.delete(node.name);
  }
  return { plan: { ...plan, layers }, behind: left };
}

/** With the float32 values of which outputs of 16 bits are made in their place: one step of such an output is as much as all of the error that `faithful` may have. */
function float32Outputs(graph: Graph): Graph {
  const casts = new Map(graph.nodes.flatMap((node) => (node.op === "Cast" ? [[node.outputs[0], node] as const] : [])));
  const outputs = graph.outputs.map((output): ValueInfo => {
    const cast = output.type.endsWith("float16") ? casts.get(output.name) : undefined;
    return cast === undefined ? output : { ...output, name: cast.inputs[0]!, type: "float32" };
  });
  return { ...graph, outputs };
}

async function measured(
  graph: Graph,
  linear: readonly LinearNode[],
  records: Records,
  behind: ReadonlySet<string>,
  options: MeasuredOptions,
  makeCore: MakeCore,
): Promise<Measured> {
  const { plan: given, signal, onProgress, fitting } = options;
  const preset = options.preset as keyof typeof POLICIES;
  const core = await makeCore();
  const structural = planLayers(core, linear, { preset, ...(given === undefined ? {} : { plan: given }) });
  const policy = policyOf(preset, linear, given);
  const reference = new Reference(core, graph, records, policy.largest);
  const judge = reference.probes;
  if (judge.count === 0) return { unchecked: judge.silent };
  const attempt = (plan: Plan): Promise<Trial> =>
    reference.try(plan, makeCore, { preset, ...(signal && { signal }), ...(fitting && { fitting }) });
  const said = (predicted: number, measured: number) => ({
    ...{ tolerance: policy.tolerance, predicted, measured, inputs: records.names },
  });
  const fixed = new Set([...Object.keys(given?.layers ?? {}), ...behind]);
  if (preset === "faithful") {
    const open = linear.filter((layer) => !isFixed(layer, fixed));
    for (const layers of [leaner(open, structural.layers), structural.layers]) {
      if (layers === undefined) continue;
      const plan = fullPlan(structural.plan, layers);
      const { error } = await attempt(plan);
      if (error <= policy.tolerance) return { plan: { ...plan, check: said(error, error) } };
    }
  }
  const layers = new Ablation(core, graph, linear, structural.layers, policy, fixed, fitting);
  const turns = new Turns(signal);
  const found = await layers.sensitivities(records, judge, async (loaded, total) => {
    onProgress?.({ phase: "measure", loaded, total });
    await turns.next();
  });
  if (typeof found === "string") return { unchecked: found };
  // What is asked of the laws, between what was kept and what was missed.
  let [asked, kept, missed] = [policy.tolerance, 0, Number.POSITIVE_INFINITY];
  let best: Candidate | undefined;
  for (let round = 1; ; round++) {
    // Laws are those of rows that are not fitted: bits go where any rounding hurts, not where it hurts these inputs alone.
    const allocation = allocate(found, asked, policy);
    const plan = layers.plan(structural.plan, allocation);
    const { error } = await attempt(plan);
    const candidate = { error, plan: { ...plan, check: said(allocation.predicted, error) } };
    if (error <= policy.tolerance) [kept, best] = [asked, candidate];
    else missed = Math.min(asked, allocation.predicted);
    if (round === ROUNDS || missed === Number.POSITIVE_INFINITY || kept > 0.94 * missed) {
      best ??= candidate;
      break;
    }
    asked = kept > 0 ? Math.sqrt(kept * missed) : missed * Math.max(0.25, (0.96 * policy.tolerance) / error);
  }
  if (preset === "faithful" || fitting !== undefined) return { plan: best.plan };
  const plan = fullPlan(structural.plan, structural.layers);
  const { error } = await attempt(plan);
  const isAlone = error <= policy.tolerance && best.error > policy.tolerance;
  const bits = (one: Plan) => HEADER.all + HEADER.node * graph.nodes.length + layers.bitsOf(found, one);
  const isBetter = error < best.error && bits(plan) <= MUCH_THE_SAME * bits(best.plan);
  return { plan: isAlone || isBetter ? { ...plan, check: said(error, error) } : best.plan };
}

interface Candidate {
  readonly plan: Plan;
  readonly error: number;
}

/**
 * What is tried first of the layers whose bits are open in networks with depthwise layers, whose weights have 16 bits in case that they need them: 14 for all but the first and the last layer. fmnist_mobilenet, a classifier, keeps what
 * is asked, YuNet and PP-OCR's detector do not. Undefined where nothing changes.
 */
function leaner(
  linear: readonly LinearNode[],
  layers: ReadonlyMap<string, ReasonedPlan>,
): ReadonlyMap<string, ReasonedPlan> | undefined {
  if (!linear.some(({ kind }) => kind === "depthwise")) return undefined;
  const wide = linear.filter(({ node, kind, last }) => {
    const plan = layers.get(node.name)!;
    return (kind === "separable" || kind === "other") && !last && isRounded(plan) && weightWidth(plan) === 16;
  });
  if (wide.length === 0) return undefined;
  const reason = "14 bits were measured to be enough";
  return new Map([
    ...layers,
    ...wide.map(({ node }) => [node.name, narrowed(layers.get(node.name)!, reason)] as const),
  ]);
}

function narrowed(plan: ReasonedPlan, reason: string): ReasonedPlan {
  return { ...plan, weightTerms: cutWidth(14, plan.bits).terms, weightBits: 14, reason };
}
