// Lowering a stage beside one of another size. Most nodes of a network read and write the same there – of a decoder with one token, all but those that
// see the past –, and what lowering them has done is done again by copying it: steps, buffers, names. A node counts as the same when all that a lowering
// may look at is: the node, the types, shapes and elements of what it reads and writes, and what its layer does in the end.

import type { Ref } from "../core/index.ts";
import type { Node } from "../graph/graph.ts";
import type { Stage } from "../graph/specialize.ts";
import { sameAttributes } from "../graph/specialize-together.ts";
import type { Epilogue } from "./epilogues.ts";
import type { LoweredStep, Lowering, PlannedBuffer } from "./lowering.ts";

/** What lowering a node has added, to be added again to a lowering of as many steps and buffers. */
interface Trace {
  readonly step: number;
  readonly steps: readonly LoweredStep[];
  readonly buffer: number;
  readonly buffers: readonly PlannedBuffer[];
  readonly located: readonly (readonly [string, Ref | number])[];
  readonly shared: readonly (readonly [string, unknown])[];
  readonly makers: readonly (readonly [string, number])[];
}

/** Lowers the nodes of several stages that are one graph at several sizes. */
export class Beside {
  private first: { readonly l: Lowering; readonly stage: Stage; readonly traces: (Trace | undefined)[] } | undefined;

  /** Calls `lower` for a node, or does again what it has done for the first stage. */
  visit(l: Lowering, stage: Stage, i: number, lower: () => void): void {
    this.first ??= { l, stage, traces: [] };
    const { first } = this;
    if (first.l === l) {
      first.traces[i] = traced(l, lower);
      return;
    }
    const trace = first.traces[i];
    if (trace === undefined || !this.isSame(l, stage, i) || !repeat(l, trace)) lower();
  }

  /** Whether this is the lowering of the first one. */
  isFirst(l: Lowering): boolean {
    return this.first === undefined || this.first.l === l;
  }

  private isSame(l: Lowering, stage: Stage, i: number): boolean {
    const first = this.first!;
    const [node, own] = [first.stage.nodes[i]!, stage.nodes[i]!];
    const [epilogue, other] = [first.l.epilogueOf(node), l.epilogueOf(own)];
    const names = [...own.inputs, ...own.outputs];
    if (epilogue !== undefined || other !== undefined) {
      if (epilogue === undefined || other === undefined || !isSameEpilogue(epilogue, other)) return false;
      names.push(other.output, other.addend ?? "");
    }
    return isSameNode(node, own) && names.every((name) => this.isSameValue(stage, name));
  }

  private isSameValue(stage: Stage, name: string): boolean {
    const other = this.first!.stage;
    if (stage.constants.get(name) !== other.constants.get(name)) return false;
    const [a, b] = [stage.values.get(name), other.values.get(name)];
    return a === b || (a?.type === b?.type && a?.shape === b?.shape);
  }
}

function isSameEpilogue(a: Epilogue, b: Epilogue): boolean {
  const keys = ["output", "factor", "shift", "addend", "min", "max"] as const;
  return keys.every((key) => Object.is(a[key], b[key]));
}

function isSameNode(a: Node, b: Node): boolean {
  if (a === b) return true;
  const isSameList = (x: readonly string[], y: readonly string[]): boolean =>
    x.length === y.length && x.every((name, i) => name === y[i]);
  return (
    a.op === b.op &&
    a.domain === b.domain &&
    a.name === b.name &&
    isSameList(a.inputs, b.inputs) &&
    isSameList(a.outputs, b.outputs) &&
    sameAttributes(a.attributes, b.attributes)
  );
}

/** What `lower` adds for the current node; undefined where it is no use to others: it changes what was there before, or has to do with a state or with constants of this program. */
function traced(l: Lowering, lower: () => void): Trace | undefined {
  const { steps, buffers, owned, located, shared, makers, views, blocks, replaced } = l;
  const { inputs, outputs } = l.node;
  const [step, buffer] = [steps.length, buffers.length];
  const [own, once, made, seen, kept] = [owned.length, shared.size, makers.size, views.size, blocks.size];
  const isView = inputs.some((name) => views.has(name));
  lower();
  if (isView || views.size > seen || blocks.size > kept || owned.length > own || l.replaced > replaced)
    return undefined;
  const added = steps.slice(step);
  const isOwned = (word: unknown): boolean =>
    typeof word === "number" && owned.some(({ at, data }) => word >= at && word <= at + data.byteLength);
  if (owned.length > 0 && added.some((one) => one.step.words.some(isOwned))) return undefined;
  const names = [...outputs, l.epilogueOf(l.node)?.output ?? ""].filter((name) => located.has(name));
  return {
    ...{ step, steps: added, buffer },
    buffers: buffers.slice(buffer).map((one) => ({ ...one })),
    located: names.map((name) => [name, located.get(name)!]),
    shared: shared.size === once ? [] : [...shared].slice(once),
    makers: makers.size === made ? [] : [...makers].slice(made),
  };
}

/** Adds what another lowering has added for the same node; false: this one has come another way. */
function repeat(l: Lowering, { step, steps, buffer, buffers, located, shared, makers }: Trace): boolean {
  if (l.steps.length !== step || l.buffers.length !== buffer) return false;
  for (const one of buffers) l.buffers.push({ ...one });
  for (const one of steps) {
    l.touch(one.step);
    l.steps.push(one);
  }
  for (const [name, at] of located) l.located.set(name, at);
  for (const [key, value] of shared) l.shared.set(key, value);
  for (const [name, index] of makers) l.makers.set(name, index);
  return true;
}
