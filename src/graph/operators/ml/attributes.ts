import { BitbasisError } from "../../../core/errors.ts";
import { Tensor } from "../../../tensor/index.ts";
import type { Attribute, Node } from "../../graph.ts";

/** Throws what is wrong with a node. */
export type Fail = (why: string) => Error;

type Attributes = Node["attributes"];

/** Numbers of a list attribute, or of its twin in a tensor (`base_values_as_tensor`, for float64); empty when neither is there. */
export function numbersOf(attributes: Attributes, name: string): readonly number[] {
  const tensor = attributes[`${name}_as_tensor`] ?? attributes[name];
  if (tensor instanceof Tensor) return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  return list(tensor, name, "number") as readonly number[];
}

function list(value: Attribute | undefined, name: string, type: "number" | "string"): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((one) => typeof one === type)) return value;
  throw new BitbasisError("MODEL", `the attribute "${name}" expected a list of ${type}s`);
}

export function textsOf(attributes: Attributes, name: string): readonly string[] {
  return list(attributes[name], name, "string") as readonly string[];
}

/** Numbers of a list attribute, as many as `count`. */
export function exactly(attributes: Attributes, name: string, count: number, fail: Fail): readonly number[] {
  const numbers = numbersOf(attributes, name);
  if (numbers.length !== count) throw fail(`"${name}" expected ${count} numbers, got ${numbers.length}`);
  return numbers;
}

/** The class labels under one of two names, for integers and for texts. */
export function labelsOf(attributes: Attributes, integers: string, fail: Fail): readonly number[] | readonly string[] {
  const texts = textsOf(attributes, "classlabels_strings");
  const numbers = numbersOf(attributes, integers);
  if ((texts.length === 0) === (numbers.length === 0))
    throw fail(`one of "classlabels_strings" and "${integers}" is expected`);
  return texts.length > 0 ? texts : numbers;
}
