import { BitbasisError } from "../core/errors.ts";
import { Tensor } from "../tensor/index.ts";
import type { Attribute, Graph, Node, ValueInfo } from "./graph.ts";
import { isGraph } from "./order.ts";

/** An attribute in JSON: numbers that JSON has are themselves, the others, tensors and bodies are tagged. */
export type AttributeJson =
  | number
  | string
  | readonly (number | string | { readonly number: string })[]
  | { readonly number: string }
  | { readonly tensor: string }
  | { readonly graph: GraphJson };

export interface NodeJson {
  readonly name: string;
  readonly op: string;
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeJson>>;
}

/** A graph without the data of its tensors. */
export interface GraphJson {
  readonly name: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly NodeJson[];
  /** Initializers of a body: name inside of it → name under which the tensor is kept. Those of the main graph are all tensors that are left. */
  readonly initializers?: Readonly<Record<string, string>>;
}

/**
 * A graph as JSON, and all its tensors by name: initializers under their own names, tensors of attributes and of bodies under names made from
 * theirs.
 */
export function graphToJson(graph: Graph): { json: GraphJson; initializers: Map<string, Tensor> } {
  const tensors = new Map(graph.initializers);
  const store = (base: string, tensor: Tensor): string => {
    let name = base;
    for (let i = 1; tensors.has(name); i++) name = `${base}_${i}`;
    tensors.set(name, tensor);
    return name;
  };
  const write = (inner: Graph, body: string): GraphJson => {
    const own: Record<string, string> = {};
    if (body !== "") for (const [name, tensor] of inner.initializers) own[name] = store(`${body}/${name}`, tensor);
    return {
      name: inner.name,
      opsets: inner.opsets,
      inputs: inner.inputs,
      outputs: inner.outputs,
      nodes: inner.nodes.map((node) => writeNode(node)),
      ...(body === "" ? {} : { initializers: own }),
    };
  };
  const writeNode = ({ name, op, domain, inputs, outputs, attributes }: Node): NodeJson => {
    const entries = Object.entries(attributes).map(([key, value]) => [key, writeAttribute(value, `${name}/${key}`)]);
    return {
      name,
      op,
      ...(domain === "" ? {} : { domain }),
      inputs,
      outputs,
      ...(entries.length === 0 ? {} : { attributes: Object.fromEntries(entries) }),
    };
  };
  const writeAttribute = (value: Attribute, base: string): AttributeJson => {
    if (value instanceof Tensor) return { tensor: store(base, value) };
    if (isGraph(value)) return { graph: write(value, base) };
    if (typeof value === "string") return value;
    if (typeof value === "number") return writeNumber(value);
    return value.map((one) => (typeof one === "number" ? writeNumber(one) : one));
  };
  return { json: write(graph, ""), initializers: tensors };
}

function writeNumber(value: number): number | { number: string } {
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  return { number: Object.is(value, -0) ? "-0" : String(value) };
}

/**
 * The graph that `graphToJson` wrote. Tensors that `json` refers to by name leave the initializers of the main graph; one that is missing
 * (because it is kept as a series) is only an error when an attribute or a body needs it.
 *
 * @throws BitbasisError MODEL when such a tensor is missing
 */
export function graphFromJson(json: GraphJson, initializers: ReadonlyMap<string, Tensor>): Graph {
  const used = new Set<string>();
  const take = (name: string): Tensor => {
    const tensor = initializers.get(name);
    if (tensor === undefined) throw new BitbasisError("MODEL", `the graph needs tensor "${name}", which is missing`);
    used.add(name);
    return tensor;
  };
  const read = (inner: GraphJson): Graph => ({
    name: inner.name,
    opsets: inner.opsets,
    inputs: inner.inputs,
    outputs: inner.outputs,
    nodes: inner.nodes.map((node) => {
      const entries = Object.entries(node.attributes ?? {}).map(([key, value]) => [key, readAttribute(value)]);
      const { name, op, domain = "", inputs, outputs } = node;
      return { name, op, domain, inputs, outputs, attributes: Object.fromEntries(entries) };
    }),
    initializers: new Map(Object.entries(inner.initializers ?? {}).map(([name, stored]) => [name, take(stored)])),
  });
  const readAttribute = (value: AttributeJson): Attribute => {
    if (typeof value === "number" || typeof value === "string") return value;
    if (Array.isArray(value)) return value.map(readOne) as number[] | string[];
    if ("tensor" in value) return take(value.tensor);
    if ("graph" in value) return read(value.graph);
    return Number((value as { number: string }).number);
  };
  const readOne = (one: number | string | { number: string }): number | string =>
    typeof one === "object" ? Number(one.number) : one;
  const graph = read(json);
  return { ...graph, initializers: new Map([...initializers].filter(([name]) => !used.has(name))) };
}
