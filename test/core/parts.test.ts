// The packaged SIMD build in two parts against the whole module: the same bits, and the second part only where a step is its own.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Core, Incomplete } from "../../src/core/index.ts";
import { InferenceSession } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { f32, modelOf, type NodeCase } from "../support/run-node.ts";

const WHOLE = readFileSync(new URL("../../build/simd.wasm", import.meta.url));

const f64 = (...data: number[]): Tensor => new Tensor("float64", data, [data.length]);
const u64 = (...data: bigint[]): Tensor => new Tensor("uint64", data, [data.length]);
const i64 = (...data: number[]): Tensor => new Tensor("int64", data, [data.length]);

/** Steps, types and functions of the second part. */
const OTHERS: readonly NodeCase[] = [
  { op: "TopK", inputs: [f32([2, 5]), i64(2)], constants: [1], outputs: 2 },
  { op: "CumSum", inputs: [f32([3, 4]), new Tensor("int64", [1], [])], constants: [1] },
  { op: "MaxPool", inputs: [f32([1, 2, 4, 4])], attributes: { kernel_shape: [2, 2] }, outputs: 2 },
  { op: "Det", inputs: [f32([2, 3, 3])] },
  { op: "GridSample", inputs: [f32([1, 2, 3, 3]), f32([1, 2, 2, 2])] },
  { op: "MatMul", inputs: [f64(1, 2, 3).reshape([1, 3]), f64(4, 5, 6).reshape([3, 1])] },
  { op: "Add", inputs: [f64(1, 2.5), f64(0.1, 0.2)] },
  { op: "Less", inputs: [u64(1n, 2n ** 63n), u64(2n, 1n)] },
  { op: "Sin", inputs: [f64(1, -2, 3)] },
  { op: "Pow", inputs: [f64(1.5, 2), f64(0.3, -1)] },
  { op: "Tan", inputs: [f32([7])] },
  { op: "Cos", inputs: [f32([7])] },
  { op: "Mish", inputs: [f32([7])] },
  { op: "Trilu", inputs: [f32([3, 4])] },
  { op: "Range", inputs: [i64(2), i64(9), i64(3)].map((x) => x.reshape([])) },
  { op: "Acosh", inputs: [f32([7])] },
  { op: "Celu", inputs: [f32([7])], attributes: { alpha: 0.5 } },
  { op: "Shrink", inputs: [f32([7])] },
  { op: "ReduceMax", inputs: [f64(1, 5, 3)] },
  { op: "ArgMin", inputs: [u64(3n, 2n, 2n)] },
  { op: "ArgMax", inputs: [i64(3, 7, 7)] },
  { op: "ArgMax", inputs: [new Tensor("int32", [3, 7, 7], [3])], attributes: { select_last_index: 1 } },
  { op: "ReduceSum", inputs: [i64(2 ** 40, 5, -3)] },
  { op: "ReduceMin", inputs: [new Tensor("int32", [4, -7, 2], [3])] },
  {
    op: "ScatterElements",
    inputs: [f64(1, 2, 3), i64(0, 2), f64(5, 7)],
    attributes: { reduction: "add", axis: 0 },
    opset: 18,
  },
];

async function outputs(c: NodeCase, options: Parameters<typeof InferenceSession.create>[1]): Promise<Uint8Array[]> {
  const { graph, feeds } = modelOf(c);
  const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32", ...options });
  const results = await session.run(feeds);
  await session.release();
  return Object.values(results).map(({ data }) => {
    const { buffer, byteOffset, byteLength } = data as Float32Array;
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice();
  });
}

describe("the parts of the core", () => {
  it.each(OTHERS.map((c) => [`${c.op} of ${(c.inputs[0] as Tensor).type}`, c] as const))(
    "have the bits of the whole module: %s",
    async (_, c) => {
      expect(await outputs(c, { build: "simd" })).toEqual(await outputs(c, { build: "simd", wasm: WHOLE }));
    },
  );

  it("are complete on threads", async () => {
    const c: NodeCase = { op: "TopK", inputs: [f32([4096, 40]), i64(7)], constants: [1], outputs: 2 };
    expect(await outputs(c, { build: "simd", numThreads: 3 })).toEqual(
      await outputs(c, { build: "simd", wasm: WHOLE }),
    );
  });

  it("are two only for the packaged build; a step of the second one says that it is missing, and runs once it is there", async () => {
    const core = await Core.create("simd");
    expect(() => core.series).toThrow("the core is not complete");
    const { Opcode } = await import("../../src/core/abi/opcode.ts");
    const program = core.write([{ opcode: Opcode.TopK, words: [Opcode.TopK, ...Array.from({ length: 40 }, () => 0)] }]);
    expect(() => core.run(program, 0, 1)).toThrow(Incomplete);
    await core.complete();
    expect(typeof core.series.seriesRange).toBe("function");
    core.run(program, 0, 1);
    const scalar = await Core.create("scalar");
    expect(typeof scalar.series.seriesRange).toBe("function");
  });
});
