import { BadIndex, BitbasisError, type MakeCore, Turns } from "../core/index.ts";
import type { Graph } from "../graph/index.ts";
import { writeModel } from "../model/index.ts";
import type { Plan, PlanCheck } from "../series/index.ts";
import { Ablation, type Levels } from "./ablation.ts";
import { type Allocation, allocate, allocationOf, type Sensitivity } from "./allocate.ts";
import { branchesOf } from "./branches.ts";
import type { Fitting } from "./fitting.ts";
import { type LinearNode, linearNodes } from "./linear.ts";
import type { Target, TargetOptions } from "./options.ts";
import { planLayers } from "./plan.ts";
import { expandGraph } from "./quantize-graph.ts";
import { layersBehind, type Records, recordsFor } from "./records.ts";
import { Reference } from "./reference.ts";

/** A plan that was made for a target, and what it is known by. */
export interface TargetPlan {
  /** For `quantize`, `create` and `--plan`. */
  readonly plan: Plan;
  /** Bytes of the container, or a few more. */
  readonly bytes: number;
  /** What was measured on `records`; absent for a network that cannot be run here, whose plan follows from its weights alone. */
  readonly error?: number;
  /** Part of the vectors whose largest element is where it is in float32, 0…1; absent without outputs that have some. */
  readonly agreement?: number;
  /** The best plan with the same bits everywhere that does it too, with activations of 16 bits; weights on a grid keep that. */
  readonly uniform?: Uniform;
  /** The linear nodes that the plan is about, in the order in which they run. */
  readonly linear: readonly LinearNode[];
  /** What each of them does to the outputs, by bits. */
  readonly sensitivities: readonly Sensitivity[];
  /** The widths that the search chose, with what they were predicted to do. */
  readonly allocation: Allocation;
  /** The float32 answers that plans were held against; absent where nothing was measured. */
  readonly reference?: Reference;
  /** What was measured on; absent where nothing was. */
  readonly records?: Records;
  /** Why nothing was measured. */
  readonly unmeasured?: string;
}

/** A plan with the same bits everywhere. */
export interface Uniform {
  /** Of a weight, 3…16. */
  readonly bits: number;
  readonly bytes: number;
  readonly error: number;
  readonly agreement?: number;
}

const LEVELS: Levels = {
  weights: [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 32],
  activations: [8, 12, 16],
  probe: [6, 8],
  tables: [4, 5, 6, 7, 8, 10, 12, 14, 16],
};

/** Part of the squared error that activations may have: at an eighth, the weights pay a tenth of a bit for narrow activations, which are faster. */
const ACTIVATIONS = 1 / 8;
/** Procedural inputs underrate the error of real ones by up to a factor of 3 on 14 networks; see docs/quantization.md. */
const PROCEDURAL_MARGIN = 3;

/**
 * What an error that is asked for is divided by, since it must hold on inputs that were not seen: 1 + 4/√n for n samples, and no more than for procedural ones. The largest error on 2 to
 * 64 other samples was up to 2.5 times that on one sample, and up to 2.35 times that on eight (eight networks, other pictures than docs/how-many-bits.md reports); of a thousand there is little left to see.
 */
function marginOf({ given, feeds }: Pick<Records, "given" | "feeds">): number {
  return given ? Math.min(PROCEDURAL_MARGIN, 1 + 4 / Math.sqrt(feeds.length)) : PROCEDURAL_MARGIN;
}

/** Vectors that an agreement is measured on where nothing is given, and most records for them. */
const [VECTORS, MOST_RECORDS] = [200, 64];
/** How many plans of the hull are tried. */
const ROUNDS = 10;
/** Layers that are tried one by one in the end, to take bits from and to give them to. */
const [SINGLES, FILLS] = [3, 6];
/** Bytes of the header that the figures of the check may vary by. */
const SLACK = 64;

/** What weights are fitted to. */
type Fit = { readonly fitting?: Fitting };

/**
 * The plan with the fewest bytes that reaches a target, or with the least error within so many bytes: the hull of Algorithm M is walked, and whole plans are measured on the way.
 * Deterministic.
 *
 * @param graph - prepared
 * @throws RangeError for bytes that cannot be kept, BitbasisError UNSUPPORTED for an error or agreement of a network that cannot be measured: both say why
 */
export async function planTarget(graph: Graph, options: TargetOptions & Fit, makeCore: MakeCore): Promise<TargetPlan> {
  const { target } = options;
  const found = await sensitivitiesOf(graph, options, makeCore);
  const search = new Search(graph, options, makeCore, found);
  if ("bytes" in target) return search.bytes(target.bytes);
  if (found.unmeasured !== undefined)
    throw new BitbasisError(
      "UNSUPPORTED",
      `a plan for ${spell(target)} needs runs of the network: ${found.unmeasured}`,
    );
  if ("error" in target) return search.error(target.error);
  if (found.reference!.vectors === 0)
    throw new BitbasisError(
      "UNSUPPORTED",
      "a plan for an agreement expected an output of float32 with two axes or more, the last one of at least 2 elements, got none",
    );
  return search.agreement(target.agreement);
}

