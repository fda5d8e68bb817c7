import { Tensor } from "../tensor/index.ts";
import type { Attribute, Node } from "./graph.ts";
import { isGraph } from "./order.ts";

/** Types of attributes, as ONNX tells them apart. */
export type AttributeType = "int" | "float" | "text" | "tensor" | "graph" | "ints" | "floats" | "texts";

/** The type of an attribute; undefined when the node does not have it. */
export function attributeType(
  { attributes, kinds }: Pick<Node, "attributes" | "kinds">,
  name: string,
): AttributeType | undefined {
  const value = attributes[name];
  return value === undefined ? undefined : (kinds?.[name] ?? apparentType(value));
}

/** What a value tells of its type: a whole number counts as an integer, an empty list as one of integers. */
export function apparentType(value: Attribute): AttributeType {
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  if (typeof value === "string") return "text";
  if (value instanceof Tensor) return "tensor";
  if (isGraph(value)) return "graph";
  if (typeof value[0] === "string") return "texts";
  return (value as readonly number[]).every(Number.isInteger) ? "ints" : "floats";
}
