import type { Tensor } from "../tensor/index.ts";
import { readBytes } from "./files.ts";
import { table } from "./print.ts";
import { UsageError } from "./usage.ts";

/** Vectors of an output that are told at most. */
const VECTORS = 100;

/** Names of classes: a JSON list or object by index, or a line each. */
export async function readLabels(file: string): Promise<string[]> {
  const text = new TextDecoder().decode(await readBytes(file));
  if (!/^\s*[[{]/.test(text)) return text.replace(/\r?\n$/, "").split(/\r?\n/);
  try {
    const list = JSON.parse(text) as unknown;
    return Object.assign([], list).map(String);
  } catch {
    throw new UsageError(`${file} expected a JSON list of labels, or a label per line`);
  }
}

/** The largest elements of each vector along the last axis, by index and name. */
export function topText(name: string, { type, dims, data }: Tensor, k: number, labels?: readonly string[]): string {
  const head = `${name}: ${type} [${dims.join(", ")}]`;
  const width = dims.at(-1) ?? 1;
  if (type === "string" || type === "bool" || width === 0 || data.length === 0) return head;
  const values = Array.from(data as ArrayLike<number | bigint>, Number);
  const vectors = Math.min(values.length / width, VECTORS);
  const rows = Array.from({ length: vectors }, (_, vector) => {
    const scores = values.slice(vector * width, (vector + 1) * width);
    // NaN last; of equal ones the first.
    const rank = (score: number): number => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score);
    const order = [...scores.keys()].sort((a, b) => rank(scores[b]!) - rank(scores[a]!) || a - b);
    return order
      .slice(0, k)
      .map((index) => [
        ...(vectors > 1 ? [vector] : []),
        index,
        ...(labels ? [labels[index] ?? ""] : []),
        String(Number(scores[index]!.toPrecision(6))),
      ]);
  }).flat();
  const header = [...(vectors > 1 ? ["vector"] : []), "index", ...(labels ? ["label"] : []), "value"];
  return `${head}\n${table(header, rows)}`;
}
