import { Tensor } from "../../tensor/index.ts";
import { nodeError } from "../errors.ts";
import type { Attribute, KnownValue, Node } from "../graph.ts";
import { isGraph } from "../order.ts";
import type { Call } from "./call.ts";
import type { AttributeKind, Operator } from "./operator.ts";

/** One input of a signature. */
interface Parameter {
  /** A letter of the record's `types`, or an element type. */
  readonly type: string;
  readonly optional: boolean;
}

interface Signature {
  readonly parameters: readonly Parameter[];
  /** The last parameter repeats. */
  readonly repeats: boolean;
}

const signatures = new Map<string, Signature>();

/** `"T T? I..."` taken apart. */
export function signatureOf(inputs: string): Signature {
  let signature = signatures.get(inputs);
  if (signature === undefined) {
    const words = inputs.split(" ").filter((word) => word !== "");
    const parameters = words.map((word) => ({ type: word.replace(/\?|\.\.\./, ""), optional: word.endsWith("?") }));
    signature = { parameters, repeats: words.at(-1)?.endsWith("...") ?? false };
    signatures.set(inputs, signature);
  }
  return signature;
}

/**
 * Types and shapes of a node's outputs, after its inputs' number and types and its attributes have been held against the record. None for an
 * operator that always expands into others, which have their own rules.
 *
 * @throws BitbasisError MODEL for what the operator's definition does not allow, UNSUPPORTED for an element type that we do not run
 */
export function outputsOf(call: Call, operator: Operator): readonly KnownValue[] {
  try {
    checkInputs(call, operator);
    checkAttributes(call, operator);
    if (operator.shape === undefined && operator.expands === undefined)
      throw nodeError(call.node, call.opsets, "this operator is not supported");
  } catch (error) {
    ofTypes.add(error as Error);
    throw error;
  }
  const outputs = operator.shape?.(call);
  if (outputs !== undefined) checkOutputs(call, (_, i) => i < outputs.length);
  return outputs ?? [];
}

/** @throws BitbasisError UNSUPPORTED for an output of the node that is wanted and not made */
export function checkOutputs({ node, opsets }: Call, isMade: (name: string, i: number) => boolean): void {
  const more = node.outputs.findIndex((name, i) => name !== "" && !isMade(name, i));
  if (more < 0) return;
  const error = nodeError(node, opsets, `output ${more} is not supported`);
  ofTypes.add(error);
  throw error;
}

/** Errors about number and types of inputs and outputs, and attributes: no sizes of what is fed mend them. */
const ofTypes = new WeakSet<Error>();

/** Whether a node is refused for whatever sizes. */
export function isOfTypes(error: Error): boolean {
  return ofTypes.has(error);
}

function checkInputs(call: Call, operator: Operator): void {
  const { parameters, repeats } = signatureOf(operator.inputs ?? "");
  if (call.count > parameters.length && !repeats) {
    throw call.fail(`at most ${parameters.length} inputs are expected, got ${call.count}`);
  }
  const count = Math.max(call.count, parameters.length);
  for (let i = 0; i < count; i++) {
    const parameter = parameters[Math.min(i, parameters.length - 1)]!;
    if (!call.has(i)) {
      if (!parameter.optional) throw call.fail(`input ${i} is missing`);
      continue;
    }
    const type = call.type(i);
    const allowed = operator.types?.[parameter.type];
    if (allowed === undefined) {
      if (type !== parameter.type) throw call.fail(`input ${i} expected type ${parameter.type}, got ${type}`);
      continue;
    }
    const like = firstLike(call, parameters, parameter.type);
    if (call.type(like) !== type) {
      throw call.fail(`input ${i} expected type ${call.type(like)} as input ${like}, got ${type}`);
    }
    if (type === "string" && operator.steps && operator.evaluate === undefined && operator.expands === undefined)
      throw nodeError(call.node, call.opsets, "strings are not supported");
    if (!allowed.includes(type)) {
      const why = `input ${i} expected one of ${allowed.join(", ")}, got ${type}`;
      throw nodeError(call.node, call.opsets, why);
    }
  }
}

/** The first input that is there whose type has this letter. */
function firstLike(call: Call, parameters: readonly Parameter[], letter: string): number {
  let i = 0;
  while (!call.has(i) || parameters[Math.min(i, parameters.length - 1)]!.type !== letter) i++;
  return i;
}

