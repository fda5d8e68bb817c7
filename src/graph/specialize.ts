import { BitbasisError } from "../core/errors.ts";
import { Tensor } from "../tensor/index.ts";
import { contentName } from "./digest.ts";
import { DependsOnData, nodeError } from "./errors.ts";
import { checkFeed, type Feed, LIST } from "./feed.ts";
import type { Graph, KnownValue, Node, ValueInfo } from "./graph.ts";
import { halfInputs, widened } from "./half.ts";
import { runsBetween, runsOnHost } from "./host.ts";
import { INTERNAL } from "./internal.ts";
import { Call } from "./operators/call.ts";
import { checkOutputs, outputsOf } from "./operators/contract.ts";
import { evaluate, FoldBudget, takesLong } from "./operators/evaluate.ts";
import { operatorOf } from "./operators/index.ts";
import { Maker } from "./operators/maker.ts";
import { isGraph, live, reads } from "./order.ts";
import { normalize } from "./passes/normalize.ts";
import type { Outcome, Source, SpecializeOptions, Stage, Stop, Visit } from "./stage.ts";

export { type Feed, type Known, LIST } from "./feed.ts";
export type { Outcome, Source, SpecializeOptions, Stage, Stop, Visit } from "./stage.ts";

/** Constants that specialization makes are at most this large: masks and positions, not expanded activations. */
const LIMIT = 1 << 20;
/** The same once folding has cost too much: shapes and indices. */
const FEW = 64;

/**
 * The graph under concrete input shapes, up to the first node that needs more: type and shape of every value, everything folded that
 * depends on constants and shapes only, nodes that nobody needs dropped, explicit pads. Folded constants are named after their contents
 * (`folded:int64[2]:1,48`, after a character that no name of a file starts with), so that the same name means the same elements under all shapes. A graph output that is a constant is made by an
 * Identity node.
 *
 * @param feeds - by input name
 * @throws TypeError or RangeError for an input that is missing or does not fit the graph; BitbasisError MODEL when shapes inside do not fit,
 *   UNSUPPORTED for an operator without a shape rule
 * @example
 * const { nodes, values } = specialize(graph, { x: { type: "float32", shape: [1, 3, 48, 320] } });
 */
export function specialize(
  graph: Graph,
  feeds: Readonly<Record<string, Feed | typeof LIST>>,
  options: SpecializeOptions = {},
): Stage {
  return specializerOf(graph, feeds, options).advance();
}

export function isVisit(found: Visit | Stop | undefined): found is Visit {
  return found !== undefined && "call" in found;
}

/** As `specialize`, for who only wants to know what it throws; whether it gets to the end. */
export function probe(...[graph, feeds, options = {}]: Parameters<typeof specialize>): boolean {
  return specializerOf(graph, feeds, options).walk() === undefined;
}

function specializerOf(...[graph, feeds, options = {}]: Parameters<typeof specialize>): Specializer {
  return new Specializer(...Specializer.begin(normalize(graph), options)).fed(graph, feeds);
}

/** Nodes that are still to be visited: those of the graph, and on top of them those of branches that were taken. */
export interface Frame {
  readonly nodes: readonly Node[];
  next: number;
}

/** The name of a constant that folding made; no name of a file is one. */
function foldedName(tensor: Tensor): string {
  return `${INTERNAL}folded:${contentName(tensor)}`;
}

export class Specializer {
  /** Those that must run. */
  protected nodes: Node[] = [];
  private readonly growing: Set<string>;

  constructor(
    protected readonly graph: Graph,
    protected readonly options: SpecializeOptions,
    protected readonly values: Map<string, KnownValue>,
    protected readonly constants: Map<string, Tensor>,
    /** Other names of values: folded constants, and outputs of a branch that was taken. */
    private readonly names: Map<string, string>,
    /** Sequences and optionals. */
    protected readonly lists: Set<string>,
    /** Names that expanded operators have taken, and where to go on counting for another one like it. */
    private readonly expanded: Map<string, number>,
    protected readonly frames: Frame[],
    protected readonly budget: FoldBudget,
  ) {
    this.growing = new Set(options.kept);
  }

  /** What a specializer knows before the first node. */
  static begin(
    graph: Graph,
    options: SpecializeOptions,
    budget = options.budget?.copy() ?? new FoldBudget(16 * LIMIT, 256 * LIMIT),
  ): ConstructorParameters<typeof Specializer> {
    const constants = new Map(graph.initializers);
    const values = new Map<string, KnownValue>(options.weights);
    for (const [name, { type, dims }] of graph.initializers) values.set(name, { type, shape: dims });
    const frames = [{ nodes: graph.nodes, next: 0 }];
    // A series whose initializer is here too, because others than linear layers read it, is a constant to all that looks at elements.
    const weights = new Map([...(options.weights ?? [])].filter(([name]) => !constants.has(name)));
    const [names, lists, expanded] = [new Map<string, string>(), new Set<string>(), new Map<string, number>()];
    return [graph, { ...options, weights }, values, constants, names, lists, expanded, frames, budget];
  }

