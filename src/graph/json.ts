import { BitbasisError } from "../core/errors.ts";
import { classOfArray, type ElementType, Tensor, typeOfArray } from "../tensor/index.ts";
import type { Attribute, Graph, Node, ValueInfo } from "./graph.ts";
import { checkLevel } from "./internal.ts";
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
  readonly kinds?: Node["kinds"];
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
  readonly overridable?: readonly ValueInfo[];
  /** Main graph: types of tensors that are kept as those of a plainer type with the same array, by the name under which they are kept. */
  readonly types?: Readonly<Record<string, ElementType>>;
}

/** Types that every format of tensors has; the others are kept as the first type with the same array. */
const COMMON: readonly ElementType[] = ["float16", "bool"];

/** The same elements as a tensor of a type that every format has; texts with their shape as JSON in UTF-8. */
function plain(tensor: Tensor): Tensor {
  const { type, data, dims } = tensor;
  if (type === "string") return new Tensor("uint8", new TextEncoder().encode(JSON.stringify([dims, data])));
  const carrier = COMMON.includes(type) ? type : typeOfArray(classOfArray(data as ArrayBufferView))!;
  return carrier === type ? tensor : new Tensor(carrier, data as never, dims);
}

/** What `plain` was given. */
function original(type: ElementType, { data, dims }: Tensor): Tensor {
  if (type !== "string") return new Tensor(type, data as never, dims);
  const [shape, texts] = JSON.parse(new TextDecoder().decode(data as Uint8Array)) as [number[], string[]];
  return new Tensor(type, texts.map(String), shape);
}

/**
 * A graph as JSON, and all its tensors by name: initializers under their own names, tensors of attributes and of bodies under names made from
 * theirs.
 */
export function graphToJson(graph: Graph): { json: GraphJson; initializers: Map<string, Tensor> } {
  const tensors = new Map<string, Tensor>();
  const types: [string, ElementType][] = [];
  const keep = (name: string, tensor: Tensor): void => {
    const kept = plain(tensor);
    tensors.set(name, kept);
    if (kept !== tensor) types.push([name, tensor.type]);
  };
  for (const [name, tensor] of graph.initializers) keep(name, tensor);
  const store = (base: string, tensor: Tensor): string => {
    let name = base;
    for (let i = 1; tensors.has(name); i++) name = `${base}_${i}`;
    keep(name, tensor);
    return name;
  };
  const write = (inner: Graph, body: string): GraphJson => {
    const own =
      body === "" ? [] : [...inner.initializers].map(([name, tensor]) => [name, store(`${body}/${name}`, tensor)]);
    return {
      name: inner.name,
      opsets: inner.opsets,
      inputs: inner.inputs,
      outputs: inner.outputs,
      nodes: inner.nodes.map((node) => writeNode(node)),
      ...(body === "" ? {} : { initializers: Object.fromEntries(own) }),
      ...(inner.overridable === undefined ? {} : { overridable: inner.overridable }),
    };
  };
  const writeNode = ({ name, op, domain, inputs, outputs, attributes, kinds }: Node): NodeJson => {
    const entries = Object.entries(attributes).map(([key, value]) => [key, writeAttribute(value, `${name}/${key}`)]);
    return {
      name,
      op,
      ...(domain === "" ? {} : { domain }),
      inputs,
      outputs,
      ...(entries.length === 0 ? {} : { attributes: Object.fromEntries(entries) }),
      ...(kinds === undefined ? {} : { kinds }),
    };
  };
  const writeAttribute = (value: Attribute, base: string): AttributeJson => {
    if (value instanceof Tensor) return { tensor: store(base, value) };
    if (isGraph(value)) return { graph: write(value, base) };
    if (typeof value === "string") return value;
    if (typeof value === "number") return writeNumber(value);
    return value.map((one) => (typeof one === "number" ? writeNumber(one) : one));
  };
  const json = write(graph, "");
  return {
    json: types.length === 0 ? json : { ...json, types: Object.fromEntries(types) },
    initializers: tensors,
  };
}

function writeNumber(value: number): number | { number: string } {
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  return { number: Object.is(value, -0) ? "-0" : String(value) };
}

/**
 * The graph that `graphToJson` wrote. Tensors that `json` refers to by name leave the initializers of the main graph; one that is missing
 * (because it is kept as a series) is only an error when an attribute or a body needs it.
 *
 * @throws BitbasisError MODEL when such a tensor is missing, or bodies lie too deep
 */
export function graphFromJson(json: GraphJson, kept: ReadonlyMap<string, Tensor>): Graph {
  const initializers = new Map(kept);
  for (const [name, type] of Object.entries(json.types ?? {})) {
    const tensor = kept.get(name);
    if (tensor !== undefined) initializers.set(name, original(type, tensor));
  }
  const used = new Set<string>();
  const take = (name: string): Tensor => {
    const tensor = initializers.get(name);
    if (tensor === undefined) throw new BitbasisError("MODEL", `the graph needs tensor "${name}", which is missing`);
    used.add(name);
    return tensor;
  };
  const read = (inner: GraphJson, level: number): Graph => ({
    name: inner.name,
    opsets: inner.opsets,
    inputs: inner.inputs,
    outputs: inner.outputs,
    nodes: inner.nodes.map((node) => {
      const entries = Object.entries(node.attributes ?? {}).map(([key, value]) => [key, readAttribute(value, level)]);
      const { name, op, domain = "", inputs, outputs, kinds } = node;
      const read = { name, op, domain, inputs, outputs, attributes: Object.fromEntries(entries) };
      return kinds === undefined ? read : { ...read, kinds };
    }),
    initializers: new Map(Object.entries(inner.initializers ?? {}).map(([name, stored]) => [name, take(stored)])),
    ...(inner.overridable === undefined ? {} : { overridable: inner.overridable }),
  });
  const readAttribute = (value: AttributeJson, level: number): Attribute => {
    if (typeof value === "number" || typeof value === "string") return value;
    if (Array.isArray(value)) return value.map(readOne) as number[] | string[];
    if ("tensor" in value) return take(value.tensor);
    if ("graph" in value) {
      checkLevel(level + 1);
      return read(value.graph, level + 1);
    }
    return Number((value as { number: string }).number);
  };
  const readOne = (one: number | string | { number: string }): number | string =>
    typeof one === "object" ? Number(one.number) : one;
  const graph = read(json, 0);
  return { ...graph, initializers: new Map([...initializers].filter(([name]) => !used.has(name))) };
}
