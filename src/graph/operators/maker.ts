import type { BitbasisError } from "../../core/errors.ts";
import { type ElementType, Tensor } from "../../tensor/index.ts";
import { nodeError } from "../errors.ts";
import type { Attribute, Node } from "../graph.ts";
import type { Rank } from "./operator.ts";

/** The graph around a node that becomes other nodes. */
export interface Surroundings {
  readonly opsets: Readonly<Record<string, number>>;
  constant(name: string): Tensor | undefined;
  /** Adds a constant under `base` or a name like it, which is returned. */
  add(base: string, tensor: Tensor): string;
  /** A new name for a value. */
  name(base: string): string;
  rank(name: string): Rank;
}

/** Makes the nodes that one node becomes. Names of nodes and values derive from those of the original. */
export class Maker {
  private readonly nodes: Node[] = [];
  /** Shapes whose zeros are empty axes. */
  private readonly empty = new Set<string>();

  constructor(
    private readonly node: Node,
    /** Version of the node's domain in its model, or 99 for what another operator has become: the newest form. */
    readonly opset: number,
    private readonly around: Surroundings,
  ) {}

  /** For the nodes of a body: the same names and constants, which the body captures. */
  body(): Maker {
    return new Maker(this.node, this.opset, this.around);
  }

  /** The elements of a constant; undefined for an absent input too. */
  constant(name: string | undefined): Tensor | undefined {
    return name === undefined || name === "" ? undefined : this.around.constant(name);
  }

  rank(name: string | undefined): Rank {
    return name === undefined || name === "" ? undefined : this.around.rank(name);
  }

  /** A new value name. */
  name(base: string): string {
    return this.around.name(`${this.node.name}/${base}`);
  }

  /** A constant of this type; its dims are those of a vector, or of a scalar for a single number. */
  tensor(base: string, type: ElementType, data: number | readonly number[], dims?: readonly number[]): string {
    const list = typeof data === "number" ? [data] : data;
    const wide = type === "int64" || type === "uint64";
    const shape = dims ?? (typeof data === "number" ? [] : [list.length]);
    return this.add(base, new Tensor(type, (wide ? list.map((v) => BigInt(v)) : [...list]) as never, shape));
  }

  add(base: string, tensor: Tensor): string {
    return this.around.add(`${this.node.name}/${base}`, tensor);
  }

  integers(base: string, data: readonly number[]): string {
    return this.tensor(base, "int64", data);
  }

  /** Extents that are known: a Reshape to them copies none, as a 0 would have it do. */
  shape(dims: readonly number[]): string {
    const name = this.integers("shape", dims);
    if (dims.includes(0)) this.empty.add(name);
    return name;
  }

  /** Adds a node with one output, whose name is returned. `op` is an ONNX operator or `domain/op`. */
  op(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.several(op, inputs, 1, attributes)[0]!;
  }

  /** As `op`, for a node with several outputs. */
  several(
    op: string,
    inputs: readonly string[],
    count: number,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string[] {
    const outputs = Array.from({ length: count }, (_, i) => this.name(count === 1 ? op : `${op}_${i}`));
    this.emit(op, inputs, outputs, attributes);
    return outputs;
  }

  /** Adds a node that makes an output of the original; nothing when nobody wants it. */
  output(i: number, op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): void {
    const name = this.node.outputs[i] ?? "";
    if (name !== "") this.emit(op, inputs, [name], attributes, i === 0 ? this.node.name : undefined);
  }

  /** Adds a node with one output under a name that is settled already. */
  into(
    name: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): void {
    this.emit(op, inputs, [name], attributes);
  }

  wants(i: number): boolean {
    return (this.node.outputs[i] ?? "") !== "";
  }

  /** All nodes made so far. */
  done(): readonly Node[] {
    return this.nodes;
  }

  /** As `output(0, …)`, and all nodes. */
  end(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): readonly Node[] {
    this.output(0, op, inputs, attributes);
    return this.nodes;
  }

  fail(why: string, code: "MODEL" | "UNSUPPORTED" = "UNSUPPORTED"): BitbasisError {
    return nodeError(this.node, this.around.opsets, why, code);
  }

  private emit(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    name = this.around.name(`${this.node.name}/${op}`),
  ): void {
    const [domain, own] = op.includes("/") ? (op.split("/") as [string, string]) : ["", op];
    const all = own === "Reshape" && this.empty.has(inputs[1]!) ? { allowzero: 1 } : attributes;
    this.nodes.push({ name, op: own, domain, inputs, outputs, attributes: all });
  }
}
