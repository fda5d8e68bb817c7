import type { Core, MakeCore } from "../core/index.ts";
import type { Graph } from "../graph/index.ts";
import type { Model } from "../model/index.ts";
import type { Plan, Preset } from "../series/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { Fitting } from "./fitting.ts";
import { agreementOf, Judge } from "./judge.ts";
import { expandGraph } from "./quantize-graph.ts";
import type { Records } from "./records.ts";
import { Runner } from "./runner.ts";

/** What a whole plan was measured to do. */
export interface Trial {
  readonly model: Model;
  /** Of the worst output and record. */
  readonly error: number;
  /** Part of the vectors whose largest element is where it is in float32; absent without outputs that have some. */
  readonly agreement?: number;
}

/** A network's float32 answers on records, which plans are held against. */
export class Reference {
  /** Judges the records that single layers are measured on. */
  readonly probes: Judge;
  private readonly expected: readonly ReadonlyMap<string, Tensor>[];
  private readonly judge: Judge;

  /** @param largest - whether the largest deviation counts beside the mean one */
  constructor(
    core: Core,
    private readonly graph: Graph,
    private readonly records: Records,
    largest: boolean,
  ) {
    const exact = new Runner(core, { graph, weights: new Map(), layers: new Map() });
    this.expected = records.feeds.map((feeds) => exact.run(feeds));
    this.judge = new Judge(this.expected, largest);
    this.probes = new Judge(this.expected.slice(0, records.probes), largest);
  }

  /** Vectors whose largest elements are compared. */
  get vectors(): number {
    return agreementOf(this.expected, this.expected)?.vectors ?? 0;
  }

  /** Runs a plan on all records. */
  async try(
    plan: Plan,
    makeCore: MakeCore,
    options: { readonly preset?: Preset; readonly signal?: AbortSignal; readonly fitting?: Fitting },
  ): Promise<Trial> {
    options.signal?.throwIfAborted();
    const core = await makeCore();
    const { model } = await expandGraph(this.graph, { ...options, plan }, makeCore);
    const runner = new Runner(core, model);
    const outputs = this.records.feeds.map((feeds) => runner.run(feeds));
    const agreement = agreementOf(outputs, this.expected)?.share;
    return { model, error: this.judge.worst(outputs), ...(agreement === undefined ? {} : { agreement }) };
  }
}
