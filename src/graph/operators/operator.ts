import type { ElementType, TensorData } from "../../tensor/index.ts";
import { ELEMENT_TYPES } from "../../tensor/index.ts";
import type { KnownValue, Node } from "../graph.ts";
import type { Call } from "./call.ts";
import type { LayoutRule } from "./layout-rules.ts";
import type { Maker } from "./maker.ts";
import type { Rank, RankView } from "./rank.ts";

/** Types and shapes of a node's outputs; throws when the inputs do not fit. The inputs' count, types and attributes have been checked. */
export type ShapeRule = (call: Call) => readonly KnownValue[];

/**
 * The outputs of a node whose inputs are all constant (except for operators that only look at shapes); undefined when this case is left to
 * the core. `outputs` are what the shape rule says.
 */
export type Evaluate = (call: Call, outputs: readonly KnownValue[]) => readonly TensorData[] | undefined;

export interface WeightInput {
  readonly input: number;
  /** The axis of its output channels, where the constant has `rank` axes (undefined: it is no constant); undefined: it is no series. */
  readonly axis: (node: Node, rank: Rank) => number | undefined;
}

/** The kind of an attribute, or the texts that it may be. */
export type AttributeKind =
  | "int"
  | "float"
  | "ints"
  | "floats"
  | "text"
  | "texts"
  | "tensor"
  | "graph"
  | readonly string[];

/**
 * All that is known of one operator, in the form that the graph has once `normalize` has been over it. Where a field is absent, that is an
 * answer: no `layout`, and channels-last values are transposed before it; no `evaluate`, and it is never folded; no `steps`, and the core cannot
 * run it.
 */
export interface Operator {
  /** First version of its domain that has it. */
  readonly since: number;
  /** Last version that has it. */
  readonly until?: number;
  /**
   * The inputs in order: a letter of `types` or the name of an element type; "?" marks one that may be absent, "..." that the last one repeats:
   * "T T? int64?", "T...". Absent for operators that only have `becomes`.
   */
  readonly inputs?: string;
  /** Element types that each letter of `inputs` stands for. Inputs of one letter have one type. */
  readonly types?: Readonly<Record<string, readonly ElementType[]>>;
  /** Attributes that it reads, and what they must be. */
  readonly attributes?: Readonly<Record<string, AttributeKind>>;
  /**
   * Further attributes that nodes of files may have, since they change nothing or `becomes` reads them. `name<7` is none any more since version 7 of
   * the domain, and what is ":float" or ":floats" is written as such: "training_mode momentum:float axis<7". Any other attribute of a file is refused, as
   * onnxruntime does.
   */
  readonly others?: string;
  /**
   * What it becomes when a graph is read: the newest form of an older one, or other operators altogether. undefined: it stays as it is.
   * An operator that always becomes another has nothing below.
   */
  readonly becomes?: (node: Node, make: Maker) => readonly Node[] | undefined;
  /** What else a node may become, in a later chunk that is imported with it. */
  readonly later?: (node: Node) => Pick<Node, "domain" | "op"> | undefined;
  /** The rank of output `output`. */
  readonly rank?: (node: Node, view: RankView, output: number) => Rank;
  /** Number of elements of the output, a vector that shapes are computed with. */
  readonly length?: (node: Node, view: RankView) => Rank;
  /** Types and shapes of the outputs; refuses inputs whose ranks or extents the definition does not allow. */
  readonly shape?: ShapeRule;
  /** What it becomes once the shapes of its inputs are known: other operators. undefined: it stays as it is, and needs a shape rule. */
  readonly expands?: (call: Call, make: Maker) => readonly Node[] | undefined;
  /** Folding: only operations that IEEE 754 rounds in one way, integers, and data movement. */
  readonly evaluate?: Evaluate;
  /** What the shape rule and the evaluator take long for, in pieces, before they are asked; see `inPieces`. */
  readonly work?: (call: Call) => Iterable<undefined>;
  /** Its evaluator looks at the shapes of the inputs, not at their elements. */
  readonly evaluatesShapes?: true;
  /** How it works on channels-last values. */
  readonly layout?: LayoutRule;
  /** The node with what its shapes decide. */
  readonly settle?: (call: Call, outputs: readonly KnownValue[]) => Node;
  /**
   * What an element of the outputs is, for rules that follow values through a network without a run. Absent: they claim nothing of it.
   * "moved": an element of the first input, of another type at most;
   * "joined": one of any input of their type;
   * "scaled": made of others by sums, products, powers or floors: without a mean, a bound or saturation, it is as precise to a part of itself as they are;
   * "linear": a sum of products with weights; "recurrent": a state that such sums take from step to step;
   * "compared": which of two is larger, or whether they are equal; "logical": made of truth values.
   */
  readonly elements?: "moved" | "joined" | "scaled" | "linear" | "recurrent" | "compared" | "logical";
  /** No element of the outputs is below 0: "always", or where none of the inputs that they are made of is, as what is moved or joined. */
  readonly positive?: "always" | "kept";
  /** Inputs that may be series of low-bit terms. */
  readonly weights?: readonly WeightInput[];
  /** Its result is not a function of inputs and attributes: equal nodes stay apart. */
  readonly random?: true;
  /**
   * One program serves a range of sizes (src/program/ranged.ts): extents, folded elements and step words are made of sizes by sums, products, equality,
   * clamps, and division by constants, rounded either way. "compared": folding tells which of two numbers is larger.
   */
  readonly sizes?: "polynomial" | "compared";
  /** It runs as steps of the core: src/program/operators has its lowering. Without steps, `evaluate` runs when the inputs are there. */
  readonly steps?: true;
  /** A session runs it between programs: it has bodies, or works on sequences or optionals. */
  readonly between?: true;
}

