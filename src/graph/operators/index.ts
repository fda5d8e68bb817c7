import type { Node } from "../graph.ts";
import type { Operator } from "./operator.ts";

/** Records by `domain/op`; ONNX's own domain is empty: `/Relu`. */
export type Records = Readonly<Record<string, Operator>>;

/** Keys of the operators of a table that run as steps. */
export type Stepped<Table extends Records> = {
  [Key in keyof Table & string]: Table[Key] extends { readonly steps: true } ? Key : never;
}[keyof Table & string];

/** Records by domain and name: a key that is put together at every look-up took 3 % of lowering a decoder. */
const byDomain = new Map<string, Map<string, Operator>>();

/** Makes records known. Like every module they stay, and mean the same to all. */
export function addOperators(records: Records): void {
  for (const [key, record] of Object.entries(records)) {
    const [domain, op] = key.split("/") as [string, string];
    let names = byDomain.get(domain);
    if (names === undefined) {
      names = new Map();
      byDomain.set(domain, names);
    }
    if (!names.has(op)) names.set(op, record);
  }
}

/** The record of a node's operator, once it is known: src/program/operators/chunks.ts. */
export function operatorOf({ domain, op }: Pick<Node, "domain" | "op">): Operator | undefined {
  return byDomain.get(domain)?.get(op);
}
