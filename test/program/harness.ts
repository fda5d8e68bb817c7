// Runs a few nodes through the core without a session: lowers them, places every buffer by itself (no reuse), writes the program, runs
// it, reads values back. For tests of operators; what a session does about memory is tested elsewhere.
import type { Build, Core } from "../../src/core/index.ts";
import type { Attribute, Node, SpecializedGraph } from "../../src/graph/graph.ts";
import { Constants } from "../../src/program/constants.ts";
import { Lowering } from "../../src/program/lowering.ts";
import { loweringOf } from "../../src/program/operators/index.ts";
import { Panels } from "../../src/program/panels.ts";
import type { PlannedGraph } from "../../src/program/planned.ts";
import { type ElementType, elementBytes, type NumericType, sizeOf, Tensor, viewData } from "../../src/tensor/index.ts";
import { CheckedCore, PoisonedCore } from "../support/checked/core.ts";
import { Fences } from "../support/fences.ts";

/** The checked builds say which of their bytes are read before they are written; see test/support/checked/core.ts. */
export type TestBuild = Build | "checked" | "checked-simd";

const cores = new Map<string, Promise<Core>>();

/** One core per build, and per contents of memory that nobody has written, for the whole test file. */
export function coreOf(build: TestBuild, poison = 0xa5): Promise<Core> {
  const key = `${build}:${poison}`;
  let core = cores.get(key);
  if (core === undefined) {
    if (build === "checked") core = CheckedCore.checked("scalar", poison);
    else if (build === "checked-simd") core = CheckedCore.checked("simd", poison);
    else core = PoisonedCore.poisoned(build, poison);
    cores.set(key, core);
  }
  return core;
}

export interface Expected {
  readonly type: ElementType;
  readonly shape: readonly number[];
}

export interface OperatorCase {
  readonly op: string;
  readonly domain?: string;
  readonly opset?: number;
  /** "" for an input that is left out. */
  readonly inputs: readonly (Tensor | "")[];
  /** Inputs (by position) that the lowering may see as constants; the others are data of the run. */
  readonly constants?: readonly number[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly outputs: readonly (Expected | "")[];
}

/** A graph of one node. */
export function graphOf(c: OperatorCase): { graph: SpecializedGraph; feeds: Map<string, Tensor> } {
  const values = new Map<string, { type: ElementType; shape: readonly number[] }>();
  const constants = new Map<string, Tensor>();
  const feeds = new Map<string, Tensor>();
  const inputs = c.inputs.map((x, i) => {
    if (x === "") return "";
    values.set(`x${i}`, { type: x.type, shape: x.dims });
    (c.constants?.includes(i) ? constants : feeds).set(`x${i}`, x);
    return `x${i}`;
  });
  const outputs = c.outputs.map((y, i) => {
    if (y === "") return "";
    values.set(`y${i}`, y);
    return `y${i}`;
  });
  const domain = c.domain ?? "";
  const node: Node = { name: "node", op: c.op, domain, inputs, outputs, attributes: c.attributes ?? {} };
  return { graph: { nodes: [node], values, constants, opsets: { "": c.opset ?? 17 } }, feeds };
}

export interface RunOptions {
  readonly build?: TestBuild;
  readonly threads?: number;
  /** Slices of one thread: see src/program/slices.ts. */
  readonly slices?: number;
  /** What memory holds that nobody has written. */
  readonly poison?: number;
}

/** Lowers and runs `graph` on `build`, every step on all of `threads` in turn; the values named in `fetches`. */
export async function runGraph(
  graph: SpecializedGraph,
  feeds: ReadonlyMap<string, Tensor>,
  fetches: readonly string[],
  options: RunOptions & { planned?: Partial<PlannedGraph> } = {},
): Promise<Map<string, Tensor>> {
  const core = await coreOf(options.build ?? "simd", options.poison);
  const constants = new Constants(core);
  const empty = { name: "test", opsets: graph.opsets, inputs: [], outputs: [], nodes: [], initializers: new Map() };
  const planned: PlannedGraph = { graph: empty, weights: new Map(), layers: new Map(), ...options.planned };
  const lowering = new Lowering(graph, planned, constants, new Panels(core), options.threads ?? 1);
  const blocks: number[] = [];
  for (const [name, tensor] of feeds) {
    const at = core.place(tensor.data as ArrayBufferView);
    blocks.push(at);
    lowering.locate(name, at);
  }
  for (const node of graph.nodes) {
    lowering.node = node;
    const lower = loweringOf(node);
    if (lower === undefined) throw new Error(`${node.domain}/${node.op} has no lowering`);
    lower(lowering);
  }
  const steps = lowering.steps.map((s) => s.step);
  const fences = new Fences(core);
  const allocate = (bytes: number): number =>
    core instanceof CheckedCore ? core.allocate(bytes) : fences.allocate(bytes);
  const buffers = lowering.buffers.map((b) => ({ ...b, at: allocate(b.bytes) }));
  const program = core.write(steps, buffers);
  if (core instanceof CheckedCore) blocks.push(...buffers.map((b) => b.at));
  blocks.push(program);
  const parts = options.slices ?? options.threads ?? 1;
  const results = new Map<string, Tensor>();
  try {
    for (let i = 0; i < steps.length; i++) {
      for (let thread = 0; thread < parts; thread++) core.run(program, i, 1, thread, parts);
    }
    fences.check();
    for (const name of fetches) {
      const { at, type, shape } = lowering.operand(name);
      const address = typeof at === "number" ? at : buffers[at.buffer]!.at + at.offset;
      const bytes = core.read(address, sizeOf(shape) * elementBytes(type));
      results.set(
        name,
        new Tensor(type, viewData(type as NumericType, bytes, sizeOf(shape)) as ArrayBufferView, shape),
      );
    }
  } finally {
    for (const at of blocks) core.release(at);
    fences.release();
  }
  return results;
}

/** Runs one operator. */
export async function runOperator(c: OperatorCase, options: RunOptions = {}): Promise<Tensor[]> {
  const { graph, feeds } = graphOf(c);
  const names = graph.nodes[0]!.outputs.filter((name) => name !== "");
  const results = await runGraph(graph, feeds, names, options);
  return names.map((name) => results.get(name)!);
}