/** `error=0.001`, as the command line takes it. */
export function spell(target: Target): string {
  return Object.entries(target)
    .map(([name, value]) => `${name}=${value}`)
    .join();
}

type Found = Pick<TargetPlan, "linear" | "sensitivities" | "reference" | "records" | "unmeasured"> & {
  readonly ablation: Ablation;
  readonly base: Plan;
};

async function sensitivitiesOf(whole: Graph, options: TargetOptions & Fit, makeCore: MakeCore): Promise<Found> {
  const { target, inputRange, samples, signal, onProgress, fitting } = options;
  // Samples feed all inputs.
  const { graph, names: held } = samples === undefined ? branchesOf(whole)[0]! : { graph: whole, names: "" };
  const core = await makeCore();
  const linear = linearNodes(graph);
  const { plan: base, layers } = planLayers(core, linear, { preset: "faithful" });
  const ablated = (fixed: ReadonlySet<string>) => new Ablation(core, graph, linear, layers, LEVELS, fixed, fitting);
  const about = { held, ...(inputRange && { inputRange }), ...(samples !== undefined && { samples }) };
  const unmeasured = (why: string): Found => {
    const ablation = ablated(new Set());
    return { linear, sensitivities: ablation.fromWeights(), ablation, base, unmeasured: why };
  };
  try {
    let records = recordsFor(graph, about);
    if (typeof records === "string") return unmeasured(records);
    let reference = new Reference(core, graph, records, true);
    if (reference.probes.count === 0) return unmeasured(reference.probes.silent);
    const ablation = ablated(new Set(layersBehind(linear, records.stage).map(({ node }) => node.name)));
    const turns = new Turns(signal);
    const sensitivities = await ablation.sensitivities(records, reference.probes, async (loaded, total) => {
      onProgress?.({ phase: "measure", loaded, total });
      await turns.next();
    });
    if (typeof sensitivities === "string") return unmeasured(sensitivities);
    if ("agreement" in target && !records.given && reference.vectors > 0) {
      const each = reference.vectors / records.feeds.length;
      const count = Math.min(MOST_RECORDS, Math.ceil(VECTORS / each));
      if (count > records.feeds.length) {
        records = recordsFor(graph, about, count) as Records;
        reference = new Reference(await makeCore(), graph, records, true);
      }
    }
    return { linear, sensitivities, ablation, base, reference, records };
  } catch (error) {
    // A session could not run it either, or not on procedural inputs; samples that do not fit are the caller's to mend.
    if (error instanceof BadIndex || (error instanceof BitbasisError && error.code !== "MODEL"))
      return unmeasured(`a run failed: ${error.message}`);
    throw error;
  }
}

interface Candidate {
  readonly allocation: Allocation;
  readonly plan: Plan;
  readonly bytes: number;
  readonly error?: number;
  readonly agreement?: number;
}

interface EvenCandidate extends Candidate {
  readonly bits: number;
}

function said(even: EvenCandidate | undefined): { readonly uniform?: Uniform } {
  if (even === undefined) return {};
  const { bits, bytes, error, agreement } = even;
  return { uniform: { bits, bytes, error: error!, ...(agreement !== undefined && { agreement }) } };
}

/** Plans along the hull, each known by the tolerance that was asked of the laws. */
class Search {
  private readonly tried = new Map<string, Candidate>();

  constructor(
    private readonly graph: Graph,
    private readonly options: TargetOptions & Fit,
    private readonly makeCore: MakeCore,
    private readonly found: Found,
  ) {}

  private get how(): Pick<TargetOptions & Fit, "signal" | "fitting"> {
    const { signal, fitting } = this.options;
    return { ...(signal && { signal }), ...(fitting && { fitting }) };
  }

  /** The coarsest plan whose measured error is kept, with a margin for inputs that were not seen. */
  error(target: number): Promise<TargetPlan> {
    const limit = target / marginOf(this.found.records!);
    return this.coarsest(
      limit,
      ({ error }) => error! <= limit,
      ({ error }) => Math.min(8, Math.max(1 / 8, (0.95 * limit) / error!)),
    );
  }

  /** The coarsest plan that agrees often enough. */
  agreement(target: number): Promise<TargetPlan> {
    const keeps = ({ agreement }: Candidate) => agreement! >= target;
    return this.coarsest(0.1, keeps, (candidate) => (keeps(candidate) ? 2 : 0.5));
  }

