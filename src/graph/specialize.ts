import { BitbasisError } from "../core/errors.ts";
import { type Shape, Tensor, type TensorData } from "../tensor/index.ts";
import { contentName } from "./digest.ts";
import { DependsOnData, nodeError, nodeMessage } from "./errors.ts";
import type { Attribute, Graph, KnownValue, Node, SpecializedGraph, ValueInfo } from "./graph.ts";
import { Call } from "./operators/call.ts";
import { outputsOf } from "./operators/contract.ts";
import { evaluate } from "./operators/evaluate.ts";
import { operatorOf } from "./operators/index.ts";
import { Maker } from "./operators/maker.ts";
import { isGraph, live, subgraphs } from "./order.ts";
import { normalize } from "./passes/normalize.ts";

/** What is known of an input: its type and shape, and its elements when shapes depend on them. */
export interface Feed {
  readonly type: string;
  readonly shape: Shape;
  /** Given: the input counts as a constant, and the specialization is good for these elements only. */
  readonly data?: TensorData;
}

/** Constants that specialization makes are at most this large: masks and positions, not expanded activations. */
const LIMIT = 1 << 20;

/**
 * The graph under concrete input shapes: type and shape of every value, everything folded that depends on constants and shapes only, nodes
 * that nobody needs dropped, explicit pads. Folded constants are named after their contents (`folded:int64[2]:1,48`), so that the same name means the
 * same elements under all shapes. A graph output that is a constant is made by an Identity node.
 *
 * @param feeds - by input name
 * @param weights - type and shape of initializers that are kept elsewhere and are absent from `graph.initializers`
 * @throws TypeError or RangeError for an input that is missing or does not fit the graph; BitbasisError MODEL when shapes inside do not fit,
 *   UNSUPPORTED for an operator without a shape rule, DependsOnData (UNSUPPORTED too) when a shape depends on data
 * @example
 * const { nodes, values } = specialize(graph, { x: { type: "float32", shape: [1, 3, 48, 320] } });
 */
export function specialize(
  graph: Graph,
  feeds: Readonly<Record<string, Feed>>,
  weights: ReadonlyMap<string, KnownValue> = new Map(),
): SpecializedGraph {
  const specializer = new Specializer(normalize(graph));
  for (const input of graph.inputs) specializer.feed(input, feeds[input.name]);
  for (const [name, { type, shape }] of weights) specializer.values.set(name, { type, shape });
  try {
    specializer.run(specializer.graph.nodes);
  } catch (error) {
    throw error instanceof DependsOnData ? error.from(specializer.nodes) : error;
  }
  return specializer.result();
}

class Specializer {
  readonly values = new Map<string, KnownValue>();
  private readonly constants: Map<string, Tensor>;
  /** Other names of values: folded constants, and values of an inlined branch. */
  private readonly names = new Map<string, string>();
  /** Names that expanded operators have taken. */
  private readonly expanded = new Set<string>();
  /** Those that must run. */
  readonly nodes: Node[] = [];
  /** What the names of folded constants begin with. */
  private readonly folded: string;

  constructor(readonly graph: Graph) {
    this.folded = unusedPrefix(graph, "folded:");
    this.constants = new Map(graph.initializers);
    for (const [name, { type, dims }] of graph.initializers) this.values.set(name, { type, shape: dims });
  }

  feed(input: ValueInfo, feed: Feed | undefined): void {
    const { name, type, shape } = input;
    if (feed === undefined) throw new TypeError(`input "${name}" is missing`);
    if (feed.type !== type) throw new TypeError(`input "${name}" expected type ${type}, got ${feed.type}`);
    const fits =
      shape?.length === feed.shape.length && shape.every((d, i) => typeof d === "string" || d === feed.shape[i]);
    if (shape !== undefined && !fits) {
      throw new RangeError(`input "${name}" expected shape [${shape.join(", ")}], got [${feed.shape.join(", ")}]`);
    }
    this.values.set(name, { type, shape: feed.shape });
    if (feed.data !== undefined) this.constants.set(name, new Tensor(type, feed.data as never, feed.shape));
  }

  run(nodes: readonly Node[]): void {
    for (const given of nodes) {
      const node = { ...given, inputs: given.inputs.map((name) => this.names.get(name) ?? name) };
      const call = this.call(node);
      if (node.op === "If" && node.domain === "") {
        this.branch(node, call);
        continue;
      }
      const operator = operatorOf(node);
      if (operator === undefined) throw nodeError(node, this.graph.opsets, "this operator is not supported");
      const outputs = outputsOf(call, operator);
      const folded = evaluate(call, operator, outputs, LIMIT);
      const expanded = folded === undefined ? operator.expands?.(call, this.maker(node)) : undefined;
      if (expanded !== undefined) this.run(expanded);
      else if (folded === undefined) this.keep(operator.settle?.(call, outputs) ?? node, outputs);
      else for (const [i, tensor] of folded.entries()) this.fold(node.outputs[i], tensor);
    }
  }

