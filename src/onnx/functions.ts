import { BitbasisError } from "../core/errors.ts";
import { checkLevel } from "../graph/internal.ts";
import type { AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto } from "./schema.ts";

/** Nodes that inlining may make: functions that call each other twice double with every level of a file of some hundred bytes, and a node costs `create` 0.08 ms. */
const MOST_NODES = 50_000;
/** Levels of calls; exporters have one function per module of a network. */
const MOST_LEVELS = 200;

const GRAPH = 5;
const GRAPHS = 10;

/** `domain` as we spell it: the standard one has two names. */
export function domainOf({ domain }: { readonly domain: string }): string {
  return domain === "ai.onnx" ? "" : domain;
}

/**
 * The graph of a model with every call of a function of the file replaced by the function's nodes, at all levels and in the bodies of If, Loop and
 * Scan too. A function goes before an operator of the same domain and name, as IR.md of ONNX says. Inner values get names that
 * nothing in the model has.
 *
 * @throws BitbasisError MODEL for functions that call themselves, calls that do not fit, calls or bodies that lie too deep, and more than 50,000 nodes
 */
export function inlineFunctions(model: ModelProto, graph: GraphProto): GraphProto {
  if (model.functions.length === 0) return graph;
  return new Inliner(model.functions, graph).graph(graph, "");
}

/** What nodes are once inlined. */
interface Extent {
  readonly nodes: number;
  /** Bodies in bodies: those of a function call functions that have some too. */
  readonly levels: number;
}

/** Everything that the nodes of one call see. */
interface Scope {
  readonly what: string;
  /** Inner names → names in the calling graph. */
  readonly names: ReadonlyMap<string, string>;
  readonly call: NodeProto;
  readonly defaults: readonly AttributeProto[];
}

class Inliner {
  private readonly functions = new Map<string, FunctionProto>();
  private readonly extents = new Map<string, Extent>();
  private readonly taken = new Set<string>([""]);
  private calls = 0;

  constructor(functions: readonly FunctionProto[], graph: GraphProto) {
    for (const f of functions) {
      const key = keyOf(f.domain, f.name, f.overload);
      if (this.functions.has(key)) throw new BitbasisError("MODEL", `two functions are named ${nameOf(f)}`);
      this.functions.set(key, f);
    }
    this.collect(graph);
    if (this.extentOf(graph.node, [], 0).nodes > MOST_NODES) {
      throw new BitbasisError("MODEL", `the functions of the model, inlined, are more than ${MOST_NODES} nodes`);
    }
  }

  graph(graph: GraphProto, root: string): GraphProto {
    return { ...graph, node: graph.node.flatMap((node) => this.node(node, root)) };
  }

  /** Nodes in the place of one; `root` is the name of the outermost call that it stems from. */
  private node(node: NodeProto, root: string): NodeProto[] {
    const called = this.functions.get(keyOf(node.domain, node.op_type, node.overload));
    if (called !== undefined) return this.expand(node, called, root);
    if (!node.attribute.some((a) => bodiesOf(a).length > 0)) return [node];
    const attribute = node.attribute.map((a) => mapBodies(a, (body) => this.graph(body, root)));
    return [{ ...node, attribute }];
  }

  private expand(call: NodeProto, f: FunctionProto, outer: string): NodeProto[] {
    const what = `function ${nameOf(f)}`;
    const root = outer === "" ? call.name || call.op_type : outer;
    if (call.input.length > f.input.length || call.output.length > f.output.length) {
      throw new BitbasisError(
        "MODEL",
        `node "${call.name}" calls ${what} with ${call.input.length} inputs and ${call.output.length} outputs; it has ${f.input.length} and ${f.output.length}`,
      );
    }
    const prefix = `${f.name}_${this.calls++}/`;
    const names = new Map(f.input.map((name, i) => [name, call.input[i] ?? ""]));
    const direct: NodeProto[] = [];
    for (const [i, name] of f.output.entries()) {
      const to = call.output[i] ?? "";
      const from = names.get(name);
      // An output that is an input, or another output as well, has its name already.
      if (from === undefined) names.set(name, to === "" ? this.fresh(prefix + name) : to);
      else if (to !== "") direct.push(identity(from, to));
    }
    for (const { output } of f.node) {
      for (const name of output) if (!names.has(name)) names.set(name, name === "" ? "" : this.fresh(prefix + name));
    }
    const scope: Scope = { what, names, call, defaults: f.attribute_proto };
    const nodes = f.node.map((node) => this.renamed(node, scope, root));
    return [...nodes, ...direct].flatMap((node) => this.node(node, root));
  }

  private renamed(node: NodeProto, scope: Scope, root: string): NodeProto {
    const rename = (name: string): string => {
      const found = name === "" ? "" : scope.names.get(name);
      if (found !== undefined) return found;
      throw new BitbasisError("MODEL", `${scope.what}: node "${node.name}" reads "${name}", which nothing makes`);
    };
    return {
      ...node,
      name: root === "" ? node.name : `${root}/${node.name || node.op_type}`,
      input: node.input.map(rename),
      output: node.output.map(rename),
      attribute: node.attribute.flatMap((attribute) => {
        if (attribute.ref_attr_name !== "") return resolve(attribute, scope);
        return [mapBodies(attribute, (body) => this.renamedBody(body, scope, root))];
      }),
    };
  }