  /**
   * The coarsest plan that keeps a promise, between one that is known to keep it and one that is known not to: at first by steps, then by halving what lies between, until
   * that is less than a tenth of a bit.
   */
  private async coarsest(
    start: number,
    keeps: (candidate: Candidate) => boolean,
    step: (candidate: Candidate) => number,
  ): Promise<TargetPlan> {
    let [asked, kept, missed] = [start, 0, Number.POSITIVE_INFINITY];
    let best: Candidate | undefined;
    while (this.tried.size < ROUNDS && !(kept > 0.93 * missed)) {
      const known = this.tried.size;
      const candidate = await this.measured(this.allocate(asked));
      const { widths } = candidate.allocation;
      if (keeps(candidate)) {
        [kept, best] = [asked, best === undefined || candidate.bytes <= best.bytes ? candidate : best];
        if (this.isLeast(widths)) break;
      } else missed = asked;
      this.tell(this.tried.size);
      const next = asked * step(candidate);
      // A plan that was measured already tells nothing new: then what lies between is halved.
      const inside = this.tried.size > known && next > 1.02 * kept && next < missed / 1.02;
      asked = inside ? next : kept > 0 ? Math.sqrt(kept * Math.min(missed, 64 * kept)) : missed / 8;
    }
    // As many bits as there are: float32 but for what structure decides.
    best ??= await this.measured(this.allocate(0));
    const even = await this.uniform(keeps, false);
    if (even !== undefined && even.bytes < best.bytes) best = even;
    return { ...this.result(await this.trimmed(best, keeps)), ...said(even) };
  }

  /** The finest plan whose container has no more bytes. */
  async bytes(target: number): Promise<TargetPlan> {
    let beside: number | undefined;
    let best: Candidate | undefined;
    for (let round = 0; round < 6; round++) {
      const room = beside === undefined ? target : target - beside;
      const candidate = await this.built(this.finest(8 * room));
      this.tell(round + 1);
      const own = candidate.bytes - candidate.allocation.bits / 8;
      if (candidate.bytes <= target && (best === undefined || candidate.allocation.bits > best.allocation.bits))
        best = candidate;
      if (own === beside) break;
      beside = best === undefined || candidate.bytes <= target ? own : Math.max(own, (beside ?? 0) + 256);
    }
    if (best === undefined) {
      const smallest = await this.built(this.allocate(Number.MAX_VALUE));
      if (smallest.bytes > target)
        throw new RangeError(
          `"target.bytes" expected at least ${smallest.bytes}, what the container has with ${LEVELS.weights[0]} bits everywhere, got ${target}`,
        );
      best = smallest;
    }
    best = await this.filled(best, target);
    if (this.found.reference === undefined) return this.result(best);
    const own = await this.measured(best.allocation);
    const even = await this.uniform(({ bytes }) => bytes <= target, true);
    return { ...this.result(even !== undefined && even.error! < own.error! ? even : own), ...said(even) };
  }

  /** The plan with a level more for layers that still fit, those first that remove most error per bit: the hull has steps, and headers are packed to more or fewer bytes. */
  private async filled(given: Candidate, target: number): Promise<Candidate> {
    const steps = this.found.sensitivities.flatMap(({ node, weights, size }) => {
      const [own, activation] = given.allocation.widths.get(node)!;
      const more = [...weights.keys()].find((bits) => bits > own);
      if (more === undefined) return [];
      const removed = Math.max(...weights.get(own)!.map((square, k) => square - weights.get(more)![k]!));
      const bytes = ((more - own) * size) / 8;
      return removed > 0 ? [{ node, to: [more, activation] as const, bytes, gain: removed / bytes }] : [];
    });
    steps.sort((a, b) => b.gain - a.gain);
    let best = given;
    let tried = 0;
    for (const { node, to, bytes } of steps) {
      if (best.bytes + bytes > target || tried === FILLS) continue;
      tried++;
      const more = new Map([...best.allocation.widths, [node, to] as const]);
      const candidate = await this.built(allocationOf(this.found.sensitivities, more));
      if (candidate.bytes <= target) best = candidate;
    }
    return best;
  }

