import type { BitbasisError } from "../../core/errors.ts";
import { type ElementType, normalizeAxis, type Shape, type Tensor } from "../../tensor/index.ts";
import { DependsOnData, nodeError } from "../errors.ts";
import type { KnownValue, Node } from "../graph.ts";
import { shapeInWords } from "../open-shape.ts";

/** A node with what is known of its inputs: all that shape rules and evaluators look at. */
export class Call {
  constructor(
    readonly node: Node,
    readonly opsets: Readonly<Record<string, number>>,
    readonly inputs: readonly (KnownValue | undefined)[],
    readonly constants: readonly (Tensor | undefined)[],
    /** Hears of the memory that an evaluator is about to take, and may refuse it. */
    readonly hold: (bytes: number) => void = () => undefined,
  ) {}

  /** The same call with its inputs under other names, of the same types and shapes. */
  renamed(inputs: readonly string[]): Call {
    return new Call({ ...this.node, inputs }, this.opsets, this.inputs, this.constants);
  }

  /** The same call with these inputs in float32. */
  inFloat32(inputs: readonly number[]): Call {
    const wide = this.inputs.map((value, i) =>
      value && inputs.includes(i) ? { ...value, type: "float32" as const } : value,
    );
    return new Call(this.node, this.opsets, wide, this.constants);
  }

  /** Number of inputs that are written, absent ones in between included. */
  get count(): number {
    return this.inputs.length;
  }

  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }

  value(i: number): KnownValue {
    const value = this.inputs[i];
    if (value === undefined) throw this.fail(`input ${i} is missing`);
    return value;
  }

  shape(i: number): Shape {
    return this.value(i).shape;
  }

  type(i: number): ElementType {
    return this.value(i).type;
  }

  /** The elements of input `i`, when they are known. */
  constant(i: number): Tensor | undefined {
    return this.constants[i];
  }

  /** Elements of input `i` as numbers; undefined when the input is absent. Throws when the elements depend on data. */
  numbers(i: number): number[] | undefined {
    if (!this.has(i)) return undefined;
    const tensor = this.constants[i];
    if (tensor === undefined) {
      throw this.dependsOn(i);
    }
    return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  }

  /** As `numbers`, of an input that must be there. */
  needed(i: number): number[] {
    const numbers = this.numbers(i);
    if (numbers === undefined) throw this.fail(`input ${i} is missing`);
    return numbers;
  }

  /** The one element of an input. */
  single(i: number): number {
    const elements = this.needed(i);
    if (elements.length !== 1) throw this.fail(`input ${i} expected one element, got ${elements.length}`);
    return elements[0]!;
  }

  number(name: string, fallback: number): number {
    const value = this.node.attributes[name];
    return typeof value === "number" ? value : fallback;
  }

  list(name: string): readonly number[] | undefined {
    const value = this.node.attributes[name];
    return Array.isArray(value) ? (value as readonly number[]) : undefined;
  }

  text(name: string, fallback: string): string {
    const value = this.node.attributes[name];
    return typeof value === "string" ? value : fallback;
  }

  /** An axis of a tensor of the given rank, made non-negative. */
  axis(axis: number, rank: number): number {
    if (rank === 0 || axis < -rank || axis >= rank)
      throw this.fail(`axis ${axis} expected one of a tensor of rank ${rank}`);
    return normalizeAxis(axis, rank);
  }

  /** Axes of a tensor of the given rank, made non-negative, in their order; none may be named twice. */
  axes(given: readonly number[], rank: number): number[] {
    const axes = given.map((axis) => this.axis(axis, rank));
    if (new Set(axes).size !== axes.length) throw this.fail(`axes [${given}] name one twice`);
    return axes;
  }

  /** An error that says that the elements of input `i` must be known. */
  dependsOn(i: number): DependsOnData {
    const value = this.node.inputs[i]!;
    const why = `the shape of the result depends on the data of input ${i} ("${value}")`;
    return new DependsOnData(value, this.fail(why).message);
  }

  /** An error that says what is wrong with the shapes. */
  fail(why: string, code: "MODEL" | "UNSUPPORTED" = "MODEL"): BitbasisError {
    const words = this.inputs.map((input) => input && `${input.type}[${shapeInWords(input.shape)}]`);
    return nodeError(this.node, this.opsets, `${why} (inputs: ${words.map((word) => word ?? "–").join(", ")})`, code);
  }
}
