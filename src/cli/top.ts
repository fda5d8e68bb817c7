import type { Tensor } from "../tensor/index.ts";
import { elementsOf } from "./elements.ts";
import { readBytes, readJson } from "./files.ts";
import { table } from "./print.ts";
import { UsageError } from "./usage.ts";

/** Vectors of an output that are told at most. */
const VECTORS = 100;

/**
 * Names of classes: a JSON list, a JSON object by index, or a line each.
 *
 * @throws UsageError for a file that names no class, or something else
 */
export async function readLabels(file: string): Promise<string[]> {
  const bytes = await readBytes(file);
  const expected = `${file} expected a JSON list of labels, an object of labels by index, or a label per line`;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new UsageError(`${expected}, got bytes that are no text`, { cause });
  }
  if (text.trim() === "") throw new UsageError(`${expected}, got nothing`);
  if (!/^\s*[[{]/.test(text)) return text.replace(/\r?\n$/, "").split(/\r?\n/);
  const labels: string[] = [];
  for (const [index, label] of Object.entries((await readJson(file)) as object)) {
    if (!/^\d{1,6}$/.test(index)) throw new UsageError(`${expected}, got the key ${JSON.stringify(index)}`);
    if (typeof label !== "string" && typeof label !== "number")
      throw new UsageError(`${expected}, got ${JSON.stringify(label)} at ${index}`);
    labels[Number(index)] = String(label);
  }
  if (labels.length === 0) throw new UsageError(`${expected}, got none`);
  return labels;
}

/** The largest elements of each vector along the last axis, by index and name. */
export function topText(name: string, { type, dims, data }: Tensor, k: number, labels?: readonly string[]): string {
  const head = `${name}: ${type} [${dims.join(", ")}]`;
  const width = dims.at(-1) ?? 1;
  if (type === "string" || type === "bool" || width === 0 || data.length === 0) return head;
  const values = Array.from(elementsOf({ type, data }) as ArrayLike<number | bigint>, Number);
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