  /** The same bits everywhere: the fewest that keep a promise, or the most, by halving. */
  private async uniform(keeps: (one: Candidate) => boolean, most: boolean): Promise<EvenCandidate | undefined> {
    const widths = LEVELS.weights.filter((bits) => bits <= 16);
    let [low, high] = [-1, widths.length];
    let best: EvenCandidate | undefined;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      const bits = widths[middle]!;
      const candidate = await this.measured(this.even(bits));
      const kept = keeps(candidate);
      if (kept) best = { ...candidate, bits };
      if (kept === most) low = middle;
      else high = middle;
    }
    return best;
  }

  private even(bits: number): Allocation {
    const { sensitivities } = this.found;
    const widths = sensitivities.map(({ node, weights, activations }) => {
      const levels = [...weights.keys()].filter((level) => level <= 16);
      return [
        node,
        [levels.find((level) => level >= bits) ?? levels.at(-1)!, Math.max(...activations.keys())],
      ] as const;
    });
    return allocationOf(sensitivities, new Map(widths));
  }

  /** The plan with a level less for as many layers as keep the promise, those first whose error grows least per bit: what the steps of the search, and sums of errors, leave. */
  private async trimmed(given: Candidate, keeps: (candidate: Candidate) => boolean): Promise<Candidate> {
    const { widths } = given.allocation;
    const steps = this.found.sensitivities.flatMap(({ node, weights, size }) => {
      const [own, activation] = widths.get(node)!;
      const lower = [...weights.keys()].filter((bits) => bits < own).at(-1);
      if (lower === undefined || own === 32) return [];
      const added = Math.max(...weights.get(lower)!.map((square, k) => square - weights.get(own)![k]!));
      return [{ node, to: [lower, activation] as const, cost: added / ((own - lower) * size) }];
    });
    steps.sort((a, b) => a.cost - b.cost);
    let [low, high, best] = [0, steps.length + 1, given];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      const fewer = new Map([...widths, ...steps.slice(0, middle).map(({ node, to }) => [node, to] as const)]);
      const candidate = await this.measured(allocationOf(this.found.sensitivities, fewer));
      if (keeps(candidate) && candidate.bytes <= best.bytes) [low, best] = [middle, candidate];
      else high = middle;
    }
    // The next layer did not fit; the ones after it may.
    for (const { node, to } of steps.slice(low + 1, low + 1 + SINGLES)) {
      const fewer = new Map([...best.allocation.widths, [node, to] as const]);
      const candidate = await this.measured(allocationOf(this.found.sensitivities, fewer));
      if (keeps(candidate) && candidate.bytes <= best.bytes) best = candidate;
    }
    return best;
  }

  /** The allocation of the least tolerance whose weights have no more bits. */
  private finest(bits: number): Allocation {
    let [low, high] = [1e-9, 1e3];
    for (let i = 0; i < 48; i++) {
      const middle = Math.sqrt(low * high);
      if (this.allocate(middle).bits <= bits) high = middle;
      else low = middle;
    }
    return this.allocate(high);
  }

  private allocate(tolerance: number): Allocation {
    return allocate(this.found.sensitivities, tolerance, { part: ACTIVATIONS });
  }

  private isLeast(widths: Allocation["widths"]): boolean {
    return this.found.sensitivities.every(
      ({ node, weights }) => widths.get(node)![0] === (weights.keys().next().value ?? 0),
    );
  }

  private planOf(allocation: Allocation, figures: { error?: number; agreement?: number }): Plan {
    const { ablation, base, records } = this.found;
    const { error, agreement } = figures;
    const { target } = this.options;
    const check: PlanCheck = {
      target: spell(target),
      tolerance: "error" in target ? target.error : allocation.predicted,
      predicted: allocation.predicted,
      ...(agreement === undefined || !("agreement" in target) ? {} : { agreement }),
      ...(error === undefined ? {} : { measured: error }),
      inputs: records?.names ?? "the weights alone",
    };
    return { ...ablation.plan(base, allocation), check };
  }

  private async built(allocation: Allocation): Promise<Candidate> {
    const plan = this.planOf(allocation, {});
    const { model } = await expandGraph(this.graph, { plan, ...this.how }, this.makeCore);
    return { allocation, plan, bytes: writeModel(model).length + SLACK };
  }

  private async measured(allocation: Allocation): Promise<Candidate> {
    const key = [...allocation.widths.values()].join();
    const known = this.tried.get(key);
    if (known !== undefined) return known;
    const trial = await this.found.reference!.try(this.planOf(allocation, {}), this.makeCore, this.how);
    const { model, ...figures } = trial;
    const plan = this.planOf(allocation, figures);
    const candidate = { allocation, plan, ...figures, bytes: writeModel({ ...model, plan }).length };
    this.tried.set(key, candidate);
    return candidate;
  }

  private tell(round: number): void {
    this.options.onProgress?.({ phase: "search", loaded: round, total: ROUNDS });
  }

  private result({ allocation, ...candidate }: Candidate): TargetPlan {
    const { linear, sensitivities, reference, records, unmeasured } = this.found;
    return {
      ...{ ...candidate, allocation, linear, sensitivities },
      ...(reference && { reference }),
      ...(records && { records }),
      ...(unmeasured !== undefined && { unmeasured }),
    };
  }
}
