import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import type { Attribute, AttributeType } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";
import { runModel } from "../support/run-node.ts";

/** Made by bench/ml.mjs: what onnxruntime 1.30 answers. An output without data is not compared. */
interface Fixture {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly opset: number;
  readonly attributes: Record<string, Attribute>;
  readonly kinds?: Record<string, AttributeType>;
  readonly tolerance?: number;
  readonly inputs: readonly Plain[];
  readonly outputs: readonly Plain[];
}

interface Plain {
  readonly type: ElementType;
  readonly dims?: readonly number[];
  readonly data?: readonly (number | string)[];
}

const SPELLED: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity: 1 / 0, "-Infinity": -1 / 0 };

const FIXTURES: readonly Fixture[] = JSON.parse(
  readFileSync(new URL("../fixtures/ml.json", import.meta.url), "utf8"),
  (_, value: unknown) => (typeof value === "string" && value in SPELLED ? SPELLED[value] : value),
);

function tensorOf({ type, dims, data = [] }: Plain): Tensor {
  return new Tensor(type, (type === "int64" ? data.map(BigInt) : [...data]) as never, dims);
}

type Case = Omit<Fixture, "name" | "inputs" | "outputs" | "tolerance"> & { readonly types: readonly ElementType[] };

function graphOf({ op, domain, opset, attributes, kinds, types }: Case, inputs: readonly Tensor[]) {
  return {
    name: op,
    opsets: { "": 21, ...(domain !== "" && { [domain]: opset }) },
    inputs: inputs.map(({ type, dims }, i) => ({ name: `x${i}`, type, shape: dims.map((_, axis) => `x${i}_${axis}`) })),
    outputs: types.map((type, i) => ({ name: `y${i}`, type, shape: undefined })),
    initializers: new Map(),
    nodes: [
      {
        name: op,
        op,
        domain,
        inputs: inputs.map((_, i) => `x${i}`),
        outputs: types.map((_, i) => `y${i}`),
        attributes,
        ...(kinds !== undefined && { kinds }),
      },
    ],
  };
}

async function run(c: Case, inputs: readonly Tensor[]): Promise<Tensor[]> {
  const feeds = Object.fromEntries(inputs.map((tensor, i) => [`x${i}`, tensor]));
  const results = await runModel(graphOf(c, inputs), feeds);
  return c.types.map((_, i) => results[`y${i}`]!);
}

describe("operators of machine learning and of strings", () => {
  it.each(FIXTURES.map((fixture) => [fixture.name, fixture] as const))("%s", async (_, fixture) => {
    const got = await run({ ...fixture, types: fixture.outputs.map(({ type }) => type) }, fixture.inputs.map(tensorOf));
    for (const [i, expected] of fixture.outputs.entries()) {
      const own = got[i]!;
      expect(own.type).toBe(expected.type);
      if (expected.data === undefined) continue;
      expect(own.dims).toEqual(expected.dims);
      for (const [at, value] of expected.data.entries()) {
        const element = own.data[at]!;
        if (typeof value === "string") expect(element).toBe(value);
        else if (!Number.isFinite(value)) expect(Number(element), `y${i}[${at}]`).toBe(value);
        else {
          const most = (fixture.tolerance ?? 2e-6) * Math.max(1, Math.abs(value));
          expect(Math.abs(Number(element) - value), `y${i}[${at}]`).toBeLessThanOrEqual(most);
        }
      }
    }
  });
});

const ML = { domain: "ai.onnx.ml", opset: 3, types: ["float32"] } as const;

