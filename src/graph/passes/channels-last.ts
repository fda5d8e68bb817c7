import { Tensor } from "../../tensor/index.ts";
import type { Graph, Node } from "../graph.ts";
import { operatorOf } from "../operators/index.ts";
import type { Layout } from "../operators/layout-rules.ts";
import { captures, reads, subgraphs } from "../order.ts";
import { type Ranks, ranksOf } from "../ranks.ts";
import { applyRules } from "./editor.ts";
import { dropIdentity, joinTransposes, shareNodes } from "./eliminate.ts";
import { shareInitializers } from "./fold-constants.ts";
import { fuseActivation } from "./fuse-activation.ts";
import { scaleInteger } from "./fuse-integer.ts";
import { toFirst, toLast, transposed } from "./layout.ts";
import { Names } from "./names.ts";
import { normalize } from "./normalize.ts";

/**
 * Convolutions, pools, Resize and InstanceNormalization become twins in the "bitbasis" domain on [N, spatial…, C] tensors, and operators
 * that do not care for the layout work on that form between them. Transposes stand only where a form is needed that nobody made: graph inputs
 * and outputs keep the layout that they have. Weights of Conv become [O, k…, I/g], also those of ConvTranspose. Ends with fusing activations into
 * the twins.
 */
export function channelsLast(graph: Graph): Graph {
  const layout = new ChannelsLast(normalize(graph));
  for (const node of layout.graph.nodes) layout.visit(node);
  const result = applyRules(layout.finish(), [dropIdentity, joinTransposes, scaleInteger, fuseActivation]);
  return shareNodes(shareInitializers(result));
}

/** A walk over the nodes of a graph that makes another of them. */
class ChannelsLast implements Layout {
  readonly nodes: Node[] = [];
  readonly initializers: Map<string, Tensor>;
  private readonly ranks: Ranks;
  /** Channels-last forms by the name of the value. */
  private readonly last = new Map<string, string>();
  /** Values whose channels-second form exists. */
  private readonly made = new Set<string>();
  /** Values whose spatial extents are all 1: both forms have the same order of elements. */
  private readonly points = new Set<string>();
  /** Names of changed weights by how they were changed, and their own name. */
  private readonly changed = new Map<string, string>();
  private readonly names: Names;
  /** How often nodes read each value; a body counts for what it captures. */
  private readonly readers = new Map<string, number>();
  private readonly outputs: ReadonlySet<string>;

  constructor(readonly graph: Graph) {
    this.outputs = new Set(graph.outputs.map((output) => output.name));
    for (const node of graph.nodes) {
      for (const name of reads(node)) this.readers.set(name, (this.readers.get(name) ?? 0) + 1);
    }
    this.initializers = new Map(graph.initializers);
    this.ranks = ranksOf(graph);
    this.names = new Names(graph);
    for (const { name } of graph.inputs) this.made.add(name);
    for (const name of graph.initializers.keys()) this.made.add(name);
  }

  visit(node: Node): void {
    if (operatorOf(node)?.layout?.(node, this) === true) return;
    const inputs = node.inputs.map((name) => this.first(name));
    for (const body of subgraphs(node)) for (const name of captures(body)) this.first(name);
    this.nodes.push({ ...node, inputs });
    for (const name of node.outputs) this.made.add(name);
  }

  rank(value: string | undefined): number | undefined {
    return value === undefined ? undefined : this.ranks.rank(value);
  }

  constant(value: string | undefined): Tensor | undefined {
    return value === undefined ? undefined : this.initializers.get(value);
  }

  integers(value: string | undefined): number[] | undefined {
    const tensor = this.constant(value);
    return tensor === undefined ? undefined : Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  }

  hasLast(value: string): boolean {
    return this.last.has(value);
  }

  isPoint(value: string): boolean {
    return this.points.has(value);
  }

  markPoint(value: string): void {
    this.points.add(value);
  }

  first(value: string): string {
    const source = this.last.get(value);
    if (value === "" || this.made.has(value) || source === undefined) return value;
    this.transpose(source, value, toFirst(this.ranks.rank(value)!));
    this.made.add(value);
    return value;
  }

  toLast(value: string, rank: number): string {
    let name = this.last.get(value);
    if (name !== undefined) return name;
    name = this.names.unique(`${value}/last`);
    const constant = this.constant(value);
    if (constant !== undefined && constant.dims.length === rank) {
      this.initializers.set(name, transposed(constant, toLast(rank)));
    } else this.transpose(value, name, toLast(rank));
    this.last.set(value, name);
    return name;
  }

  emitLast(node: Node, rank: number): void {
    const outputs = node.outputs.map((value) => {
      if (value === "") return "";
      const name = this.names.unique(`${value}/last`);
      this.last.set(value, name);
      this.ranks.set(value, rank);
      return name;
    });
    this.nodes.push({ ...node, outputs });
  }

  emit(node: Node): void {
    this.nodes.push(node);
    for (const name of node.outputs) this.made.add(name);
  }

  integerConstant(base: string, data: readonly number[]): string {
    return this.add(base, new Tensor("int64", [...data]));
  }

  add(base: string, tensor: Tensor): string {
    const name = this.names.unique(base);
    this.initializers.set(name, tensor);
    return name;
  }

  newValue(base: string): string {
    return this.names.unique(base);
  }

  change(name: string, tensor: Tensor, way: string): string {
    if ((this.readers.get(name) ?? 0) <= 1 && !this.outputs.has(name)) {
      this.initializers.set(name, tensor);
      return name;
    }
    // Layers that share weights share the changed ones too.
    const key = `${way} ${name}`;
    const changed = this.changed.get(key) ?? this.add(`${name}/last`, tensor);
    this.changed.set(key, changed);
    return changed;
  }

  finish(): Graph {
    for (const { name } of this.graph.outputs) this.first(name);
    return { ...this.graph, nodes: this.nodes, initializers: this.initializers };
  }

  private transpose(from: string, to: string, perm: readonly number[]): void {
    this.nodes.push({
      name: `${to}/transpose`,
      op: "Transpose",
      domain: "",
      inputs: [from],
      outputs: [to],
      attributes: { perm },
    });
  }
}