function checkAttributes(call: Call, operator: Operator): void {
  const why = wrongAttribute(call.node, operator);
  if (why !== undefined) throw call.fail(why);
}

/**
 * Why the passes may not look at a node: they read inputs and attributes as the record tells them, before types and shapes are known. undefined for a node that
 * is whole.
 */
export function nodeFault(node: Node, operator: Operator): string | undefined {
  const { parameters } = signatureOf(operator.inputs ?? "");
  const missing = parameters.findIndex(({ optional }, i) => !optional && (node.inputs[i] ?? "") === "");
  return missing >= 0 ? `input ${missing} is missing` : wrongAttribute(node, operator);
}

/** The record's `others` taken apart. */
function othersOf({ others }: Operator): { readonly name: string; readonly kind?: string; readonly end: number }[] {
  return (others?.split(" ") ?? []).map((other) => {
    const [word = "", end = Number.POSITIVE_INFINITY] = other.split("<");
    const [name = "", kind] = word.split(":");
    return { name, ...(kind !== undefined && { kind }), end: Number(end) };
  });
}

/** What the record of a node says of an attribute; undefined where it does not tell. */
export function declaredKind(operator: Operator, name: string): AttributeKind | undefined {
  return (
    operator.attributes?.[name] ??
    (othersOf(operator).find((other) => other.name === name)?.kind as KindName | undefined)
  );
}

/**
 * The first attribute of a node of a file that its operator does not have, or has as another kind of value, in words: `becomes` reads them as they are declared. Names that begin with
 * two underscores are notes of tools, which onnxruntime passes over as well.
 */
export function strangeAttribute({ attributes }: Node, operator: Operator, opset: number): string | undefined {
  const names = Object.keys(attributes).filter((name) => !name.startsWith("__"));
  if (names.length === 0) return undefined;
  const known = new Map<string, AttributeKind | undefined>(Object.entries(operator.attributes ?? {}));
  for (const { name, kind, end } of othersOf(operator)) if (opset < end) known.set(name, kind as KindName | undefined);
  const strange = names.find((name) => !known.has(name));
  if (strange !== undefined)
    return `"${strange}" is none of its attributes (${[...known.keys()].sort().join(", ") || "it has none"})`;
  for (const name of names) {
    const declared = known.get(name);
    const kind = typeof declared === "object" ? "text" : declared;
    if (kind === undefined || CHECKS[kind](attributes[name]!)) continue;
    return `"${name}" expected ${WORDS[kind]}, got ${described(attributes[name]!)}`;
  }
  return undefined;
}

function wrongAttribute(node: Node, operator: Operator): string | undefined {
  const { attributes } = operator;
  for (const name in attributes) {
    const [kind, value] = [attributes[name]!, node.attributes[name]];
    if (value === undefined || isOfKind(value, kind)) continue;
    const expected = typeof kind === "string" ? WORDS[kind] : `one of ${kind.join(", ")}`;
    return `"${name}" expected ${expected}, got ${described(value)}`;
  }
  return undefined;
}

type KindName = Extract<AttributeKind, string>;

const WORDS: Readonly<Record<KindName, string>> = {
  int: "an integer",
  float: "a number",
  ints: "integers",
  floats: "numbers",
  text: "a text",
  texts: "texts",
  tensor: "a tensor",
  graph: "a graph",
};

const CHECKS: Readonly<Record<KindName, (value: Attribute) => boolean>> = {
  int: Number.isInteger,
  float: (value) => typeof value === "number",
  ints: (value) => Array.isArray(value) && value.every(Number.isInteger),
  floats: (value) => Array.isArray(value) && value.every((one) => typeof one === "number"),
  text: (value) => typeof value === "string",
  texts: (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
  tensor: (value) => value instanceof Tensor,
  graph: isGraph,
};

function isOfKind(value: Attribute, kind: AttributeKind): boolean {
  return typeof kind === "string" ? CHECKS[kind](value) : typeof value === "string" && kind.includes(value);
}

function described(value: Attribute): string {
  if (value instanceof Tensor) return "a tensor";
  return isGraph(value) ? "a graph" : JSON.stringify(value);
}
