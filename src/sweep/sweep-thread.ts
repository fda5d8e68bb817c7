// One thread of a Pool that computes jobs of a sweep: the numbers from…to − 1, to an outcome each, as JSON.
import { sha256 } from "../model/sha256.ts";
import { type ModelFacts, serveThread } from "../pool/index.ts";
import { loadSweep } from "./index.ts";
import { sweepSpec } from "./spec.ts";
import type { Sweep } from "./sweep.ts";

await serveThread(async ({ models }) => {
  const sweeps = new Map<string, Sweep>();
  const facts: Record<string, ModelFacts> = {};
  for (const { key, bytes } of models) {
    sweeps.set(key, await loadSweep(sweepSpec(bytes)!.sweep));
    facts[key] = {
      inputs: [{ name: "range", type: "int64", shape: [2] }],
      outputs: [{ name: "outcomes", type: "string", shape: ["numbers"] }],
      digest: sha256(bytes),
      terms: 0,
    };
  }
  return {
    facts,
    async run({ model, feeds, signal }) {
      const sweep = sweeps.get(model)!;
      const [from, to] = Array.from(feeds["range"]!.data as BigInt64Array, Number) as [number, number];
      const outcomes: string[] = [];
      for (let index = from; index < to; index++) {
        signal.throwIfAborted();
        outcomes.push(JSON.stringify({ index, ...(await sweep.one(index, signal)) }));
        // Lets an abort in, and the next order.
        await new Promise((resolve) => setImmediate(resolve));
      }
      return { outcomes: { type: "string", dims: [outcomes.length], data: outcomes } };
    },
  };
});
