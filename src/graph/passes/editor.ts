import type { Tensor } from "../../tensor/index.ts";
import type { Graph, Node } from "../graph.ts";
import { captures, live, reads, subgraphs } from "../order.ts";
import { type Ranks, ranksOf } from "../ranks.ts";
import { Names } from "./names.ts";

interface Links {
  /** By place in the order, the nodes that stand there now. */
  readonly slots: readonly Node[][];
  readonly slotOf: Map<Node, number>;
  readonly makers: Map<string, Node>;
  readonly users: Map<string, Set<Node>>;
}

/**
 * A graph while passes change it: who makes and who reads each value stays known. New nodes stand where the node that they replace stood, so
 * the order stays topological as long as they read what that node could have read.
 */
export class Editor {
  readonly initializers: Map<string, Tensor>;
  private known: Links | undefined;
  private readonly outputs: ReadonlySet<string>;
  private takenNames: Names | undefined;
  private readonly properties = new Map<unknown, boolean>();
  private knownRanks: Ranks | undefined;

  constructor(private readonly graph: Graph) {
    this.initializers = new Map(graph.initializers);
    this.outputs = new Set(graph.outputs.map((output) => output.name));
  }

  /** Who makes and who reads what: for the first rule that asks. Most rounds, the last one of every pass among them, find no node of their operators. */
  private get links(): Links {
    if (this.known === undefined) {
      const { nodes } = this.graph;
      this.known = { slots: nodes.map((node) => [node]), slotOf: new Map(), makers: new Map(), users: new Map() };
      for (const [i, node] of nodes.entries()) this.link(node, i);
    }
    return this.known;
  }

  /** Names that are taken: those of the graph as it was when the round began, which few rounds ask for. */
  private get names(): Names {
    this.takenNames ??= new Names(this.graph);
    return this.takenNames;
  }

  /** The nodes now, in order. */
  nodes(): readonly Node[] {
    return this.known?.slots.flat() ?? this.graph.nodes;
  }

  /** Whether a node had a property when the round began; the answer is found once per round. */
  some(property: (node: Node, editor: Editor) => boolean): boolean {
    let answer = this.properties.get(property);
    if (answer === undefined) {
      answer = this.graph.nodes.some((node) => property(node, this));
      this.properties.set(property, answer);
    }
    return answer;
  }

  has(node: Node): boolean {
    return this.known?.slotOf.has(node) ?? true;
  }

  maker(value: string | undefined): Node | undefined {
    return value === undefined ? undefined : this.links.makers.get(value);
  }

  /** The node that makes a value, when it is the given operator (`op` or `domain/op`). */
  madeBy(value: string | undefined, ...ops: string[]): Node | undefined {
    const node = this.maker(value);
    return node !== undefined && ops.includes(key(node)) ? node : undefined;
  }

  readers(value: string): readonly Node[] {
    return [...(this.links.users.get(value) ?? [])];
  }

  isOutput(value: string): boolean {
    return this.outputs.has(value);
  }

  /** The only reader of a value that is no graph output and is read once. */
  onlyReader(value: string): Node | undefined {
    const readers = this.links.users.get(value);
    if (readers?.size !== 1 || this.isOutput(value)) return undefined;
    const [reader] = readers;
    return reads(reader!).filter((name) => name === value).length === 1 ? reader : undefined;
  }

  /** Whether every value that `nodes` make, except `kept`, is read by these nodes only: they can be replaced as a whole. */
  closed(nodes: readonly Node[], kept: string): boolean {
    return nodes.every((node) =>
      node.outputs.every(
        (value) =>
          value === "" ||
          value === kept ||
          (!this.isOutput(value) && this.readers(value).every((r) => nodes.includes(r))),
      ),
    );
  }

  constant(value: string | undefined): Tensor | undefined {
    return value === undefined ? undefined : this.initializers.get(value);
  }

  /** The value of a float constant of one element. */
  scalar(value: string | undefined): number | undefined {
    const tensor = this.constant(value);
    return tensor?.type === "float32" && tensor.size === 1 ? (tensor.data as Float32Array)[0] : undefined;
  }

  /**
   * The value of input `i` of a binary operator, when it is a float constant of one element beside which the other input keeps its shape: [1, 1] beside
   * a vector makes a matrix of it.
   */
  scalarOf(node: Node, i: 0 | 1): number | undefined {
    const scalar = this.scalar(node.inputs[i]);
    const other = node.inputs[1 - i];
    return scalar !== undefined && other !== undefined && this.keepsRank(node.inputs[i]!, other) ? scalar : undefined;
  }

  /** Whether broadcasting a constant against a value gives the rank of the value. */
  keepsRank(constant: string, value: string): boolean {
    const own = this.constant(constant)!.dims.length;
    return own === 0 || own <= (this.rank(value) ?? 0);
  }

  /** Elements of a constant. */
  numbers(value: string | undefined): number[] | undefined {
    const tensor = this.constant(value);
    return tensor === undefined ? undefined : Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  }

