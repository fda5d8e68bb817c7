// Grows a valid random graph node by node. What a node gives is computed by the oracle at once, so the generator needs no shape rules of its own, and what
// the standard forbids is simply not taken.
import type { Attribute, Graph, Node, ValueInfo } from "../../../src/graph/graph.ts";
import type { Tensor } from "../../../src/tensor/index.ts";
import { runNodes } from "../oracle/index.ts";
import { isFloat, isInteger, limits, Refusal, size, toTensor, type Value, value } from "../oracle/value.ts";
import type { Random } from "../random.ts";

/** More elements than this make a test slow and no surer. */
const MOST_ELEMENTS = 1500;
const LARGEST_FLOAT = 1e4;

export interface Spec {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly outputs?: number;
  readonly domain?: string;
}

export class GraphBuilder {
  readonly values = new Map<string, Value>();
  readonly nodes: Node[] = [];
  readonly initializers = new Map<string, Tensor>();
  readonly inputs = new Map<string, Tensor>();
  private count = 0;

  constructor(
    readonly random: Random,
    readonly opset: number,
  ) {}

  /** Small extents, rarely 0 or more than a vector holds. */
  extent(): number {
    const { random } = this;
    if (random.integer(0, 40) === 0) return 0;
    return random.integer(0, 12) === 0 ? random.pick([7, 8, 9, 16, 17]) : random.integer(1, 5);
  }

  dims(low = 0, high = 4): number[] {
    return Array.from({ length: this.random.integer(low, high) }, () => this.extent());
  }

  /** Random elements of a type; floats in −2 … 2, integers small with an edge now and then. */
  data(type: string, dims: readonly number[]): Value {
    const { random } = this;
    const edge = (): bigint => random.pick([...limits(type), 0n, 1n]);
    const integer = (): bigint =>
      random.integer(0, 30) === 0 ? edge() : BigInt(random.integer(isUnsigned(type) ? 0 : -5, 9));
    const element = (): number | bigint | boolean => {
      if (isFloat(type))
        return random.integer(0, 20) === 0 ? random.pick([0, 1, -1, 0.5, -0.5]) : random.uniform(-2, 2);
      return isInteger(type) ? integer() : random.integer(0, 1) === 1;
    };
    return value(type, dims, Array.from({ length: size(dims) }, element));
  }

  /** A new value of the graph: an input, or now and then a constant. */
  fresh(type: string, dims: readonly number[], constant = this.random.integer(0, 2) === 0): string {
    return this.place(this.data(type, dims), constant);
  }

  place(v: Value, constant = true): string {
    const name = `${constant ? "c" : "x"}${this.count++}`;
    this.values.set(name, v);
    (constant ? this.initializers : this.inputs).set(name, toTensor(v));
    return name;
  }

  int64(...list: number[]): string {
    return this.place(value("int64", [list.length], list.map(BigInt)), this.random.integer(0, 9) > 0);
  }

  scalar(type: string, v: number): string {
    return this.place(value(type, [], [isFloat(type) ? v : BigInt(v)]));
  }

  /** A value that is there and fits, or a new one. */
  pick(fits: (v: Value) => boolean, make: () => string): string {
    const known = [...this.values].filter(([, v]) => fits(v)).map(([name]) => name);
    return known.length > 0 && this.random.integer(0, 9) < 7 ? this.random.pick(known.slice(-4)) : make();
  }

  get(name: string): Value {
    return this.values.get(name)!;
  }

  /** Adds a node when the oracle can run it and what it gives is small and tame; whether it was added. */
  add({ op, inputs, attributes = {}, outputs = 1, domain = "" }: Spec): boolean {
    const names = Array.from({ length: outputs }, () => `y${this.count++}`);
    const node: Node = { name: `${op}_${this.nodes.length}`, op, domain, inputs, outputs: names, attributes };
    const trial = new Map(this.values);
    try {
      runNodes({ nodes: [node] }, trial, this.opsets, undefined);
    } catch (error) {
      if (error instanceof Refusal) return false;
      throw new Error(`the oracle failed on ${op} ${JSON.stringify(attributes)}`, { cause: error });
    }
    for (const name of names) {
      const v = trial.get(name)!;
      const wild = isFloat(v.type) && v.data.some((x) => Math.abs(x as number) > LARGEST_FLOAT);
      if (v.data.length > MOST_ELEMENTS || wild) return false;
    }
    for (const name of names) this.values.set(name, trial.get(name)!);
    this.nodes.push(node);
    return true;
  }

  get opsets(): Readonly<Record<string, number>> {
    return { "": this.opset, "com.microsoft": 1 };
  }

  /** The graph; every value that nobody reads is an output. Extents of inputs are told, named or left open. */
  graph(): { graph: Graph; feeds: Record<string, Tensor> } {
    const read = new Set(this.nodes.flatMap((n) => n.inputs));
    const made = this.nodes.flatMap((n) => n.outputs);
    const outputs = made.filter((name) => !read.has(name) || this.random.integer(0, 5) === 0);
    const used = (name: string): boolean => read.has(name);
    const inputs = [...this.inputs].filter(([name]) => used(name));
    const info = ([name, { type, dims }]: [string, Tensor]): ValueInfo => {
      const named = this.random.integer(0, 2) === 0;
      return { name, type, shape: dims.map((d, i) => (named || d === 0 ? `${name}_${i}` : d)) };
    };
    const graph: Graph = {
      name: "random",
      opsets: this.opsets,
      inputs: inputs.map(info),
      outputs: outputs.map((name) => ({ name, type: this.get(name).type, shape: undefined })),
      nodes: this.nodes,
      initializers: new Map([...this.initializers].filter(([name]) => used(name))),
    };
    return { graph, feeds: Object.fromEntries(inputs) };
  }
}

const isUnsigned = (type: string): boolean => type.startsWith("u");
