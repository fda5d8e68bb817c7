import { Tensor } from "../tensor/index.ts";
import type { Attribute, AttributeType, Node } from "./graph.ts";
import { declaredKind } from "./operators/contract.ts";
import { operatorOf } from "./operators/index.ts";
import { isGraph } from "./order.ts";

/** The type of an attribute, by the file that it comes from, or else by its operator, or by its value; undefined when the node does not have it. */
export function attributeType(
  { attributes, kinds, domain, op }: Pick<Node, "attributes" | "kinds" | "domain" | "op">,
  name: string,
): AttributeType | undefined {
  const value = attributes[name];
  if (value === undefined) return undefined;
  const operator = operatorOf({ domain, op });
  const declared = operator && declaredKind(operator, name);
  const apparent = apparentType(value);
  const whole = (declared === "float" && apparent === "int") || (declared === "floats" && apparent === "ints");
  const empty = declared === "texts" && apparent === "ints" && (value as readonly number[]).length === 0;
  return kinds?.[name] ?? (whole || empty ? declared : apparent);
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