  /** The same, with its inputs. */
  fed(graph: Graph, feeds: Parameters<typeof specialize>[1]): this {
    for (const input of graph.inputs) this.feed(input, feeds[input.name]);
    return this;
  }

  private feed(input: ValueInfo, feed: Feed | typeof LIST | undefined): void {
    const { name, type, shape } = input;
    if (feed === undefined) throw new TypeError(`input "${name}" is missing`);
    if (feed === LIST) {
      this.lists.add(name);
      return;
    }
    if (this.options.body === undefined) checkFeed(name, type, shape, feed);
    const known = { type: feed.type as KnownValue["type"], shape: feed.shape };
    this.values.set(name, known);
    if (feed.data !== undefined) this.constants.set(name, new Tensor(known.type, feed.data as never, feed.shape));
  }

  advance(): Stage {
    return this.stage(this.walk());
  }

  /** Visits nodes until one needs more than is known. */
  walk(): Stop | undefined {
    for (let node = this.following(); node !== undefined; node = this.following()) {
      const stop = this.visit(node);
      if (stop !== undefined) return stop;
    }
    return undefined;
  }

  protected following(): Node | undefined {
    for (;;) {
      const frame = this.frames.at(-1);
      if (frame === undefined) return undefined;
      const node = frame.nodes[frame.next];
      if (node !== undefined) {
        frame.next++;
        return node;
      }
      this.frames.pop();
    }
  }

  protected visit(given: Node): Stop | undefined {
    const found = this.look(given);
    return isVisit(found) ? this.settle(found, true) : found;
  }

  /** What is found out about a node; undefined when others have taken its place. */
  protected look(given: Node): Visit | Stop | undefined {
    const node = this.resolved(given);
    const { lists } = this;
    if (runsBetween(node) || (lists.size > 0 && node.inputs.some((name) => lists.has(name)))) {
      return this.takeBranch(node) ? undefined : { kind: "control", node };
    }
    const { needed } = this.options;
    const unknown = needed?.size ? node.inputs.filter((name) => needed.has(name) && this.learnable(name)) : [];
    if (unknown.length > 0) return this.learn(node, unknown);
    return this.find(this.call(node));
  }

  protected find(call: Call): Visit | Stop | undefined {
    const { node } = call;
    const operator = operatorOf(node);
    if (operator === undefined) throw nodeError(node, this.graph.opsets, "this operator is not supported");
    const onHost = runsOnHost(node, call);
    for (let i = 0; onHost && i < call.count; i++)
      if (call.has(i) && call.constant(i) === undefined) return { kind: "host", node };
    if (onHost && takesLong(call, operator)) return { kind: "host", node };
    try {
      const halves = halfInputs(call, operator);
      if (halves.length > 0) {
        const { before, node: wide, after } = widened(node, call, halves, (base) => this.unique(base));
        const results = outputsOf(call.inFloat32(halves), operator);
        this.frames.push({ nodes: [...before, wide, ...after(results)], next: 0 });
        return undefined;
      }
      const outputs = outputsOf(call, operator);
      const folded = evaluate(call, operator, outputs, this.budget.spent ? FEW : LIMIT);
      // Too large to be folded, which a run may do all the same.
      if (folded === undefined && onHost) return { kind: "host", node };
      return { node, operator, call, outputs, folded };
    } catch (error) {
      return this.stopFor(error, node);
    }
  }

  /** Folds, expands or keeps a node. */
  settle({ node, operator, call, outputs, folded }: Visit, folds: boolean): Stop | undefined {
    if (folded !== undefined && folds) {
      this.budget.count(call, folded);
      for (const [i, tensor] of folded.entries()) this.fold(node.outputs[i], tensor);
      return undefined;
    }
    try {
      const expanded = operator.expands?.(call, this.maker(node));
      if (expanded !== undefined) {
        const made = new Set(expanded.flatMap((one) => one.outputs));
        checkOutputs(call, (name) => made.has(name));
        this.frames.push({ nodes: expanded, next: 0 });
      } else {
        this.keep((this.grows(node) ? undefined : operator.settle?.(call, outputs)) ?? node, outputs);
      }
      return undefined;
    } catch (error) {
      return this.stopFor(error, node);
    }
  }

