// A misspelt attribute would change an answer in silence: what an operator does not have is refused when the file is read, as onnxruntime does.
import { describe, expect, it } from "vitest";
import { attributeType, type Graph } from "../../src/graph/index.ts";
import { COMMON } from "../../src/graph/operators/common.ts";
import { CONTRIB } from "../../src/graph/operators/contrib/index.ts";
import type { Operator } from "../../src/graph/operators/operator.ts";
import { UNCOMMON } from "../../src/graph/operators/uncommon.ts";
import { readOnnx, writeOnnx } from "../../src/onnx/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { f32, modelOf, type NodeCase, runNode } from "../support/run-node.ts";

const refusal = (c: NodeCase): Promise<unknown> =>
  InferenceSession.create(writeOnnx(modelOf(c).graph)).then(
    () => undefined,
    (error: Error) => error,
  );

describe("attributes that an operator does not have", () => {
  it("are refused with node, operator, opset and those that it has", async () => {
    const message = 'node "node" (Softmax, opset 21): "axes" is none of its attributes (axis)';
    expect(await refusal({ op: "Softmax", inputs: [f32([2, 3])], attributes: { axes: 0 } })).toMatchObject({
      code: "MODEL",
      message,
    });
    expect(await refusal({ op: "Relu", inputs: [f32([2])], attributes: { alpha: 1 } })).toMatchObject({
      message: 'node "node" (Relu, opset 21): "alpha" is none of its attributes (it has none)',
    });
  });

  it("are refused in every record, whatever its domain", async () => {
    for (const key of Object.keys({ ...COMMON, ...UNCOMMON })) {
      const at = key.lastIndexOf("/");
      const [domain, op] = [key.slice(0, at), key.slice(at + 1)];
      if (domain === "bitbasis") continue;
      const error = await refusal({ op, domain, inputs: [f32([2, 3])], attributes: { misspelt: 1 } });
      expect(error, key).toMatchObject({ code: "MODEL" });
      expect(String(error), key).toContain('"misspelt" is none of its attributes');
    }
  }, 60_000);

  it("are refused as another kind of value before anything reads them, in every record", async () => {
    let held = 0;
    for (const [key, { attributes }] of Object.entries<Operator>({ ...COMMON, ...UNCOMMON, ...CONTRIB })) {
      const at = key.lastIndexOf("/");
      const [domain, op] = [key.slice(0, at), key.slice(at + 1)];
      if (domain === "bitbasis") continue;
      for (const [name, kind] of Object.entries(attributes ?? {})) {
        const value = kind === "tensor" ? "text" : new Tensor("float32", [1, 2], [2]);
        const error = await refusal({ op, domain, inputs: [f32([2, 3])], attributes: { [name]: value } });
        expect(error, `${key} ${name}`).toMatchObject({ code: "MODEL" });
        expect(String(error)).toContain(`"${name}" expected `);
        held++;
      }
    }
    expect(held).toBeGreaterThan(200);
  }, 60_000);

  it.each<[string, NodeCase, string]>([
    ["Squeeze", { op: "Squeeze", inputs: [f32([1, 2])], attributes: { axes: [0] } }, "axes"],
    ["ReduceSum", { op: "ReduceSum", opset: 13, inputs: [f32([1, 2])], attributes: { axes: [0] } }, "axes"],
    ["Clip", { op: "Clip", opset: 11, inputs: [f32([2])], attributes: { min: 0.5 } }, "min"],
    ["Add", { op: "Add", opset: 7, inputs: [f32([2]), f32([2])], attributes: { broadcast: 1 } }, "broadcast"],
    ["MatMul", { op: "MatMul", inputs: [f32([2, 2]), f32([2, 2])], attributes: { exact: 1 } }, "exact"],
  ])("that an older version had, or that only we write: %s", async (_, c, name) => {
    expect(String(await refusal(c))).toContain(`"${name}" is none of its attributes`);
  });

  it("are read in the versions that have them", async () => {
    const [squeezed] = await runNode({ op: "Squeeze", opset: 12, inputs: [f32([1, 2])], attributes: { axes: [0] } });
    expect(squeezed!.dims).toEqual([2]);
    const [relu] = await runNode({ op: "Relu", opset: 5, inputs: [f32([2])], attributes: { consumed_inputs: [0] } });
    expect(relu!.dims).toEqual([2]);
  });

  it("are notes of tools where they begin with two underscores", async () => {
    const [y] = await runNode({ op: "Relu", inputs: [f32([2], [-1, 2])], attributes: { __note: "x" } });
    expect([...(y!.data as Float32Array)]).toEqual([0, 2]);
    expect(await refusal({ op: "Relu", inputs: [f32([2])], attributes: { _note: "x" } })).toBeDefined();
  });

  it("are refused in the body of an If", async () => {
    const { graph, feeds } = modelOf({ op: "Relu", inputs: [f32([2])], attributes: { slope: 1 } });
    const { inputs: _, ...inner } = { ...graph, inputs: [] };
    const body: Graph = { ...inner, inputs: [] };
    const other: Graph = { ...body, nodes: [{ ...graph.nodes[0]!, name: "other", attributes: {} }] };
    const node = { name: "if", op: "If", domain: "", inputs: ["c"], outputs: ["z"] };
    const whole: Graph = {
      ...graph,
      inputs: [...graph.inputs, { name: "c", type: "bool", shape: [] }],
      outputs: [{ name: "z", type: "float32", shape: undefined }],
      nodes: [{ ...node, attributes: { then_branch: body, else_branch: other } }],
    };
    expect(Object.keys(feeds)).toEqual(["x0"]);
    await expect(InferenceSession.create(writeOnnx(whole))).rejects.toThrow(/\(Relu, opset 21\): "slope" is none/);
  });

  it("GroupQueryAttention: what we do not have is refused unless it is off", async () => {
    const inputs = [f32([1, 1, 32]), f32([1, 1, 32]), f32([1, 1, 32]), "" as const, "" as const];
    const lengths = [new Tensor("int32", [0], [1]), new Tensor("int32", [1], [])];
    const common = { num_heads: 2, kv_num_heads: 2 };
    const c = { op: "GroupQueryAttention", domain: "com.microsoft", inputs: [...inputs, ...lengths], outputs: 3 };
    await runNode({ ...c, attributes: { ...common, smooth_softmax: 0, k_quant_type: "NONE" } });
    await expect(runNode({ ...c, attributes: { ...common, smooth_softmax: 1 } })).rejects.toThrow(/smooth_softmax/);
  });
});