  /** A body inside of a function: what it defines gets names of its own as well. */
  private renamedBody(body: GraphProto, scope: Scope, root: string): GraphProto {
    const prefix = `${body.name}_${this.calls++}/`;
    const names = new Map(scope.names);
    const define = (name: string): string => {
      const own = name === "" ? "" : this.fresh(prefix + name);
      names.set(name, own);
      return own;
    };
    const input = body.input.map((value) => ({ ...value, name: define(value.name) }));
    const initializer = body.initializer.map((tensor) => {
      const known = body.input.findIndex(({ name }) => name === tensor.name);
      return { ...tensor, name: known >= 0 ? input[known]!.name : define(tensor.name) };
    });
    const sparse_initializer = body.sparse_initializer.map((sparse) => {
      return sparse.values === undefined
        ? sparse
        : { ...sparse, values: { ...sparse.values, name: define(sparse.values.name) } };
    });
    for (const node of body.node) for (const name of node.output) define(name);
    const inner = { ...scope, names };
    const output = body.output.map((value) => {
      const name = names.get(value.name);
      if (name !== undefined) return { ...value, name };
      throw new BitbasisError("MODEL", `${scope.what}: output "${value.name}" of a body is made by nothing`);
    });
    const node = body.node.map((one) => this.renamed(one, inner, root));
    return { ...body, node, input, output, initializer, sparse_initializer };
  }

  private fresh(base: string): string {
    let name = base;
    for (let i = 1; this.taken.has(name); i++) name = `${base}_${i}`;
    this.taken.add(name);
    return name;
  }

  /** Every name of a graph and its bodies. */
  private collect(graph: GraphProto): void {
    for (const { name } of [...graph.input, ...graph.output, ...graph.initializer]) this.taken.add(name);
    for (const { values } of graph.sparse_initializer) this.taken.add(values?.name ?? "");
    for (const node of graph.node) {
      for (const name of [...node.input, ...node.output]) this.taken.add(name);
      for (const attribute of node.attribute) for (const body of bodiesOf(attribute)) this.collect(body);
    }
  }

  /** Found before anything is made; `level` bodies are around these nodes, and around the calls that led to them. */
  private extentOf(nodes: readonly NodeProto[], open: readonly string[], level: number): Extent {
    let [count, levels] = [0, 0];
    const add = (inner: Extent, deeper: number): void => {
      count += inner.nodes;
      levels = Math.max(levels, inner.levels + deeper);
      // On the way down, which bounds the stack, and on the way up, as functions are looked into once.
      checkLevel(level + levels);
    };
    for (const node of nodes) {
      const key = keyOf(node.domain, node.op_type, node.overload);
      const called = this.functions.get(key);
      add(called === undefined ? { nodes: 1, levels: 0 } : this.extentOfCall(key, called, open, level), 0);
      for (const attribute of node.attribute)
        for (const body of bodiesOf(attribute)) {
          add({ nodes: 0, levels: 0 }, 1);
          add(this.extentOf(body.node, open, level + 1), 1);
        }
    }
    return { nodes: count, levels };
  }

  private extentOfCall(key: string, called: FunctionProto, open: readonly string[], level: number): Extent {
    const known = this.extents.get(key);
    if (known !== undefined) return known;
    if (open.includes(key)) {
      const names = [...open.slice(open.indexOf(key)), key].map((one) => nameOf(this.functions.get(one)!));
      throw new BitbasisError("MODEL", `functions call themselves: ${names.join(" → ")}`);
    }
    if (open.length >= MOST_LEVELS) {
      throw new BitbasisError("MODEL", `functions call functions over more than ${MOST_LEVELS} levels`);
    }
    const { nodes, levels } = this.extentOf(called.node, [...open, key], level);
    const extent = { nodes: nodes + 1, levels };
    this.extents.set(key, extent);
    return extent;
  }
}

/** What an attribute that refers to one of the call is; nothing when neither the call nor the function's defaults have it. */
function resolve(attribute: AttributeProto, { call, defaults, what }: Scope): AttributeProto[] {
  const { name, ref_attr_name: wanted, type } = attribute;
  const found = call.attribute.find((a) => a.name === wanted) ?? defaults.find((a) => a.name === wanted);
  if (found === undefined) return [];
  if (type !== 0 && found.type !== 0 && type !== found.type) {
    throw new BitbasisError(
      "MODEL",
      `${what}: attribute "${wanted}" of node "${call.name}" has another kind than the function expects`,
    );
  }
  return [{ ...found, name }];
}

function identity(from: string, to: string): NodeProto {
  return { name: "", op_type: "Identity", domain: "", overload: "", input: [from], output: [to], attribute: [] };
}

function bodiesOf({ g, graphs }: AttributeProto): GraphProto[] {
  return g === undefined ? graphs : [g, ...graphs];
}

function mapBodies(attribute: AttributeProto, change: (body: GraphProto) => GraphProto): AttributeProto {
  const { type, g, graphs } = attribute;
  if (type === GRAPH || g !== undefined) return { ...attribute, g: g && change(g) };
  return type === GRAPHS || graphs.length > 0 ? { ...attribute, graphs: graphs.map(change) } : attribute;
}

function keyOf(domain: string, name: string, overload: string): string {
  return JSON.stringify([domainOf({ domain }), name, overload]);
}

function nameOf({ domain, name, overload }: FunctionProto): string {
  return `"${domain === "" ? "" : `${domain}.`}${name}${overload === "" ? "" : `:${overload}`}"`;
}