  result(): SpecializedGraph {
    const { outputs, inputs, opsets } = this.graph;
    for (const { name } of outputs) {
      const source = this.names.get(name) ?? (this.constants.has(name) ? name : undefined);
      if (source === undefined || inputs.some((input) => input.name === name)) continue;
      const known = this.values.get(source)!;
      // A constant under the name of an output: move it aside, so that the output is written by a step.
      const from = source === name ? `${this.folded}${contentName(this.constants.get(name)!)}` : source;
      if (source === name) this.constants.set(from, this.constants.get(name)!);
      this.constants.delete(name);
      this.values.set(from, known);
      const identity = { name: `${name}/constant`, op: "Identity", domain: "", attributes: {} };
      this.keep({ ...identity, inputs: [from], outputs: [name] }, [known]);
    }
    const nodes = live(this.nodes, new Set(outputs.map((output) => output.name)));
    const used = new Set([...inputs, ...outputs].map((value) => value.name));
    for (const node of nodes) for (const name of [...node.inputs, ...node.outputs]) used.add(name);
    used.delete("");
    const pick = <T>(all: ReadonlyMap<string, T>): Map<string, T> =>
      new Map([...all].filter(([name]) => used.has(name)));
    return { nodes, values: pick(this.values), constants: pick(this.constants), opsets };
  }

  private call(node: Node): Call {
    const inputs = node.inputs.map((name) => {
      if (name === "") return undefined;
      const value = this.values.get(name);
      if (value === undefined)
        throw new BitbasisError("MODEL", `node "${node.name}" (${node.op}) reads "${name}", which nothing makes`);
      return value;
    });
    return new Call(
      node,
      this.graph.opsets,
      inputs,
      node.inputs.map((name) => this.constants.get(name)),
    );
  }

  /** For an operator that is written out as others, now that the shapes are known. */
  private maker(node: Node): Maker {
    const unique = (base: string): string => {
      let name = base;
      for (let i = 1; this.values.has(name) || this.expanded.has(name); i++) name = `${base}_${i}`;
      this.expanded.add(name);
      return name;
    };
    return new Maker(node, 99, {
      opsets: this.graph.opsets,
      constant: (name) => this.constants.get(this.names.get(name) ?? name),
      add: (base, tensor) => {
        const name = unique(base);
        this.constants.set(name, tensor);
        this.values.set(name, { type: tensor.type, shape: tensor.dims });
        return name;
      },
      name: unique,
      rank: (name) => this.values.get(name)?.shape.length,
    });
  }

  private keep(node: Node, outputs: readonly KnownValue[]): void {
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
    const folded = `${this.folded}${contentName(tensor)}`;
    this.constants.set(folded, tensor);
    this.values.set(folded, { type: tensor.type, shape: tensor.dims });
    this.values.set(name, { type: tensor.type, shape: tensor.dims });
    this.names.set(name, folded);
  }

  /** An If whose condition is known: its branch takes its place. */
  private branch(node: Node, call: Call): void {
    const condition = call.constant(0);
    if (condition === undefined) {
      const message = nodeMessage(node, this.graph.opsets, "the condition depends on data");
      throw new DependsOnData(node.inputs[0]!, message);
    }
    const taken = (condition.data as Uint8Array)[0] === 0 ? "else_branch" : "then_branch";
    const body = node.attributes[taken];
    if (!isGraph(body)) throw nodeError(node, this.graph.opsets, `"${taken}" is missing`, "MODEL");
    const inner = inlined(body, `${node.name}/${taken}/`);
    for (const [name, tensor] of inner.initializers) {
      this.constants.set(name, tensor);
      this.values.set(name, { type: tensor.type, shape: tensor.dims });
    }
    this.run(inner.nodes);
    inner.outputs.forEach(({ name }, i) => {
      const [source, outer] = [this.names.get(name) ?? name, node.outputs[i] ?? ""];
      if (outer === "") return;
      this.values.set(outer, this.values.get(source)!);
      const isOutput = this.graph.outputs.some((output) => output.name === outer);
      if (!isOutput || this.constants.has(source)) this.names.set(outer, source);
      else {
        const identity = { name: `${node.name}/${i}`, op: "Identity", domain: "", attributes: {} };
        this.keep({ ...identity, inputs: [source], outputs: [outer] }, [this.values.get(source)!]);
      }
    });
  }
}

/** `prefix`, so often that no name of the graph begins with it: the same one whatever the input shapes. */
function unusedPrefix(graph: Graph, prefix: string): string {
  const isUsed = ({ inputs, initializers, nodes }: Graph, start: string): boolean =>
    inputs.some(({ name }) => name.startsWith(start)) ||
    [...initializers.keys()].some((name) => name.startsWith(start)) ||
    nodes.some(
      (node) =>
        [node.name, ...node.inputs, ...node.outputs].some((name) => name.startsWith(start)) ||
        subgraphs(node).some((body) => isUsed(body, start)),
    );
  let start = prefix;
  while (isUsed(graph, start)) start += prefix;
  return start;
}

/** A body with its own values and nodes renamed, so that it can stand in the enclosing graph. */
function inlined(body: Graph, prefix: string): Graph {
  const own = new Set<string>(body.initializers.keys());
  for (const node of body.nodes) for (const name of node.outputs) if (name !== "") own.add(name);
  const rename = (name: string): string => (own.has(name) ? prefix + name : name);
  const renameGraph = (graph: Graph): Graph => ({
    ...graph,
    nodes: graph.nodes.map(renameNode),
    outputs: graph.outputs.map((output) => ({ ...output, name: rename(output.name) })),
  });
  const renameNode = (node: Node): Node => {
    const attributes: Record<string, Attribute> = {};
    for (const [key, value] of Object.entries(node.attributes))
      attributes[key] = isGraph(value) ? renameGraph(value) : value;
    return {
      ...node,
      name: prefix + node.name,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
      attributes,
    };
  };
  const renamed = renameGraph(body);
  return { ...renamed, initializers: new Map([...body.initializers].map(([name, tensor]) => [prefix + name, tensor])) };
}
