// Runs a network again at every term that arrives.
import { InferenceSession, type Tensor } from "../../src/entries/index.ts";
import type { Served } from "./serve.ts";

/** What a network said with the terms that it had. */
export interface Stage {
  readonly terms: number;
  /** Bytes that had been sent, and milliseconds since the download began, when the answer was there. */
  readonly bytes: number;
  readonly milliseconds: number;
  readonly output: Float32Array;
}

/** Opens a container while it downloads and runs it at every stage. */
export async function watch(
  served: Pick<Served, "url" | "sent">,
  feeds: Readonly<Record<string, Tensor>>,
  onStage: (stage: Stage) => void = () => {},
): Promise<Stage[]> {
  const start = performance.now();
  const session = await InferenceSession.create(served.url, { progressive: true });
  const stages: Stage[] = [];
  try {
    do {
      const outputs = await session.run(feeds);
      const stage = {
        terms: session.terms.loaded,
        bytes: served.sent(),
        milliseconds: performance.now() - start,
        output: Float32Array.from(outputs[session.outputNames[0]!]!.data as ArrayLike<number>),
      };
      stages.push(stage);
      onStage(stage);
    } while (await session.refine());
    return stages;
  } finally {
    await session.release();
  }
}

/** Part of the vectors of `classes` scores whose largest is at the same place. */
export function agreement(a: Float32Array, b: Float32Array, classes: number): number {
  const best = (values: Float32Array, i: number): number => {
    const own = values.subarray(i * classes, (i + 1) * classes);
    return own.indexOf(own.reduce((most, v) => Math.max(most, v)));
  };
  const count = a.length / classes;
  let same = 0;
  for (let i = 0; i < count; i++) same += best(a, i) === best(b, i) ? 1 : 0;
  return same / count;
}
