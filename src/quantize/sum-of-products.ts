import type { Node } from "../graph/index.ts";
import { Tensor } from "../tensor/index.ts";

/** One of the products that a linear layer is cut into: the name of its node, what it reads, and its weights. */
export interface PartialProduct {
  readonly name: string;
  readonly input: string;
  readonly weights: string;
}

/**
 * A linear layer as the sum of products of its own kind: their float32 results are added in the order given, then the bias, then the activation.
 *
 * @param initializers - the bounds of the activation are added to them
 */
export function sumOfProducts(
  node: Node,
  products: readonly PartialProduct[],
  initializers: Map<string, Tensor>,
): Node[] {
  const [y = ""] = node.outputs;
  const bias = node.inputs[2] ?? "";
  const { activation, min, max, ...attributes } = node.attributes;
  const nodes: Node[] = [];
  const emit = (op: string, inputs: readonly string[], output: string): string => {
    nodes.push({ name: `${output}#${op}`, op, domain: "", inputs, outputs: [output], attributes: {} });
    return output;
  };
  let sum = "";
  for (const { name, input, weights } of products) {
    const part = `${name}#product`;
    nodes.push({ ...node, name, inputs: [input, weights], outputs: [part], attributes });
    sum = sum === "" ? part : emit("Add", [sum, part], `${name}#sum`);
  }
  if (bias !== "") sum = emit("Add", [sum, bias], `${y}#bias`);
  const bound = (value: unknown): string => {
    if (value === undefined) return "";
    const name = `${y}#bound ${value}`;
    initializers.set(name, new Tensor("float32", Float32Array.of(Number(value)), []));
    return name;
  };
  if (activation === "Clip") emit("Clip", [sum, bound(min), bound(max)], y);
  else emit(activation === undefined ? "Identity" : String(activation), [sum], y);
  return nodes;
}
