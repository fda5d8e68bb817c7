import type { Attribute, Node } from "../graph.ts";
import type { Maker } from "./maker.ts";

/** What a node becomes; undefined when it stays as it is. */
export type Rewrite = (node: Node, make: Maker) => readonly Node[] | undefined;

export function without(node: Node, ...names: string[]): Record<string, Attribute> {
  return Object.fromEntries(Object.entries(node.attributes).filter(([name]) => !names.includes(name)));
}

/** Moves attributes to inputs: `order[i]` is the attribute that becomes input `i + 1`, as `type`. */
export function toInputs(type: "int64" | "float32", ...order: string[]): Rewrite {
  return (node, make) => {
    if (!order.some((name) => name in node.attributes)) return undefined;
    const inputs = [
      node.inputs[0] ?? "",
      ...order.map((name) => {
        const value = node.attributes[name];
        if (value === undefined) return "";
        if (typeof value !== "number" && !(Array.isArray(value) && value.every((one) => typeof one === "number"))) {
          throw make.fail(`"${name}" expected numbers`, "MODEL");
        }
        const list = (typeof value === "number" ? [value] : value) as readonly number[];
        if (type === "int64" && !list.every(Number.isInteger))
          throw make.fail(`"${name}" expected integers, got [${list}]`, "MODEL");
        return make.tensor(name, type, value as number | readonly number[]);
      }),
    ];
    while (inputs.at(-1) === "") inputs.pop();
    return [{ ...node, inputs, attributes: without(node, ...order) }];
  };
}

/** As `toInputs`, for operators whose second input says the same since a later opset. */
export const axesToInput = toInputs("int64", "axes");

/** a ∘ b ∘ c … as binary nodes from left to right. */
export function leftFold(op: string): Rewrite {
  return (node, make) => {
    const [first = "", ...rest] = node.inputs;
    const last = rest.pop();
    if (last === undefined) return make.end("Identity", [first]);
    if (rest.length === 0 && op === node.op) return undefined;
    return make.end(op, [rest.reduce((left, right) => make.op(op, [left, right]), first), last]);
  };
}

/** The operator of ONNX's own domain, or `domain/op`, that is the same. */
export const sameAs =
  (
    op: string,
    attributes: (node: Node) => Readonly<Record<string, Attribute>> = ({ attributes }) => attributes,
  ): Rewrite =>
  (node, make) =>
    make.end(op, node.inputs, attributes(node));
