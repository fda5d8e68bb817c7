// Operators of onnxruntime's domain that its CPU package does not run, or that are held against their own definition.
import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/index.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";
import { build, f32, type NodeSpec } from "../graph/build.ts";
import { both, type Feeds, tensor } from "./one-node.ts";

const MS = "com.microsoft";

function graphOf(feeds: Feeds, constants: Feeds, nodes: readonly NodeSpec[], outputs: readonly string[]): Graph {
  const inputs = Object.fromEntries(
    Object.entries(feeds).map(([name, { type, dims }]) => [name, { type, shape: dims }]),
  );
  return { ...build(inputs, constants, nodes, outputs, 21), opsets: { "": 21, [MS]: 1 } };
}

const noise = (type: ElementType, dims: readonly number[], seed: number): Tensor => {
  const size = dims.reduce((a, b) => a * b, 1);
  const low = type === "int8" ? -128 : 0;
  return tensor(
    type,
    Array.from({ length: size }, (_, i) => low + ((i * 97 + seed * 31 + ((i * i) >> 3)) % 256)),
    dims,
  );
};
const values = (t: Tensor | undefined): number[] => Array.from((t?.data ?? []) as Float32Array);

describe("QLinearReduceMean", () => {
  it("is the mean between two scales", async () => {
    const x = tensor("uint8", [10, 20, 30, 41, 52, 63], [2, 3]);
    const constants = {
      ...{ s: tensor("float32", [0.5], []), z: tensor("uint8", [4], []) },
      ...{ t: tensor("float32", [0.25], []), y: tensor("uint8", [7], []) },
    };
    const names = ["x", "s", "z", "t", "y"];
    const mean = async (attributes: NodeSpec[3]): Promise<Tensor> =>
      (
        await both(graphOf({ x }, constants, [[`${MS}/QLinearReduceMean`, names, ["r"], attributes]], ["r"]), { x })
      )[0]!;
    const rows = await mean({ axes: [1], keepdims: 0 });
    // (mean of q − 4)·0.5 / 0.25 + 7
    expect([rows.dims, values(rows)]).toEqual([[2], [39, 103]]);
    const all = await mean({});
    expect([all.dims, values(all)]).toEqual([[1, 1], [71]]);
  });
});

describe("DynamicQuantizeLSTM", () => {
  for (const perRow of [false, true]) {
    it(`is the LSTM of its weights${perRow ? ", with a scale per row" : ""}`, async () => {
      const [directions, depth, hidden] = [2, 3, 4];
      const rows = 4 * hidden;
      const x = f32([5, 2, depth]);
      const [w, r] = [noise("int8", [directions, depth, rows], 1), noise("uint8", [directions, hidden, rows], 2)];
      const dims = perRow ? [directions, rows] : [directions];
      const count = dims.reduce((a, b) => a * b, 1);
      const scales = (seed: number): Tensor =>
        tensor(
          "float32",
          Array.from({ length: count }, (_, i) => (1 + ((i * seed) % 5)) / 512),
          dims,
        );
      const [ws, rs] = [scales(3), scales(7)];
      const [wz, rz] = [noise("int8", dims, 3), noise("uint8", dims, 4)];
      const real = (q: Tensor, s: Tensor, z: Tensor): Tensor => {
        const [, inputs] = q.dims as [number, number, number];
        const at = Array.from({ length: q.size }, (_, i) => {
          const [d, row, k] = [Math.floor(i / (rows * inputs)), Math.floor(i / inputs) % rows, i % inputs];
          const of = perRow ? d * rows + row : d;
          return (values(q)[(d * inputs + k) * rows + row]! - values(z)[of]!) * values(s)[of]!;
        });
        return tensor("float32", at, [directions, rows, inputs]);
      };
      const b = f32([directions, 2 * rows]);
      const attributes = { hidden_size: hidden, direction: "bidirectional" };
      const outputs = ["y", "h", "c"];
      const own = { w, r, b, ws, wz, rs, rz };
      const names = ["x", "w", "r", "b", "", "", "", "", "ws", "wz", "rs", "rz"];
      const made = await both(
        graphOf({ x }, own, [[`${MS}/DynamicQuantizeLSTM`, names, outputs, attributes]], outputs),
        { x },
      );
      const plain = { w: real(w, ws, wz), r: real(r, rs, rz), b };
      const expected = await both(
        graphOf({ x }, plain, [["LSTM", ["x", "w", "r", "b"], outputs, attributes]], outputs),
        {
          x,
        },
      );
      expect(made.map(values)).toEqual(expected.map(values));
    });
  }

  const eights = noise("int8", [1, 3, 16], 1);
  it.each<[string, Tensor, string]>([
    ["scales that do not fit", eights, "expected constants of 1 or 16 values"],
    ["weights of two dimensions", eights.reshape([3, 16]), "expected a constant of bytes with three dimensions"],
    ["weights of four dimensions", eights.reshape([1, 3, 4, 4]), "expected a constant of bytes with three dimensions"],
    ["weights of floats", f32([1, 3, 16]), "expected a constant of bytes with three dimensions"],
  ])("refuses %s", async (_, w, message) => {
    const x = f32([5, 2, 3]);
    const one = { s: tensor("float32", [1, 2, 3]), z: tensor("int8", [0, 0, 0]) };
    const constants = { w, r: noise("int8", [1, 4, 16], 1), ...one };
    const names = ["x", "w", "r", "", "", "", "", "", "s", "z", "s", "z"];
    const graph = graphOf({ x }, constants, [[`${MS}/DynamicQuantizeLSTM`, names, ["y"], { hidden_size: 4 }]], ["y"]);
    await expect(both(graph, { x })).rejects.toThrow(message);
  });
});

