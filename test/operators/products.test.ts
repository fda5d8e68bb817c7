// Matrix products of every type that has kernels of its own, over rectangles, vectors and turned operands: where two extents are the same, one may stand for the other unseen.
import { describe, expect, it } from "vitest";
import { type NumericType, Tensor } from "../../src/tensor/index.ts";
import { build, f32 as floats } from "../graph/build.ts";
import { agreesNode, runNode } from "../support/run-node.ts";
import { both } from "./one-node.ts";

const TYPES = ["float32", "float64", "int32", "uint32", "int64", "uint64"] as const;

/** Small whole numbers, all different enough, which every type holds; products of them are exact in all. */
function whole(type: NumericType, dims: readonly number[], seed: number): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: size }, (_, i) => ((i * 7 + seed * 5) % 13) + 1);
  const data = type.endsWith("64") && type !== "float64" ? values.map(BigInt) : values;
  return new Tensor(type, data as never, dims);
}

describe.each(TYPES)("%s", (type) => {
  it.each([
    [[3], [3]],
    [[3], [3, 4]],
    [[2, 3], [3]],
    [
      [2, 3],
      [3, 4],
    ],
    [
      [5, 1, 3],
      [3, 4],
    ],
    [
      [2, 5, 3],
      [2, 3, 4],
    ],
    [
      [2, 1, 2, 3],
      [5, 3, 4],
    ],
    [[3], [2, 3, 4]],
    [[2, 5, 3], [3]],
  ])("MatMul of %j and %j", async (a, b) => {
    await agreesNode({ op: "MatMul", inputs: [whole(type, a, 1), whole(type, b, 2)] });
  });

  it.each([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ])("Gemm of 2 × 3 and 3 × 4, turned %i and %i", async (transA, transB) => {
    const a = whole(type, transA === 1 ? [3, 2] : [2, 3], 1);
    const b = whole(type, transB === 1 ? [4, 3] : [3, 4], 2);
    for (const c of [[], [[4]], [[2, 1]], [[2, 4]]]) {
      const inputs = [a, b, ...c.map((dims) => whole(type, dims, 3))];
      // An attribute that is 0 is left out, as files do.
      const attributes = { ...(transA === 1 && { transA }), ...(transB === 1 && { transB }) };
      await agreesNode({ op: "Gemm", inputs, attributes });
    }
  });
});

it("says what is no product", async () => {
  const refused = (a: number[], b: number[]) =>
    expect(runNode({ op: "MatMul", inputs: [whole("float32", a, 1), whole("float32", b, 2)] })).rejects;
  await refused([], [3]).toThrow("a scalar has no matrix product");
  await refused([3], []).toThrow("a scalar has no matrix product");
  await refused([2, 3], [2, 3]).toThrow("the matrices do not fit");
  const conv = { op: "Conv", inputs: [whole("float32", [2, 3], 1), whole("float32", [4, 3], 2)] };
  await expect(runNode(conv)).rejects.toThrow("at least three dimensions");
});

describe("two factors", () => {
  // Joined, factors below 2^-63 are a subnormal number, which has lost digits; those above 2^63 overflow.
  it.each([
    [1.2345 * 2 ** -63.5, 1.4567 * 2 ** -63.2, 2 ** 120],
    [1.2345 * 2 ** 63.5, 1.4567 * 2 ** 63.2, 2 ** -120],
    [1.2345 * 2 ** -63.5, -1.4567 * 2 ** -63.2, 2 ** 120],
  ])("%f and %f multiply one after the other", async (a, b, unit) => {
    const [p, q] = [Math.fround(a), Math.fround(b)];
    const x = Float32Array.from({ length: 40 }, (_, i) => unit * (1 + Math.sin(i) / 3));
    const graph = build(
      { x: [40] },
      { p: floats([], [p]), q: floats([], [q]) },
      [
        ["Mul", ["x", "p"], ["t"]],
        ["Mul", ["t", "q"], ["y"]],
      ],
      ["y"],
    );
    const [y] = await both(graph, { x: new Tensor("float32", x, [40]) });
    expect(Array.from(y!.data as Float32Array)).toEqual(Array.from(x, (v) => Math.fround(Math.fround(v * p) * q)));
  });
});
