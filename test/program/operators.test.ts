import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { runOperator } from "./harness.ts";

const f32 = (data: number[], dims: number[]): Tensor => new Tensor("float32", Float32Array.from(data), dims);
const i64 = (data: number[], dims: number[]): Tensor => new Tensor("int64", BigInt64Array.from(data, BigInt), dims);

describe.each(["scalar", "simd"] as const)("operators, %s", (build) => {
  test("[C] against [N, C], a column against [N, C], with a remainder", async () => {
    const x = f32([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [2, 5]);
    const outputs = [{ type: "float32", shape: [2, 5] }] as const;
    const [row] = await runOperator({ op: "Add", inputs: [x, f32([10, 20, 30, 40, 50], [5])], outputs }, { build });
    expect([...row!.data]).toEqual([11, 22, 33, 44, 55, 16, 27, 38, 49, 60]);
    const [column] = await runOperator(
      { op: "Mul", inputs: [f32([2, -1], [2, 1]), x], outputs },
      { build, threads: 3 },
    );
    expect([...column!.data]).toEqual([2, 4, 6, 8, 10, -6, -7, -8, -9, -10]);
  });

  test("an index out of range is an error, and nothing outside is read", async () => {
    const run = runOperator(
      { op: "Gather", inputs: [f32([1, 2, 3], [3]), i64([0, 3], [2])], outputs: [{ type: "float32", shape: [2] }] },
      { build },
    );
    await expect(run).rejects.toThrow("index 3 on axis 0 expected one of -3..2");
  });

  test("integer division by zero gives 0 and does not trap", async () => {
    const [y] = await runOperator(
      {
        op: "Div",
        inputs: [i64([7, -7, 5], [3]), i64([2, 2, 0], [3])],
        outputs: [{ type: "int64", shape: [3] }],
      },
      { build },
    );
    expect([...(y!.data as BigInt64Array)]).toEqual([3n, -3n, 0n]);
  });
});
