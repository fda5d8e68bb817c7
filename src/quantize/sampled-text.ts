import type { Core } from "../core/index.ts";
import type { Graph } from "../graph/index.ts";
import { allocateData, sizeOf, Tensor, uniformNumbers } from "../tensor/index.ts";
import type { Records } from "./records.ts";
import { type Feeds, Runner } from "./runner.ts";

/** Tokens of a text, and how many texts there are where the batch is free. */
const [LENGTH, TEXTS] = [64, 24];

/**
 * Texts that a decoder writes itself: each next token is drawn from what the network says of it, from a seed. Rounding errors that matter on text show on them, not on random ids
 * (stories260k at 4 bits: negative log-likelihood 1.52 fitted to random ids, 1.45 … 1.48 to its own text; float32 1.36).
 *
 * @returns undefined for networks that are no decoders of one input: [texts, tokens] of integers to [texts, tokens, ids] of logits, no token depending on a later one
 */
export function sampledText(core: Core, graph: Graph, { feeds: [first] }: Pick<Records, "feeds">): Feeds | undefined {
  const [input, ...others] = graph.inputs;
  if (input === undefined || others.length > 0 || !/^u?int(32|64)$/.test(input.type)) return undefined;
  const { shape = [] } = input;
  if (shape.length !== 2) return undefined;
  const texts = typeof shape[0] === "number" ? shape[0] : TEXTS;
  const length = typeof shape[1] === "number" ? shape[1] : LENGTH;
  const seed = first!.get(input.name)!;
  const ids = Array.from({ length: texts * length }, (_, i) => Number(seed.data[i % seed.size]));
  const feed = (): Feeds => {
    const data = allocateData(input.type, ids.length);
    for (const [i, id] of ids.entries()) (data as unknown[])[i] = typeof data[i] === "bigint" ? BigInt(id) : id;
    return new Map([[input.name, new Tensor(input.type, data as Int32Array, [texts, length])]]);
  };
  const runner = new Runner(core, { graph, weights: new Map(), layers: new Map() });
  const before = runner.run(feed());
  const found = [...before].find(([, { type, dims }]) => {
    return type === "float32" && dims.length === 3 && dims[0] === texts && dims[1] === length && dims[2]! > 1;
  });
  if (found === undefined) return undefined;
  const [name, logits] = found;
  const count = logits.dims[2]!;
  // A network that looks ahead says something else of the first token when the last one is another.
  for (let text = 1; text <= texts; text++) ids[text * length - 1] = ids[text * length - 1] === 0 ? 1 : 0;
  const after = runner.run(feed()).get(name)!;
  for (let text = 0; text < texts; text++) {
    const at = text * length * count;
    const earlier = (tensor: Tensor) => (tensor.data as Float32Array).subarray(at, at + (length - 1) * count);
    if (!earlier(logits).every((v, i) => v === earlier(after)[i])) return undefined;
  }
  const uniform = uniformNumbers(1);
  for (let t = 1; t < length; t++) {
    const { data, dims } = runner.run(feed()).get(name)!;
    const step = sizeOf(dims.slice(1));
    for (let text = 0; text < texts; text++) {
      const from = text * step + (t - 1) * count;
      ids[text * length + t] = draw((data as Float32Array).subarray(from, from + count), uniform());
    }
  }
  return feed();
}

/** An index with probability softmax(logits), by a uniform number. */
function draw(logits: Float32Array, uniform: number): number {
  const most = logits.reduce((all, v) => Math.max(all, v), Number.NEGATIVE_INFINITY);
  const weights = Float64Array.from(logits, (v) => power(v - most));
  let left = uniform * weights.reduce((sum, v) => sum + v, 0);
  for (const [i, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return i;
  }
  return logits.length - 1;
}

/** e^x of x ≤ 0 to seven digits, with + − × alone: the last bits of the engine's own differ from machine to machine. */
function power(x: number): number {
  if (!(x > -60)) return 0;
  const y = x / 1024;
  let value = 1 + y * (1 + (y / 2) * (1 + (y / 3) * (1 + y / 4)));
  for (let n = 0; n < 10; n++) value *= value;
  return value;
}