describe("a whole number that is a float", () => {
  it.each<[string, NodeCase, string]>([
    ["Gemm", { op: "Gemm", inputs: [f32([2, 2]), f32([2, 2])], attributes: { beta: 2 } }, "float"],
    ["Clip", { op: "Clip", opset: 6, inputs: [f32([2])], attributes: { max: 6 } }, "float"],
    [
      "Upsample",
      { op: "Upsample", opset: 7, inputs: [f32([1, 1, 2, 2])], attributes: { scales: [1, 1, 2, 2] } },
      "floats",
    ],
    ["Softmax", { op: "Softmax", inputs: [f32([2, 2])], attributes: { axis: 1 } }, "int"],
    ["LSTM", { op: "LSTM", inputs: [f32([1, 1, 1])], attributes: { clip: 3, activations: [] } }, "float"],
  ])("is written as its operator has it: %s", (_, c, kind) => {
    const { graph } = modelOf(c);
    const name = Object.keys(graph.nodes[0]!.attributes)[0]!;
    expect(attributeType(readOnnx(writeOnnx(graph)).nodes[0]!, name)).toBe(kind);
    expect(readOnnx(writeOnnx(graph)).nodes[0]!.kinds?.[name] ?? "int").toBe(kind);
  });

  it("is what the file says, where it comes from one", () => {
    const node = { name: "n", op: "Gemm", domain: "", inputs: [], outputs: [], attributes: { beta: 2 } };
    expect(attributeType(node, "beta")).toBe("float");
    expect(attributeType({ ...node, kinds: { beta: "int" } }, "beta")).toBe("int");
  });
});