describe("channels-last forms", () => {
  it("of FusedConv move input, summand and result", async () => {
    const [x, sum] = [f32([2, 5, 4, 3]), f32([2, 5, 4, 6])];
    const constants = { w: f32([6, 3, 3, 3]), b: f32([6]) };
    const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], activation: "Relu" };
    const feeds = { x, sum };
    const names = ["x", "w", "b", "sum"];
    const [made] = await both(
      graphOf(feeds, constants, [[`${MS}/NhwcFusedConv`, names, ["y"], attributes]], ["y"]),
      feeds,
    );
    const written: NodeSpec[] = [
      ["Transpose", ["x"], ["xf"], { perm: [0, 3, 1, 2] }],
      ["Transpose", ["sum"], ["sf"], { perm: [0, 3, 1, 2] }],
      ["Conv", ["xf", "w", "b"], ["c"], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
      ["Add", ["c", "sf"], ["a"]],
      ["Relu", ["a"], ["r"]],
      ["Transpose", ["r"], ["y"], { perm: [0, 2, 3, 1] }],
    ];
    const [expected] = await both(graphOf(feeds, constants, written, ["y"]), feeds);
    expect(made!.dims).toEqual([2, 5, 4, 6]);
    expect(values(made)).toEqual(values(expected));
  });

  it("of pools are known once the rank is", async () => {
    const x = noise("uint8", [1, 4, 4, 3], 1);
    const shape = new Tensor("int64", [1, 4, 4, 3]);
    const constants = { s: tensor("float32", [0.5], []), z: tensor("uint8", [4], []) };
    const attributes = { channels_last: 1 };
    // The rank of what a fed shape makes is not known when the graph is read.
    const nodes: NodeSpec[] = [
      ["Reshape", ["x", "shape"], ["t"]],
      [`${MS}/QLinearGlobalAveragePool`, ["t", "s", "z", "s", "z"], ["y"], attributes],
    ];
    const graph = graphOf({ x, shape }, constants, nodes, ["y"]);
    const [y] = await both(
      { ...graph, inputs: graph.inputs.map((one) => (one.name === "shape" ? { ...one, shape: undefined } : one)) },
      { x, shape },
    );
    const direct = graphOf({ x }, constants, [[nodes[1]![0], ["x", "s", "z", "s", "z"], ["y"], attributes]], ["y"]);
    expect(y!.dims).toEqual([1, 1, 1, 3]);
    expect(values(y)).toEqual(values((await both(direct, { x }))[0]));
  });
});