  /** Whether a node gives the rows of a state in place: with new ones, turned or times a number (src/program/kept.ts). */
  protected grows({ op, inputs, outputs }: Node): boolean {
    const [first = "", second = ""] = inputs;
    const grows = this.growing.has(first) || (op === "Mul" && this.growing.has(second));
    if (!grows || !(op === "Concat" || op === "Transpose" || op === "Mul")) return false;
    this.growing.add(outputs[0]!);
    return true;
  }

  /** The stop that an error asks for, which says that elements must be known. */
  private stopFor(error: unknown, node: Node): Stop {
    if (!(error instanceof DependsOnData) || !this.learnable(error.value)) throw error;
    return this.learn(node, [error.value]);
  }

  /** The node comes again, once they are known. */
  private learn(node: Node, names: readonly string[]): Stop {
    this.frames.at(-1)!.next--;
    return { kind: "learn", node, names };
  }

  /** Whether a run can tell the elements of a value. */
  protected learnable(name: string): boolean {
    return !this.constants.has(name) && !this.options.weights?.has(name);
  }

  /** Whether a value is a tensor that the core can hold. */
  private isNumeric(name: string): boolean {
    const resolved = this.resolve(name);
    return !this.lists.has(resolved) && this.values.get(resolved)?.type !== "string";
  }

  protected resolve(name: string): string {
    let resolved = name;
    for (let next = this.names.get(name); next !== undefined; next = this.names.get(next)) resolved = next;
    return resolved;
  }

  /** The node with the names that its inputs have by now. */
  private resolved(node: Node): Node {
    for (const name of node.inputs)
      if (this.names.has(name)) return { ...node, inputs: node.inputs.map((input) => this.resolve(input)) };
    return node;
  }

  protected source(name: string): Source {
    const resolved = this.resolve(name);
    const constant = this.constants.get(resolved);
    const series = constant === undefined && (this.options.weights?.has(resolved) ?? false);
    return { name: resolved, constant, series };
  }

  stage(stop: Stop | undefined): Stage {
    if (stop === undefined && this.options.body === undefined) this.nameOutputs();
    const { inputs: fed, outputs, opsets } = this.graph;
    const after = new Set(outputs.map(({ name }) => name));
    if (stop !== undefined) for (const name of reads(stop.node)) after.add(name);
    for (const { nodes, next } of this.frames) {
      for (const node of nodes.slice(next)) for (const name of reads(node)) after.add(name);
    }
    const sources = new Set([...after].map((name) => this.resolve(name)));
    const exists = (name: string): boolean => this.values.has(name) || this.lists.has(name);
    const kept = new Set([...sources].filter((name) => this.learnable(name) && exists(name)));
    const nodes = live(this.nodes, new Set(kept));
    const [made, read] = [new Set<string>(), new Set<string>()];
    for (const node of nodes) {
      for (const name of node.outputs) made.add(name);
      for (const name of node.inputs) read.add(name);
    }
    const ends = stop === undefined && this.options.body === undefined;
    const results = ends ? outputs.map(({ name }) => name).filter((name) => this.isNumeric(name)) : [];
    for (const name of results) read.add(name);
    const isInput = (name: string): boolean => name !== "" && !made.has(name) && this.learnable(name);
    const used = new Set([...sources, ...read, ...made, ...fed.map(({ name }) => name)]);
    const pick = <T>(all: ReadonlyMap<string, T>): Map<string, T> => {
      const picked = new Map<string, T>();
      for (const name of used) {
        const one = all.get(name);
        if (one !== undefined) picked.set(name, one);
      }
      return picked;
    };
    return {
      nodes,
      inputs: [...read].filter(isInput),
      outputs: ends ? [...new Set(results)] : [...kept].filter((name) => made.has(name)),
      kept,
      values: pick(this.values),
      constants: pick(this.constants),
      opsets,
      stop,
      final: ends,
      source: (name) => this.source(name),
      budget: this.budget,
      resume: (outcome) => this.resumed(outcome).advance(),
    };
  }

  /** A copy that knows more. */
  private resumed(outcome: Outcome): Specializer {
    const [values, constants, lists] = [new Map(this.values), new Map(this.constants), new Set(this.lists)];
    if ("constants" in outcome) for (const [name, tensor] of outcome.constants) constants.set(name, tensor);
    else {
      for (const [name, known] of outcome.values) {
        if (known === LIST) lists.add(name);
        else values.set(name, known);
      }
    }
    const frames = this.frames.map((frame) => ({ ...frame }));
    const [names, expanded] = [new Map(this.names), new Map(this.expanded)];
    const budget = this.budget.copy();
    return new Specializer(this.graph, this.options, values, constants, names, lists, expanded, frames, budget);
  }

