import { bytesOf, type Core } from "../core/index.ts";
import type { KnownValue } from "../graph/graph.ts";
import type { Stage } from "../graph/specialize.ts";
import { elementBytes, sizeOf, Tensor, viewData } from "../tensor/index.ts";
import { Constants } from "./constants.ts";
import { type LoweredStep, Lowering, type Operand } from "./lowering.ts";
import { planMemory } from "./memory.ts";
import { loweringOf } from "./operators/index.ts";
import { Panels } from "./panels.ts";
import type { PlannedGraph } from "./planned.ts";

/** One layer under another plan. */
export interface Variant {
  /** Of the node. */
  readonly node: string;
  /** The graph with the plan of this node; its series have names of their own. */
  readonly planned: PlannedGraph;
}

/**
 * A stage that keeps all its values, so that any of its layers can run in another way and only what comes after it runs again. Variants must be tried from the last
 * layer to the first: one dirties what comes after it.
 */
export class Variants {
  private readonly from = new Map<Variant, { address: number; count: number; next: number }>();
  private readonly main: number;
  private readonly count: number;
  private readonly arena: number;
  private readonly inputs = new Map<string, { known: KnownValue; at: number }>();
  private readonly results = new Map<string, { known: KnownValue; at: number }>();
  /** Bytes of all values and of what the largest variant needs. */
  readonly bytes: number;

  /** @param most - bytes of all values; @throws RangeError when they are more */
  constructor(
    private readonly core: Core,
    planned: PlannedGraph,
    stage: Stage,
    variants: readonly Variant[],
    most: number,
  ) {
    const l = new Lowering(stage, planned, new Constants(core), new Panels(core), 1);
    const fed = new Map(stage.inputs.map((name) => [name, feed(l, name)] as const));
    const byNode = new Map<string, Variant[]>();
    for (const variant of variants) byNode.set(variant.node, [...(byNode.get(variant.node) ?? []), variant]);
    const steps: { variant: Variant; steps: readonly LoweredStep[]; next: number; buffers: [number, number] }[] = [];
    for (const node of stage.nodes) {
      l.node = node;
      const lower = loweringOf(node);
      if (lower === undefined) throw l.unsupported("this operator is not supported");
      lower(l);
      for (const variant of byNode.get(node.name) ?? []) {
        const first = l.buffers.length;
        const own = l.under(variant.planned, lower);
        steps.push({ variant, steps: own, next: l.steps.length, buffers: [first, l.buffers.length] });
      }
    }
    const outputs = new Map(stage.outputs.map((name) => [name, l.operand(name)] as const));
    // Values live as long as the program; what a variant needs for itself lives while it runs.
    const end = l.steps.length;
    const lives = l.buffers.map(({ bytes }) => ({ bytes, first: -1, last: end + steps.length }));
    for (const [v, { buffers }] of steps.entries()) {
      for (let i = buffers[0]; i < buffers[1]; i++) lives[i] = { ...lives[i]!, first: end + v, last: end + v };
    }
    const memory = planMemory(lives);
    this.bytes = memory.bytes;
    if (memory.bytes > most) throw new RangeError(`all values of a run take ${memory.bytes} bytes, more than ${most}`);
    this.arena = core.allocate(memory.bytes);
    const buffers = lives.map((life, i) => ({ ...life, at: this.arena + memory.offsets[i]! }));
    // Steps count from 0 in each program: what is made anew there are a variant's own buffers.
    const write = (all: readonly LoweredStep[], [from, to]: readonly [number, number]) =>
      core.write(
        all.map((s) => ({ ...s.step, node: s.node })),
        buffers.map((buffer, i) => ({ ...buffer, first: i >= from && i < to ? 0 : -1 })),
      );
    this.main = write(l.steps, [0, 0]);
    this.count = l.steps.length;
    for (const { variant, steps: own, buffers: range, next } of steps) {
      this.from.set(variant, { address: write(own, range), count: own.length, next });
    }
    const address = ({ at }: Operand): number =>
      typeof at === "number" ? at : this.arena + memory.offsets[at.buffer]! + at.offset;
    for (const [name, value] of fed) this.inputs.set(name, { known: value, at: address(value) });
    for (const [name, value] of outputs) this.results.set(name, { known: value, at: address(value) });
  }

  /** Runs everything in float32. */
  run(feeds: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
    for (const [name, { at, known }] of this.inputs) {
      const data = feeds.get(name)!.data as Float32Array;
      this.core.u8(at, sizeOf(known.shape) * elementBytes(known.type)).set(bytesOf(data));
    }
    this.core.run(this.main, 0, this.count);
    return this.read();
  }

  /** Runs a variant of a layer on what the run before left, and what comes after it. */
  try(variant: Variant): Map<string, Tensor> {
    const { address, count, next } = this.from.get(variant)!;
    this.core.run(address, 0, count);
    this.core.run(this.main, next, this.count - next);
    return this.read();
  }

  private read(): Map<string, Tensor> {
    return new Map(
      [...this.results].map(([name, { known, at }]) => {
        const { type, shape } = known;
        const bytes = this.core.u8(at, sizeOf(shape) * elementBytes(type)).slice();
        return [name, new Tensor(type, viewData(type as "float32", bytes, sizeOf(shape)), shape)];
      }),
    );
  }
}

function feed(l: Lowering, name: string): Operand {
  const { type, shape } = l.graph.values.get(name)!;
  const at = l.allocate(sizeOf(shape) * elementBytes(type), -1);
  l.locate(name, at);
  return { name, type, shape, at };
}