/** One tree: x0 ≤ 1 ? 10 : (x1 ≤ 2 ? 20 : 30). */
const STUMP = {
  nodes_hitrates: [1, 1, 1, 1, 1],
  nodes_treeids: [0, 0, 0, 0, 0],
  nodes_nodeids: [0, 1, 2, 3, 4],
  nodes_featureids: [0, 0, 1, 0, 0],
  nodes_values: [1, 0, 2, 0, 0],
  nodes_modes: ["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
  nodes_truenodeids: [1, 0, 3, 0, 0],
  nodes_falsenodeids: [2, 0, 4, 0, 0],
  target_treeids: [0, 0, 0],
  target_nodeids: [1, 3, 4],
  target_ids: [0, 0, 0],
  target_weights: [10, 20, 30],
  n_targets: 1,
};
const KINDS = { nodes_values: "floats", target_weights: "floats", base_values: "floats" } as const;
const ROWS = new Tensor("float32", [0, 0, 1, 9, 2, 2, 2, 3], [4, 2]);

describe("trees", () => {
  it("take rows to leaves, also of integers, of one row and of none", async () => {
    const c = { ...ML, op: "TreeEnsembleRegressor", attributes: STUMP, kinds: KINDS };
    expect([...(await run(c, [ROWS]))[0]!.data]).toEqual([10, 10, 20, 30]);
    expect((await run(c, [new Tensor("int64", [2n, 3n], [2])]))[0]).toEqual(new Tensor("float32", [30], [1, 1]));
    expect((await run(c, [new Tensor("float32", [], [0, 2])]))[0]!.dims).toEqual([0, 1]);
    const [double] = await run(c, [new Tensor("float64", [1 + 2 ** -40, 0], [1, 2])]);
    expect([...double!.data]).toEqual([20]);
  });

  it("put the one score of a regressor through the logistic function, as the standard says", async () => {
    const attributes = { ...STUMP, target_weights: [0, 2, 3], post_transform: "LOGISTIC" };
    const [y] = await run({ ...ML, op: "TreeEnsembleRegressor", attributes, kinds: KINDS }, [ROWS]);
    expect(Number(y!.data[0])).toBe(0.5);
    expect(Number(y!.data[2])).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
  });

  it("add base values where no tree speaks", async () => {
    const attributes = { ...STUMP, n_targets: 2, base_values: [1, 5] };
    const [y] = await run({ ...ML, op: "TreeEnsembleRegressor", attributes, kinds: KINDS }, [ROWS]);
    expect([...y!.data]).toEqual([11, 5, 11, 5, 21, 5, 31, 5]);
  });

  it("of two classes that both have scores the larger one wins", async () => {
    const { target_treeids, target_nodeids, target_ids: _, target_weights: __, n_targets: ___, ...nodes } = STUMP;
    const attributes = {
      ...nodes,
      class_treeids: [...target_treeids, ...target_treeids],
      class_nodeids: [...target_nodeids, ...target_nodeids],
      class_ids: [0, 0, 0, 1, 1, 1],
      class_weights: [0.75, 0.5, 0.25, 0.25, 0.5, 0.75],
      classlabels_int64s: [4, 7],
    };
    const c = { ...ML, op: "TreeEnsembleClassifier", attributes, types: ["int64", "float32"] as const };
    const [labels, scores] = await run({ ...c, kinds: { nodes_values: "floats" } }, [ROWS]);
    expect([...labels!.data]).toEqual([4n, 4n, 4n, 7n]);
    expect([...scores!.data]).toEqual([0.75, 0.25, 0.75, 0.25, 0.5, 0.5, 0.25, 0.75]);
  });

  const places = {
    nodes_hitrates: new Tensor("float32", [1, 1]),
    tree_roots: [0],
    n_targets: 1,
    nodes_featureids: [0, 1],
    nodes_modes: new Tensor("uint8", [6, 3]),
    nodes_splits: new Tensor("float32", [0, 2]),
    nodes_truenodeids: [0, 1],
    nodes_trueleafs: [1, 1],
    nodes_falsenodeids: [1, 2],
    nodes_falseleafs: [0, 1],
    membership_values: new Tensor("float32", [1, 2.5, Number.NaN]),
    leaf_targetids: [0, 0, 0],
    leaf_weights: new Tensor("float32", [10, 20, 30]),
  };
  const V5 = { domain: "ai.onnx.ml", opset: 5, op: "TreeEnsemble", types: ["float32"] as const };

  it("of version 5 know sets", async () => {
    const x = new Tensor("float32", [1, 0, 2.5, 9, 2, 2, 2, 3], [4, 2]);
    expect([...(await run({ ...V5, attributes: places }, [x]))[0]!.data]).toEqual([10, 10, 30, 20]);
    const wide = { ...V5, attributes: places, types: ["float64"] as const };
    expect((await run(wide, [new Tensor("float64", [2, 3], [1, 2])]))[0]).toEqual(new Tensor("float64", [20], [1, 1]));
  });

  it.each([
    ["a node that is its own child", { ...STUMP, nodes_truenodeids: [0, 0, 3, 0, 0] }, /circle/],
    ["a circle of two", { ...STUMP, nodes_falsenodeids: [2, 0, 0, 0, 0] }, /circle/],
    ["a child that is not there", { ...STUMP, nodes_truenodeids: [9, 0, 3, 0, 0] }, /no node 9/],
    ["a node twice", { ...STUMP, nodes_nodeids: [0, 1, 1, 3, 4] }, /two nodes 1/],
    ["lists of two lengths", { ...STUMP, nodes_featureids: [0] }, /"nodes_featureids" expected 5 numbers, got 1/],
    [
      "a negative feature",
      { ...STUMP, nodes_featureids: [-1, 0, 1, 0, 0] },
      /"nodes_featureids" expected integers ≥ 0/,
    ],
    [
      "a target that is not there",
      { ...STUMP, target_ids: [0, 0, 7] },
      /"target_ids" expected integers in 0\.\.0, got 7/,
    ],
    ["the one behind the last", { ...STUMP, target_ids: [0, 0, 1] }, /"target_ids" expected integers in 0\.\.0, got 1/],
    ["a mode that is none", { ...STUMP, nodes_modes: ["LEAF", "LEAF", "X", "LEAF", "LEAF"] }, /nodes_modes/],
    ["a transform that is none", { ...STUMP, post_transform: "COSINE" }, /post_transform/],
    ["no number of targets", { ...STUMP, n_targets: 0 }, /n_targets/],
  ] as const)("refuse %s when they are opened", async (_, attributes, why) => {
    const graph = graphOf({ ...ML, op: "TreeEnsembleRegressor", attributes, kinds: KINDS }, [ROWS]);
    const opened = InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    await expect(opened).rejects.toMatchObject({ code: "MODEL", message: expect.stringMatching(why) });
  });

  it.each([
    ["a circle", { ...places, nodes_falseleafs: [0, 0], nodes_falsenodeids: [1, 0] }, /circle/],
    ["a leaf that is not there", { ...places, nodes_falsenodeids: [1, 3] }, /node 1 expected a leaf in 0\.\.2, got 3/],
    ["a root that is not there", { ...places, tree_roots: [2] }, /tree_roots/],
    [
      "a set that is not there",
      { ...places, nodes_modes: new Tensor("uint8", [6, 6]), membership_values: new Tensor("float32", [1]) },
      /sets/,
    ],
    ["a mode that is none", { ...places, nodes_modes: new Tensor("uint8", [6, 9]) }, /nodes_modes/],
  ] as const)("of version 5 refuse %s", async (_, attributes, why) => {
    const opened = InferenceSession.create(writeOnnx(graphOf({ ...V5, attributes }, [ROWS])), { preset: "float32" });
    await expect(opened).rejects.toMatchObject({ code: "MODEL", message: expect.stringMatching(why) });
  });

  it("refuse inputs with too few features", async () => {
    const c = { ...ML, op: "TreeEnsembleRegressor", attributes: STUMP, kinds: KINDS };
    await expect(run(c, [new Tensor("float32", [1, 2], [2, 1])])).rejects.toThrow(/expected 2 features or more, got 1/);
    await expect(run(c, [new Tensor("float32", [1, 2], [2, 1, 1])])).rejects.toThrow(
      /expected shape \[rows, features\]/,
    );
  });
});

describe("what scikit-learn's exporters write around them", () => {
  it("LabelEncoder takes tables as tensors", async () => {
    const attributes = {
      keys_tensor: new Tensor("int64", [1n, 2n], [2]),
      values_tensor: new Tensor("float64", [0.1, 0.2], [2]),
      default_tensor: new Tensor("float64", [0.3], [1]),
    };
    const c = { ...ML, opset: 4, op: "LabelEncoder", attributes, types: ["float64"] as const };
    const [y] = await run(c, [new Tensor("int64", [2n, 1n, 3n], [3])]);
    expect([...y!.data]).toEqual([0.2, 0.1, 0.3]);
    await expect(run(c, [new Tensor("string", ["a"], [1])])).rejects.toThrow(/expected type int64 as the keys/);
  });

  it("ZipMap stays the tensor that it would make maps of", async () => {
    const c = { ...ML, op: "ZipMap", attributes: { classlabels_int64s: [4, 7] } };
    expect((await run(c, [ROWS]))[0]).toEqual(ROWS);
  });

  it.each([
    ["LinearRegressor", { coefficients: [1, 2, 3] }, /"coefficients" expected 2 numbers, got 3/],
    [
      "LinearClassifier",
      { coefficients: [1, 2, 3, 4, 5], classlabels_ints: [1, 2] },
      /"coefficients" expected 4 numbers/,
    ],
    ["LinearClassifier", { coefficients: [1, 2] }, /one of "classlabels_strings" and "classlabels_ints"/],
    [
      "SVMRegressor",
      { coefficients: [1, 2], n_supports: 2, support_vectors: [1], rho: [0] },
      /"support_vectors" expected 4 numbers/,
    ],
    ["SVMRegressor", { coefficients: [1, 2], kernel_type: "CUBIC", rho: [0] }, /kernel_type/],
    ["Scaler", { offset: [1, 2, 3] }, /"offset" expected 1 or 2 numbers, got 3/],
    ["Imputer", {}, /"imputed_value_floats" expected 1 or 2 numbers, got 0/],
    ["OneHotEncoder", { cats_strings: ["a"] }, /"cats_int64s" expected categories/],
    ["FeatureVectorizer", { inputdimensions: [3] }, /expected shape \[4, 3\]/],
    ["LabelEncoder", { keys_strings: ["a"], values_int64s: [1, 2] }, /expected one length/],
    ["LabelEncoder", { keys_strings: ["a"] }, /"values_int64s"/],
    ["CategoryMapper", { cats_strings: ["a"], cats_int64s: [1] }, /expected one of string, int64/],
    ["DictVectorizer", { int64_vocabulary: [1] }, /takes a map/],
  ] as const)("%s is refused with attributes that do not fit", async (op, attributes, why) => {
    await expect(run({ ...ML, op, attributes: attributes as Record<string, Attribute> }, [ROWS])).rejects.toThrow(why);
  });
});

describe("a support vector machine without parameters of its kernel", () => {
  // γ, the constant and the degree are 0 then, as in onnxruntime.
  it.each([
    ["LINEAR", 2 * (3 - 8) - 3 * (-1 + 1) + 0.5],
    ["RBF", 2 - 3 + 0.5],
    ["POLY", 2 - 3 + 0.5],
    ["SIGMOID", 0.5],
  ])("%s", async (kernel_type, expected) => {
    const attributes = {
      ...{ kernel_type, n_supports: 2, coefficients: [2, -3], rho: [0.5] },
      ...{ support_vectors: [3, 4, -1, -0.5], post_transform: "NONE" },
    };
    const x = new Tensor("float32", [1, -2], [1, 2]);
    const what = { op: "SVMRegressor", domain: "ai.onnx.ml", opset: 1, attributes, types: ["float32" as const] };
    const { y0 } = await runModel(graphOf(what, [x]), { x0: x });
    expect([...(y0!.data as Float32Array)]).toEqual([expected]);
  });
});