  /** The rank of a value, when it can be told from the graph as it was when the last round began. */
  rank(value: string): number | undefined {
    this.knownRanks ??= ranksOf(this.graph);
    return this.knownRanks.rank(value) ?? this.constant(value)?.dims.length;
  }

  replace(old: Node, ...nodes: Node[]): void {
    const { slots, slotOf } = this.links;
    const slot = slotOf.get(old)!;
    slots[slot]!.splice(slots[slot]!.indexOf(old), 1, ...nodes);
    this.unlink(old);
    for (const node of nodes) this.link(node, slot);
  }

  remove(...nodes: readonly Node[]): void {
    for (const node of nodes) this.replace(node);
  }

  /**
   * Makes every reader of `from` read `to` and drops the node that made it. False when `from` is a graph output that cannot take its name
   * from `to`.
   */
  bypass(node: Node, to: string): boolean {
    const from = node.outputs[0]!;
    if (this.isOutput(from)) return this.renameMaker(node, to);
    if (this.readers(from).some((reader) => isCaptured(from, reader))) return false;
    for (const reader of this.readers(from)) {
      this.replace(reader, { ...reader, inputs: reader.inputs.map((name) => (name === from ? to : name)) });
    }
    this.remove(node);
    return true;
  }

  /** Adds an initializer under `base` or a name like it. */
  addInitializer(base: string, tensor: Tensor): string {
    const name = this.names.unique(base);
    this.initializers.set(name, tensor);
    return name;
  }

  /** Replaces an initializer for one reader: under its own name when nobody else reads it, else under a new one. */
  changeInitializer(name: string, tensor: Tensor, reader: Node): string {
    const readers = this.readers(name);
    if (readers.length > 1 || this.isOutput(name) || reader.inputs.filter((input) => input === name).length > 1) {
      return this.addInitializer(`${name}/${reader.name}`, tensor);
    }
    this.initializers.set(name, tensor);
    return name;
  }

  newValue(base: string): string {
    return this.names.unique(base);
  }

  /** The graph as it is now: nodes and initializers that nobody needs are gone. */
  finish(): Graph {
    return needed({ ...this.graph, nodes: this.nodes(), initializers: this.initializers });
  }

  /** `to`, made inside the graph and no output itself, takes the name of the output that `node` copies it to. */
  private renameMaker(node: Node, to: string): boolean {
    const from = node.outputs[0]!;
    const maker = this.maker(to);
    if (maker === undefined || this.isOutput(to) || this.readers(to).some((reader) => isCaptured(to, reader)))
      return false;
    for (const reader of this.readers(to)) {
      if (reader !== node)
        this.replace(reader, { ...reader, inputs: reader.inputs.map((name) => (name === to ? from : name)) });
    }
    this.remove(node);
    this.replace(maker, { ...maker, outputs: maker.outputs.map((name) => (name === to ? from : name)) });
    return true;
  }

  private link(node: Node, slot: number): void {
    const { slotOf, makers, users } = this.links;
    slotOf.set(node, slot);
    for (const value of node.outputs) if (value !== "") makers.set(value, node);
    for (const value of reads(node)) {
      const known = users.get(value);
      if (known === undefined) users.set(value, new Set([node]));
      else known.add(node);
    }
  }

  private unlink(node: Node): void {
    const { slotOf, makers, users } = this.links;
    slotOf.delete(node);
    for (const value of node.outputs) if (makers.get(value) === node) makers.delete(value);
    for (const value of reads(node)) users.get(value)?.delete(node);
  }
}

/** The graph without nodes and initializers that nobody needs. */
export function needed(graph: Graph): Graph {
  const wanted = new Set<string>();
  for (const { name } of graph.outputs) wanted.add(name);
  const nodes = live(graph.nodes, wanted);
  const initializers = new Map<string, Tensor>();
  for (const [name, tensor] of graph.initializers) if (wanted.has(name)) initializers.set(name, tensor);
  return { ...graph, nodes, initializers };
}

/** Whether a body of the node reads the value, whose name it then has to keep. */
function isCaptured(value: string, reader: Node): boolean {
  return subgraphs(reader).some((body) => captures(body).has(value));
}

/** `op`, or `domain/op` outside of ONNX's own domain. */
export function key(node: Node): string {
  return node.domain === "" ? node.op : `${node.domain}/${node.op}`;
}

/** Looks at one node, which is still in the graph, and says whether it changed anything. */
export type Rule = (node: Node, editor: Editor) => boolean;

/** Applies rules until none changes anything. */
export function applyRules(graph: Graph, rules: readonly Rule[]): Graph {
  for (let round = 0; ; round++) {
    const editor = new Editor(graph);
    let changed = false;
    for (const node of editor.nodes()) {
      for (const rule of rules) {
        if (!editor.has(node)) break;
        if (rule(node, editor)) changed = true;
      }
    }
    // After the first round nothing is left that nobody needs.
    if (changed || round === 0) graph = editor.finish();
    // Every rule removes a node or makes one that no rule matches; the bound only guards against a pair of rules that undo each other.
    if (!changed || round === graph.nodes.length + 100) return graph;
  }
}
