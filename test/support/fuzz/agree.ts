import type { Graph } from "../../../src/graph/graph.ts";
import type { Tensor } from "../../../src/tensor/index.ts";
import { interpret } from "../oracle/index.ts";
import { fromTensor } from "../oracle/value.ts";

/** Share of the largest magnitude that float32 may be off by. */
const TOLERANCE = 2e-5;
/** How many times what noise of four roundings per operator moves. */
const NOISE = 32;

/**
 * Where outputs differ from the oracle by more than float32 can explain: twice the graph is run with noise after every operator, and what that moves much is
 * not held against anybody.
 *
 * @returns a sentence, or undefined
 * @throws Refusal when the oracle cannot say
 */
export function disagreement(
  graph: Graph,
  feeds: Readonly<Record<string, Tensor>>,
  outputs: Readonly<Record<string, Tensor>>,
): string | undefined {
  const exact = interpret(graph, feeds);
  const noisy = [1, 2].map((noise) => interpret(graph, feeds, { noise }));
  for (const { name } of graph.outputs) {
    const [got, want] = [outputs[name]!, exact.get(name)!];
    const others = noisy.map((values) => values.get(name)!);
    if (others.some((o) => o.dims.join() !== want.dims.join())) continue;
    if (got.type !== want.type) return `"${name}" has type ${got.type}, not ${want.type}`;
    if (got.dims.join() !== want.dims.join()) return `"${name}" has shape [${got.dims}], not [${want.dims}]`;
    const [a, b, ...c] = [got, want, ...others].map((t) => fromTensor(t).data);
    const largest = (b as number[]).reduce(
      (m, v) => (typeof v === "number" && Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m),
      0,
    );
    // float16 is computed in float32 and rounded now and then.
    const unit = want.type === "float16" ? 2 ** -9 : TOLERANCE;
    for (const [i, y] of b!.entries()) {
      const x = a![i]!;
      if (Object.is(x, y) || x === y) continue;
      if (typeof y !== "number") {
        if (c.some((list) => list[i] !== y)) continue;
        return `"${name}"[${i}] = ${x}, not ${y}`;
      }
      const moved = Math.max(...c.map((list) => Math.abs((list[i] as number) - y)));
      const noisyClass = c.some((list) => Number.isFinite(list[i]) !== Number.isFinite(y));
      if (noisyClass || Math.abs((x as number) - y) <= unit * largest + NOISE * moved) continue;
      return `"${name}"[${i}] = ${x}, not ${y}`;
    }
  }
  return undefined;
}
