import type { Shape, Tensor } from "../tensor/index.ts";
import type { ElementType } from "../tensor/types.ts";

/** A dimension of an input: a number, or the name of one that is known only when the model runs. */
export type Dimension = number | string;

export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  /** undefined when the model does not even tell the rank. */
  readonly shape: readonly Dimension[] | undefined;
  /** What holds tensors of this type and shape; absent: the value is such a tensor. */
  readonly holder?: "sequence" | "optional" | "optional sequence";
}

/** Integers are numbers; beyond 2^53 they are near ones, and 2^63 − 1 is the largest double below it. */
export type Attribute = number | string | readonly number[] | readonly string[] | Tensor | Graph;

/** Types of attributes, as ONNX tells them apart. */
export type AttributeType = "int" | "float" | "text" | "tensor" | "graph" | "ints" | "floats" | "texts";

/**
 * An operator call. `domain` is "" for ONNX, "bitbasis" for what our passes make (channels-last twins and fused operators, listed in
 * ARCHITECTURE.md). An absent optional input or output is "".
 */
export interface Node {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Kinds that the values of attributes do not tell: whole numbers that are floats, empty lists. Ask `attributeType`. */
  readonly kinds?: Readonly<Record<string, AttributeType>>;
}

/** Nodes in topological order; every value has one name in the graph. */
export interface Graph {
  readonly name: string;
  /** Version of each operator set by domain. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** Initializers that a feed may replace; they are no `inputs`, since nobody has to feed them. */
  readonly overridable?: readonly ValueInfo[];
}

/** A value of a graph whose shapes are all known. */
export interface KnownValue {
  readonly type: ElementType;
  readonly shape: Shape;
}

/** A graph under concrete input shapes: what depended on shapes only has become a constant. */
export interface SpecializedGraph {
  /** Only the nodes that must still run. */
  readonly nodes: readonly Node[];
  /** Type and shape of every value that these nodes read or write. */
  readonly values: ReadonlyMap<string, KnownValue>;
  /** Initializers and folded constants. */
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly opsets: Readonly<Record<string, number>>;
}