/** The same record under several names of one domain: keys are `domain/op`, as `/Relu` and `bitbasis/Conv`. */
export function each<const Names extends readonly string[], const Row extends Operator>(
  names: Names,
  row: Row,
  domain = "",
): { readonly [Key in `/${Names[number]}`]: Row } {
  return Object.fromEntries(names.map((name) => [`${domain}/${name}`, row])) as never;
}

export const FLOATS: readonly ElementType[] = ["float32", "float16", "float64"];
/** What is computed in f32. */
export const HALVES: readonly ElementType[] = ["float32", "float16"];
export const SIGNED: readonly ElementType[] = ["int8", "int16", "int32", "int64"];
export const UNSIGNED: readonly ElementType[] = ["uint8", "uint16", "uint32", "uint64"];
export const INTEGERS: readonly ElementType[] = [...SIGNED, ...UNSIGNED];
export const NUMBERS: readonly ElementType[] = [...FLOATS, ...INTEGERS];
/** Types of indices, axes and shapes. */
export const INDEX: readonly ElementType[] = ["int32", "int64"];
export const ANY: readonly ElementType[] = ELEMENT_TYPES;

/** The rank of the first input. */
export const sameRank: Operator["rank"] = (_, { rank }) => rank(0);

/** The rank of a NumPy broadcast of all inputs. */
export const broadcastRank: Operator["rank"] = (node, { rank }) => largest(node.inputs.map((_, i) => rank(i)));

/** The length of the first input. */
export const sameLength: Operator["length"] = (_, { length }) => length(0);

export const rankOf =
  (rank: number): Operator["rank"] =>
  () =>
    rank;

export function largest(all: readonly Rank[]): Rank {
  let most = 0;
  for (const one of all) {
    if (one === undefined) return undefined;
    most = Math.max(most, one);
  }
  return most;
}

export function plus(a: Rank, b: Rank): Rank {
  return a === undefined || b === undefined ? undefined : a + b;
}

/** The type and shape of the first input. */
export const sameAsInput: ShapeRule = (call) => [call.value(0)];
