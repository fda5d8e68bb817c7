import { BadIndex, BitbasisError, type Core } from "../core/index.ts";
import type { Graph } from "../graph/graph.ts";
import { specialize } from "../graph/index.ts";
import { elementBytes, type NumericType, sizeOf, Tensor, viewData } from "../tensor/index.ts";
import { compile } from "./compile.ts";
import { Constants } from "./constants.ts";
import { Panels } from "./panels.ts";
import { runSliced } from "./slices.ts";

/** What one evaluation may cost. */
export interface EvaluationLimits {
  /** Of the arena. */
  readonly bytes: number;
  /** Multiply-accumulates and moved bytes together. */
  readonly work: number;
}

/**
 * The outputs of a graph without inputs, computed by the core: the same bits as when a session computes them. undefined when that is beyond the
 * limits.
 *
 * @param signal - where there is one, the event loop gets its turn between slices of the work
 * @throws BitbasisError as a session that compiles the graph, and MODEL, with the `BadIndex` as its cause, for an index outside of its axis; the
 *   reason of the signal
 */
export async function evaluateOnce(
  core: Core,
  graph: Graph,
  limits: EvaluationLimits,
  signal?: AbortSignal,
): Promise<Map<string, Tensor> | undefined> {
  const planned = { graph, weights: new Map(), layers: new Map() };
  const constants = new Constants(core);
  const stage = specialize(graph, {});
  if (!stage.final) return undefined;
  const program = compile(planned, stage, { core, constants, panels: new Panels(core), threads: 1 });
  const work = program.steps.reduce((sum, { macs, bytes }) => sum + macs + bytes, 0);
  if (program.arenaBytes > limits.bytes || work > limits.work) return undefined;
  const arena = core.allocate(program.arenaBytes);
  const address = program.write(arena);
  try {
    await runSliced(program, signal, (slice) => core.run(address, slice.first, slice.count, slice.part, slice.parts));
  } catch (error) {
    if (!(error instanceof BadIndex)) throw error;
    throw new BitbasisError("MODEL", program.explain(error).message, { cause: error });
  }
  const results = new Map<string, Tensor>();
  for (const [name, { type, shape, place }] of program.outputs) {
    if ("constant" in place) {
      results.set(name, place.constant);
      continue;
    }
    const size = sizeOf(shape);
    const at = "arena" in place ? arena + place.arena : place.address;
    const bytes = core.u8(at, size * elementBytes(type)).slice();
    results.set(name, new Tensor(type, viewData(type as NumericType, bytes, size) as ArrayBufferView, shape));
  }
  return results;
}
