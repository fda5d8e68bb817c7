import type { Attribute, Graph, Node } from "../../../src/graph/graph.ts";
import { Tensor } from "../../../src/tensor/index.ts";
import { type Element, fromTensor, Refusal, type Value } from "./value.ts";

/** One call of an operator, as its definition sees it: attributes and inputs in the form of the model's own opset. */
export class Operation {
  constructor(
    readonly node: Node,
    readonly opset: number,
    readonly inputs: readonly (Value | undefined)[],
    /** Runs a body with the given inputs; outer values are visible in it. */
    readonly body: (graph: Graph, inputs: readonly Value[]) => Value[],
  ) {}

  /** Input `i`, which must be there. */
  x(i = 0): Value {
    const value = this.inputs[i];
    if (value === undefined) throw new Refusal(`${this.node.op} needs input ${i}`);
    return value;
  }

  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }

  wants(i: number): boolean {
    return (this.node.outputs[i] ?? "") !== "";
  }

  number(name: string, fallback: number): number {
    const value = this.attribute(name);
    if (value === undefined) return fallback;
    if (typeof value === "number") return value;
    throw new Refusal(`attribute ${name} of ${this.node.op} is no number`);
  }

  text(name: string, fallback: string): string {
    const value = this.attribute(name);
    if (value === undefined) return fallback;
    if (typeof value === "string") return value;
    throw new Refusal(`attribute ${name} of ${this.node.op} is no text`);
  }

  list(name: string): number[] | undefined {
    const value = this.attribute(name);
    if (value === undefined) return undefined;
    if (Array.isArray(value)) return value.map(Number);
    throw new Refusal(`attribute ${name} of ${this.node.op} is no list`);
  }

  texts(name: string): string[] | undefined {
    return this.attribute(name) as string[] | undefined;
  }

  tensor(name: string): Value | undefined {
    const value = this.attribute(name);
    return value instanceof Tensor ? fromTensor(value) : undefined;
  }

  graph(name: string): Graph {
    return this.attribute(name) as Graph;
  }

  /** Input `i` as plain numbers: shapes, axes, pads. */
  numbers(i: number): number[] | undefined {
    return this.inputs[i]?.data.map(Number);
  }

  /** What was an attribute in older opsets and is input `i` today. */
  listOr(name: string, i: number): number[] | undefined {
    return this.list(name) ?? this.numbers(i);
  }

  private attribute(name: string): Attribute | undefined {
    const { attributes } = this.node;
    return Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  }
}

export type Operator = (op: Operation) => readonly Value[];
export type Operators = Readonly<Record<string, Operator>>;

export const floats = (x: Value): number[] => x.data as number[];
export const bigs = (x: Value): bigint[] => x.data as bigint[];
export const first = (x: Value | undefined): Element | undefined => x?.data[0];
