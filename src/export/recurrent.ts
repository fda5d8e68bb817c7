import { BitbasisError } from "../core/index.ts";
import type { Node } from "../graph/index.ts";
import { ACTIVATIONS, GATES } from "../graph/operators/recurrent.ts";
import { type Shape, Tensor } from "../tensor/index.ts";
import type { Emitter } from "./emitter.ts";

type Cell = keyof typeof GATES;

/** Whether a node is of a cell that reads what the inputs' product with W gives. */
export function isRecurrent({ domain, op }: Node): boolean {
  return domain === "bitbasis" && Object.hasOwn(GATES, op);
}

/**
 * A cell as ONNX has it: with an axis of directions, and a product by W of its own. That product stands before the cell already, so that this W is
 * the identity, which the runtime makes from its size: sums of one number and zeros are that number. (An infinite one is lost, as infinity times zero.)
 *
 * @param dims - of the recurrent weights, where they are constant
 * @returns inputs and attributes of the node, and per output the axis of directions, which is to go
 * @throws BitbasisError UNSUPPORTED where nobody tells the size of the state
 */
export function recurrentForm(
  node: Node,
  dims: Shape | undefined,
  to: Emitter,
): { readonly inputs: readonly string[]; readonly attributes: Node["attributes"]; readonly axes: readonly string[] } {
  const { name, op, outputs } = node;
  const cell = op as Cell;
  const [x = "", r = "", lengths = "", state = "", memory = "", extra = ""] = node.inputs;
  const { activations, activation_alpha, activation_beta, ...rest } = node.attributes;
  const hidden = (rest["hidden_size"] as number | undefined) ?? dims?.[1];
  if (hidden === undefined)
    throw new BitbasisError("UNSUPPORTED", `node "${name}" (${cell}) has a state whose size nobody tells`);
  const integers = (what: string, ...values: readonly number[]): string =>
    to.constant(`${outputs.find((output) => output !== "")}/${what}`, new Tensor("int64", values));
  const front = integers("directions", 0);
  const directed = (value: string): string => (value === "" ? "" : to.emit("Unsqueeze", [value, front]));
  const width = GATES[cell] * hidden;
  const identity = to.emit("EyeLike", [to.emit("ConstantOfShape", [integers("size", width, width)])]);
  // A GRU that resets last has the bias of the candidate's state by itself; all others are in the product.
  const inner = cell === "GRU" && extra !== "";
  const zeros = new Tensor("float32", new Float32Array(5 * hidden));
  const biases = inner ? to.emit("Concat", [to.constant(`${extra}/others`, zeros), extra], { axis: 0 }) : "";
  const inputs = [x, directed(identity), directed(r), directed(biases), lengths, directed(state)];
  if (cell === "LSTM") inputs.push(directed(memory), directed(extra));
  while (inputs.at(-1) === "") inputs.pop();
  // Ours has a number for every function, ONNX for those that have a parameter.
  const functions = activations as readonly string[];
  const given = (values: unknown, parameter: 1 | 2): readonly number[] =>
    (values as readonly number[]).filter((_, i) => ACTIVATIONS[functions[i]!.toLowerCase()]![parameter] !== undefined);
  const [alphas, betas] = [given(activation_alpha, 1), given(activation_beta, 2)];
  const attributes = {
    ...rest,
    ...{ hidden_size: hidden, activations: functions },
    ...(alphas.length > 0 && { activation_alpha: alphas }),
    ...(betas.length > 0 && { activation_beta: betas }),
  };
  return { inputs, attributes, axes: outputs.map((_, i) => (i === 0 ? integers("directions", 1) : front)) };
}
