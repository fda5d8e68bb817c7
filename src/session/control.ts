import type { ValueInfo } from "../graph/index.ts";
import { allocateData, normalizeAxis, sizeOf, Tensor } from "../tensor/index.ts";
import type { Body, ControlNode } from "./control-node.ts";
import { eachOf, join } from "./slabs.ts";
import { bool, bytesBeside, type Held, int64, isHeld, reshaped, Scope, scalarOf, type Value } from "./values.ts";

/** What a control node gives, by output. */
export type RunControl = (c: ControlNode) => Promise<readonly Value[]>;

export function condition(c: ControlNode, value: Held): boolean {
  if (value.type !== "bool" || sizeOf(value.dims) !== 1)
    throw c.fail(`the condition expected bool [], got ${value.type} [${value.dims}]`);
  return scalarOf(c.core, value) !== 0;
}

export function axisOf(c: ControlNode, name: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw c.fail(`"${name}" expected an integer in ${-rank}..${rank - 1}, got ${axis}`);
  return normalizeAxis(axis, rank);
}

/** Tensors of one shape along a new axis. */
export async function stack(c: ControlNode, values: readonly Held[], name: string, axis: number): Promise<Held> {
  const { type, dims } = values[0]!;
  const at = axisOf(c, name, axis, dims.length + 1);
  const [expected, own] = [`${type} [${dims}]`, dims.toSpliced(at, 0, 1)];
  const parts: Held[] = [];
  await eachOf(c, values, (value) => {
    const got = `${value.type} [${value.dims}]`;
    if (got !== expected) throw c.fail(`tensors along one axis expected ${expected} as the first one, got ${got}`);
    parts.push(reshaped(value, own));
  });
  return join(c, parts, at);
}

/** What a scan output is after no step at all: its declared shape, with 0 where that is open. */
export function nothingOf({ type, shape = [] }: ValueInfo, axis: number): Tensor {
  const dims = shape.map((d) => (typeof d === "number" ? d : 0));
  dims.splice(axis < 0 ? dims.length + 1 + axis : axis, 0, 0);
  return new Tensor(type, allocateData(type, 0) as never, dims);
}

/** Values that one step of a body hands to the next, and what is collected of every step. */
export class Steps {
  readonly collected: Held[][];
  /** What the carried values take in JavaScript. */
  private beside = 0;
  /** Memory of the carried values: it lives as long as they do, that of what is collected as long as the node's outputs. */
  private generation: Scope;

  constructor(
    private readonly c: ControlNode,
    private readonly body: Body,
    public carried: readonly Value[],
    /** Outputs of the body before the carried ones. */
    private readonly skip: number,
  ) {
    this.generation = new Scope(c.core);
    this.collected = body.graph.outputs.slice(skip + carried.length).map(() => []);
  }

  /** Calls the body; gives its first outputs, which are not carried. */
  async next(before: readonly Value[], after: readonly Value[]): Promise<readonly Value[]> {
    const { c } = this;
    const made = new Scope(c.core);
    const outputs = await this.body.call([...before, ...this.carried, ...after], made);
    const end = this.skip + this.carried.length;
    // What was carried and goes on unchanged moves along.
    this.generation.give(outputs, made);
    this.generation.release();
    this.generation = made;
    this.carried = outputs.slice(this.skip, end);
    c.core.beside -= this.beside;
    this.beside = this.carried.reduce((sum, value) => sum + bytesBeside(value), 0);
    c.core.hold(this.beside);
    made.give(outputs.slice(end), c.scope);
    outputs.slice(end).forEach((value, i) => {
      if (!isHeld(value)) throw c.fail(`scan output ${i} of its body expected a tensor`);
      c.core.hold(bytesBeside(value));
      this.collected[i]!.push(value);
    });
    await c.turn();
    return outputs.slice(0, this.skip);
  }

  /** The values after the last step, in the node's own memory. */
  finish(): readonly Value[] {
    this.generation.give(this.carried, this.c.scope);
    return this.carried;
  }

  release(): void {
    this.generation.release();
  }
}

const runIf: RunControl = async (c) => {
  const body = c.body(condition(c, c.tensor(0)) ? "then_branch" : "else_branch");
  return body.call([], c.scope);
};

const runLoop: RunControl = async (c) => {
  const body = c.body("body");
  const count = Math.max(0, c.count - 2);
  const initial = Array.from({ length: count }, (_, i) => c.value(2 + i));
  const most = c.has(0) ? tripCount(c) : Number.POSITIVE_INFINITY;
  let goes = c.has(1) ? condition(c, c.tensor(1)) : true;
  const steps = new Steps(c, body, initial, 1);
  try {
    for (let i = 0; i < most && goes; i++) {
      const [next] = await steps.next([int64(i), bool(goes)], []);
      if (!isHeld(next)) throw c.fail("the condition that its body gives expected a tensor");
      goes = condition(c, next);
    }
    const scans: Held[] = [];
    for (const [i, all] of steps.collected.entries())
      scans.push(
        all.length === 0 ? nothingOf(body.graph.outputs[1 + count + i]!, 0) : await stack(c, all, "scan output", 0),
      );
    return [...steps.finish(), ...scans];
  } finally {
    steps.release();
  }
};

function tripCount(c: ControlNode): number {
  const count = c.tensor(0);
  if (count.type !== "int64" || sizeOf(count.dims) !== 1)
    throw c.fail(`the trip count expected int64 [], got ${count.type} [${count.dims}]`);
  return scalarOf(c.core, count);
}

/** Scan and what works on sequences have files of their own. */
export const CONTROL: Readonly<Record<string, RunControl>> = { If: runIf, Loop: runLoop };
