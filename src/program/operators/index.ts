import type { Node } from "../../graph/graph.ts";
import type { Records, Stepped } from "../../graph/operators/index.ts";
import type { Lower } from "../lowering.ts";

/** Lowerings by `domain/op`. */
export type Lowerings = Readonly<Record<string, Lower>>;

const lowerings = new Map<string, Lower>();

/** Makes lowerings known. Like every module they stay, and mean the same to all. */
export function addLowerings(rows: Lowerings): void {
  for (const [key, lower] of Object.entries(rows)) lowerings.set(key, lower);
}

/** The lowering of a node's operator, once it is known: chunks.ts. */
export function loweringOf({ domain, op }: Pick<Node, "domain" | "op">): Lower | undefined {
  return lowerings.get(`${domain}/${op}`);
}

/**
 * The lowering of every operator of a table whose record says that it runs as steps; one more or less does not compile.
 */
export function lowered<Table extends Records>() {
  return <Rows extends Readonly<Record<Stepped<Table>, Lower>>>(
    rows: Rows & { readonly [Key in Exclude<keyof Rows, Stepped<Table>>]: never },
  ): Lowerings => rows as Lowerings;
}
