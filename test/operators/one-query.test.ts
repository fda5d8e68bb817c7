// A single query behind all keys: attention without a mask has the bits of the one that is masked by lengths that only the run knows.
import { expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import type { Part } from "../../src/program/routine.ts";
import type { Engine } from "../../src/session/engine.ts";
import { build } from "../graph/build.ts";
import { noise } from "../graph/interpret.ts";

const [BATCH, PAST] = [2, 5];
const LENGTHS = new Tensor("int32", new Int32Array(BATCH).fill(PAST), [BATCH, 1]);

function attention(lengths: "constant" | "fed", window = -1): Graph {
  const inputs = ["q", "k", "v", "past_key", "past_value", "lengths", "total"];
  const cache = [BATCH, 2, PAST, 4];
  const graph = build(
    {
      ...{ q: [BATCH, 1, 16], k: [BATCH, 1, 8], v: [BATCH, 1, 8], past_key: cache, past_value: cache },
      ...(lengths === "fed" && { lengths: { type: "int32" as const, shape: [BATCH, 1] } }),
    },
    { total: new Tensor("int32", [PAST + 1], []), ...(lengths === "constant" && { lengths: LENGTHS }) },
    [],
    ["y", "present_key", "present_value"],
  );
  const attributes = { num_heads: 4, kv_num_heads: 2, local_window_size: window };
  const outputs = graph.outputs.map(({ name }) => name);
  const node = { name: "a", op: "GroupQueryAttention", domain: "com.microsoft", inputs, outputs, attributes };
  return { ...graph, opsets: { ...graph.opsets, "com.microsoft": 1 }, nodes: [node] };
}

async function run(graph: Graph, fed: boolean): Promise<{ outputs: unknown; kernels: string[] }> {
  const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
  const names = ["q", "k", "v", "past_key", "past_value"];
  const feeds = Object.fromEntries(
    graph.inputs
      .filter(({ name }) => names.includes(name))
      .map(({ name, shape }, i) => [name, noise(shape as number[], i + 1)]),
  );
  const outputs = await session.run({ ...feeds, ...(fed && { lengths: LENGTHS }) });
  const { schedule } = Reflect.get(Reflect.get(session, "live"), "engine") as { schedule: Engine };
  const [part] = [...(Reflect.get(schedule, "parts") as Set<Part>)];
  const kernels = part!.program.steps.map(({ kernel }) => kernel);
  await session.release();
  return { outputs, kernels };
}

it("reads no mask where the lengths are known, with the same bits", async () => {
  const [known, unknown] = [await run(attention("constant"), false), await run(attention("fed"), true)];
  expect(known.outputs).toEqual(unknown.outputs);
  expect(unknown.kernels).toContain("where");
  expect(known.kernels).not.toContain("where");
  expect(known.kernels).not.toContain("reduce_max_float32");
});

it("keeps the mask of a window", async () => {
  const [known, unknown] = [await run(attention("constant", 3), false), await run(attention("fed", 3), true)];
  expect(known.outputs).toEqual(unknown.outputs);
  const whole = await run(attention("constant"), false);
  expect(known.outputs).not.toEqual(whole.outputs);
});