  /** Gives the outputs of the graph that are constants, or values under other names, nodes that make them. */
  private nameOutputs(): void {
    const inputs = new Set(this.graph.inputs.map(({ name }) => name));
    const moved = new Map<string, string>();
    const first: Node[] = [];
    for (const { name } of this.graph.outputs) {
      const resolved = this.resolve(name);
      if (!this.isNumeric(name) || inputs.has(name)) continue;
      const constant = this.constants.get(resolved);
      if (resolved === name && constant === undefined) continue;
      // A constant under the name of an output: move it aside, so that the output is written by a step; the first one, since bodies may capture it.
      const from = resolved === name ? foldedName(constant!) : resolved;
      const known = this.values.get(resolved)!;
      if (resolved === name) this.constants.set(from, constant!);
      this.constants.delete(name);
      this.names.delete(name);
      this.values.set(from, known);
      this.values.set(name, known);
      const identity = { name: `${name}/constant`, op: "Identity", domain: "", attributes: {} };
      const node = { ...identity, inputs: [from], outputs: [name] };
      if (resolved === name) {
        moved.set(name, from);
        first.push(node);
      } else this.nodes.push(node);
    }
    if (first.length === 0) return;
    // Lowerings that must know the elements find them under the constant's name only. All at once: a file may have as many such outputs as nodes.
    const read = (input: string): string => moved.get(input) ?? input;
    this.nodes = [...first, ...this.nodes.map((one) => ({ ...one, inputs: one.inputs.map(read) }))];
  }

  protected call(node: Node): Call {
    const [inputs, constants]: [(KnownValue | undefined)[], (Tensor | undefined)[]] = [[], []];
    for (const name of node.inputs) {
      const value = name === "" ? undefined : this.values.get(name);
      if (value === undefined && name !== "")
        throw new BitbasisError("MODEL", `node "${node.name}" (${node.op}) reads "${name}", which nothing makes`);
      inputs.push(value);
      constants.push(this.constants.get(name));
    }
    return new Call(node, this.graph.opsets, inputs, constants);
  }

  protected keep(node: Node, outputs: readonly KnownValue[]): void {
    this.nodes.push(node);
    node.outputs.forEach((name, i) => {
      if (name === "") return;
      const value = outputs[i];
      if (value === undefined) throw nodeError(node, this.graph.opsets, `output ${i} is not supported`);
      this.values.set(name, value);
    });
  }

  private fold(name: string | undefined, tensor: Tensor): void {
    if (name === undefined || name === "") return;
    const folded = foldedName(tensor);
    this.constants.set(folded, tensor);
    this.values.set(folded, { type: tensor.type, shape: tensor.dims });
    this.values.set(name, { type: tensor.type, shape: tensor.dims });
    this.names.set(name, folded);
  }

  /** A name that no value has yet. */
  protected unique(base: string): string {
    for (let i = this.expanded.get(base) ?? 0; ; i++) {
      const name = i === 0 ? base : `${base}_${i}`;
      if (this.values.has(name) || this.expanded.has(name)) continue;
      if (i > 0) this.expanded.set(name, 0);
      this.expanded.set(base, i + 1);
      return name;
    }
  }

  /** Takes a name that no value has yet, for a value or a constant. */
  protected take(base: string, tensor?: Tensor): string {
    const name = this.unique(base);
    if (tensor !== undefined) {
      this.constants.set(name, tensor);
      this.values.set(name, { type: tensor.type, shape: tensor.dims });
    }
    return name;
  }

  /** For an operator that is written out as others, now that the shapes are known. */
  private maker(node: Node): Maker {
    return new Maker(node, 99, {
      opsets: this.graph.opsets,
      constant: (name) => this.constants.get(this.resolve(name)),
      add: (base, tensor) => this.take(base, tensor),
      name: (base) => this.take(base),
      rank: (name) => this.values.get(name)?.shape.length,
    });
  }

  /** An If whose condition is known: its branch takes its place. */
  private takeBranch(node: Node): boolean {
    const condition = node.op === "If" ? this.constants.get(node.inputs[0] ?? "") : undefined;
    if (condition === undefined) return false;
    const taken = (condition.data as Uint8Array)[0] === 0 ? "else_branch" : "then_branch";
    const body = node.attributes[taken];
    if (!isGraph(body)) throw nodeError(node, this.graph.opsets, `"${taken}" is missing`, "MODEL");
    if (body.outputs.length < node.outputs.length) {
      const why = `"${taken}" expected ${node.outputs.length} outputs, got ${body.outputs.length}`;
      throw nodeError(node, this.graph.opsets, why, "MODEL");
    }
    for (const [name, tensor] of body.initializers) {
      this.constants.set(name, tensor);
      this.values.set(name, { type: tensor.type, shape: tensor.dims });
    }
    node.outputs.forEach((name, i) => {
      if (name !== "") this.names.set(name, body.outputs[i]!.name);
    });
    this.frames.push({ nodes: body.nodes, next: 0 });
    return true;
  }
}
