// Lowering a stage beside one of another size. Most nodes of a network read and write the same there – of a decoder with one token, all but those that
// see the past –, and what lowering them has done is done again by copying it: steps, buffers, names. A node counts as the same when all that a lowering
// may look at is: the node, the types, shapes and elements of what it reads and writes, and what its layer does in the end.
import type { Node } from "../graph/graph.ts";
import { sameAttributes } from "../graph/operators/call.ts";
import type { Stage } from "../graph/specialize.ts";
import type { Epilogue } from "./epilogues.ts";
import type { Lowering, Trace } from "./lowering.ts";

/** Lowers the nodes of several stages that are one graph at several sizes. */
export class Beside {
  private first: { readonly l: Lowering; readonly stage: Stage; readonly traces: (Trace | undefined)[] } | undefined;

  /** Calls `lower` for a node, or does again what it has done for the first stage. */
  visit(l: Lowering, stage: Stage, i: number, lower: () => void): void {
    this.first ??= { l, stage, traces: [] };
    const { first } = this;
    if (first.l === l) {
      first.traces[i] = l.traced(lower);
      return;
    }
    const trace = first.traces[i];
    if (trace === undefined || !this.isSame(l, stage, i) || !l.repeat(trace)) lower();
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