describe("MatMulBnb4", () => {
  it.each([
    [0, [0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4]],
    [1, [-1, -0.6962, -0.52507, -0.39492, -0.28444, -0.18477, -0.09105, 0]],
  ])("knows what each of the sixteen codes stands for: quant_type %i", async (quant_type, first) => {
    const x = f32(
      [16, 16],
      Array.from({ length: 256 }, (_, i) => (i % 17 === 0 ? 1 : 0)),
    );
    // The code that comes first is in the upper half of its byte. A block of a column each, with scales of 1 and 3.
    const codes = Array.from({ length: 8 }, (_, i) => 0x10 * (2 * i) + 2 * i + 1);
    const constants = { w: tensor("uint8", [...codes, ...codes], [16]), s: tensor("float32", [1, 3]) };
    const attributes = { K: 16, N: 2, block_size: 16, quant_type };
    const [y] = await both(
      graphOf({ x }, constants, [[`${MS}/MatMulBnb4`, ["x", "w", "s"], ["y"], attributes]], ["y"]),
      { x },
    );
    // FP4 has a sign and three bits, NF4 quantiles of a normal distribution, whose upper half is finer by one.
    const rest =
      quant_type === 0 ? first.map((v) => -v) : [0.07958, 0.16093, 0.24611, 0.33792, 0.44071, 0.56262, 0.72296, 1];
    const expected = [...first, ...rest].flatMap((v) => [v, 3 * v]);
    for (const [i, v] of values(y).entries()) expect(v).toBeCloseTo(expected[i]!, 4);
  });

  it("refuses what does not fit", async () => {
    const x = f32([2, 32]);
    const good = { w: noise("uint8", [64], 1), s: f32([8]) };
    const refused = (constants: Feeds, more: NodeSpec[3] = {}) => {
      const attributes = { K: 32, N: 4, block_size: 16, quant_type: 1, ...more };
      const graph = graphOf({ x }, constants, [[`${MS}/MatMulBnb4`, ["x", "w", "s"], ["y"], attributes]], ["y"]);
      return expect(both(graph, { x })).rejects;
    };
    await refused({ ...good, w: noise("uint8", [63], 1) }).toThrow("the weights expected a constant of 64 bytes");
    await refused({ ...good, s: f32([7]) }).toThrow("the scales expected a constant of 8 float32 values");
    await refused(good, { quant_type: 2 }).toThrow('"quant_type" expected 0 or 1, got 2');
    await refused(good, { block_size: 24 }).toThrow('"block_size" expected a power of 2 ≥ 16, got 24');
  });
});

describe("GatherBlockQuantized", () => {
  it("refuses what does not fit", async () => {
    const i = new Tensor("int64", [0]);
    const good = { w: noise("uint8", [6, 16], 1), s: f32([6, 2]) };
    const refused = (constants: Feeds, more: NodeSpec[3] = {}) => {
      const attributes = { bits: 4, block_size: 16, quantize_axis: 1, ...more };
      const names = ["w", "i", "s", ...("z" in constants ? ["z"] : [])];
      const graph = graphOf({ i }, constants, [[`${MS}/GatherBlockQuantized`, names, ["y"], attributes]], ["y"]);
      return expect(both(graph, { i })).rejects;
    };
    await refused({ ...good, s: f32([6, 3]) }).toThrow("the scales expected shape [6,2]");
    await refused({ ...good, z: noise("uint8", [6, 2], 1) }).toThrow("the zero points expected shape [6,1]");
    await refused(good, { quantize_axis: 0 }).toThrow("gather_axis and quantize_axis expected two axes");
    await refused(good, { block_size: 20 }).toThrow('"block_size" expected a power of 2 ≥ 16, got 20');
    await refused(good, { bits: 2 }).toThrow('"bits" = 2 of uint8 is not supported');
  });
});
