// Writes test/fixtures/contrib.json: what onnxruntime answers for operators of its own domain, on small seeded inputs. The tests hold ours against it.
//
//     npm run build && node bench/contrib.mjs
import { writeFileSync } from "node:fs";
import ort from "onnxruntime-node";
import { writeOnnx } from "../dist/onnx/index.js";
import { Tensor } from "../dist/tensor/index.js";

const MS = "com.microsoft";
let state = 7;
function uniform() {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 8) / 2 ** 24;
}
const f = (...dims) => {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor(
    "float32",
    Array.from({ length: size }, () => Math.round((uniform() * 4 - 2) * 256) / 256),
    dims,
  );
};
const i32 = (data, dims = [data.length]) => new Tensor("int32", data, dims);
const i64 = (data, dims = [data.length]) => new Tensor("int64", data.map(BigInt), dims);
const u8 = (size, dims) =>
  new Tensor(
    "uint8",
    Array.from({ length: size }, () => Math.floor(uniform() * 256)),
    dims,
  );

/**
 * [name, op, inputs ("" absent, [tensor] a constant), attributes, outputs, outputs that are kept]: past the length of a row, onnxruntime's caches
 * hold what memory held.
 */
const CASES = [
  ["gelu", "Gelu", [f(2, 5)], {}, 1],
  ["bias-gelu", "BiasGelu", [f(2, 5), [f(5)]], {}, 1],
  ["fast-gelu", "FastGelu", [f(2, 5), [f(5)]], {}, 1],
  ["fast-gelu-no-bias", "FastGelu", [f(2, 5)], {}, 1],
  ["quick-gelu", "QuickGelu", [f(2, 5)], { alpha: 1.25 }, 1],
  [
    "skip-layer-norm",
    "SkipLayerNormalization",
    [f(2, 3, 6), f(2, 3, 6), [f(6)], [f(6)], [f(6)]],
    { epsilon: 1e-5 },
    ["y", "", "", "s"],
  ],
  ["skip-layer-norm-no-beta", "SkipLayerNormalization", [f(2, 3, 6), f(2, 3, 6), [f(6)]], { epsilon: 1e-5 }, 1],
  [
    "skip-rms-norm",
    "SkipSimplifiedLayerNormalization",
    [f(2, 3, 6), f(2, 3, 6), [f(6)]],
    { epsilon: 1e-5 },
    ["y", "", "", "s"],
  ],
  ["fused-matmul", "FusedMatMul", [f(2, 4, 3), f(2, 4, 5)], { transA: 1, alpha: 0.125 }, 1],
  ["fused-matmul-b", "FusedMatMul", [f(2, 3, 4), [f(5, 4)]], { transB: 1, alpha: 0.5 }, 1],
  ["fused-matmul-batch", "FusedMatMul", [f(3, 2, 4), f(2, 4, 5)], { transBatchA: 1 }, 1],
  [
    "fused-conv",
    "FusedConv",
    [f(1, 2, 5, 5), [f(3, 2, 3, 3)], [f(3)]],
    { activation: "Relu", kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
    1,
  ],
  [
    "fused-conv-leaky",
    "FusedConv",
    [f(1, 2, 5, 5), [f(3, 2, 3, 3)]],
    { activation: "LeakyRelu", activation_params: [0.25], kernel_shape: [3, 3] },
    1,
  ],
  ["fused-gemm", "FusedGemm", [f(2, 4), [f(4, 3)], [f(3)]], { activation: "Relu" }, 1],
  [
    "embed",
    "EmbedLayerNormalization",
    [
      i32([1, 0, 4, 2, 3, 3], [2, 3]),
      i32([0, 1, 1, 0, 0, 1], [2, 3]),
      [f(5, 4)],
      [f(6, 4)],
      [f(2, 4)],
      [f(4)],
      [f(4)],
      i32([1, 1, 0, 1, 1, 1], [2, 3]),
    ],
    { epsilon: 1e-5 },
    ["y", "m"],
  ],
  ["mha", "MultiHeadAttention", [f(2, 3, 8), f(2, 4, 8), f(2, 4, 8)], { num_heads: 2 }, 1],
  [
    "mha-bias-mask",
    "MultiHeadAttention",
    [f(2, 3, 8), f(2, 4, 8), f(2, 4, 8), [f(24)], i32([1, 1, 0, 1, 1, 1, 1, 0], [2, 4])],
    { num_heads: 2 },
    1,
  ],
  ["mha-lengths", "MultiHeadAttention", [f(2, 3, 8), f(2, 4, 8), f(2, 4, 8), "", i32([3, 4])], { num_heads: 2 }, 1],
  [
    "mha-attention-bias",
    "MultiHeadAttention",
    [f(2, 3, 8), f(2, 3, 8), f(2, 3, 8), "", "", f(1, 2, 3, 3)],
    { num_heads: 2, unidirectional: 1 },
    1,
  ],
  [
    "mha-past",
    "MultiHeadAttention",
    [f(2, 1, 8), f(2, 1, 8), f(2, 1, 8), "", "", "", f(2, 2, 3, 4), f(2, 2, 3, 4)],
    { num_heads: 2 },
    3,
  ],
  ["attention", "Attention", [f(2, 3, 8), [f(8, 24)], [f(24)]], { num_heads: 2 }, 1],
  [
    "attention-mask",
    "Attention",
    [f(2, 3, 8), [f(8, 24)], [f(24)], i32([1, 1, 0, 1, 1, 1], [2, 3])],
    { num_heads: 2 },
    1,
  ],
  ["attention-causal", "Attention", [f(2, 3, 8), [f(8, 24)], [f(24)]], { num_heads: 4, unidirectional: 1 }, 1],
  [
    "attention-past",
    "Attention",
    [f(1, 2, 8), [f(8, 24)], [f(24)], "", f(2, 1, 2, 3, 4)],
    { num_heads: 2, unidirectional: 1 },
    2,
  ],
  ["rotary", "RotaryEmbedding", [f(2, 3, 8), i64([0, 1, 2, 2, 3, 4], [2, 3]), [f(6, 2)], [f(6, 2)]], {}, 1],
  [
    "rotary-offset-interleaved",
    "RotaryEmbedding",
    [f(2, 2, 3, 4), i64([2]), [f(6, 2)], [f(6, 2)]],
    { interleaved: 1 },
    1,
  ],
  [
    "gqa",
    "GroupQueryAttention",
    [f(1, 3, 32), f(1, 3, 16), f(1, 3, 16), f(1, 2, 0, 8), f(1, 2, 0, 8), i32([2]), [i32([3], [])]],
    { num_heads: 4, kv_num_heads: 2 },
    3,
  ],
  [
    "gqa-decode-rotary",
    "GroupQueryAttention",
    [
      f(1, 1, 64),
      f(1, 1, 32),
      f(1, 1, 32),
      f(1, 2, 3, 16),
      f(1, 2, 3, 16),
      i32([3]),
      [i32([4], [])],
      [f(8, 8)],
      [f(8, 8)],
    ],
    { num_heads: 4, kv_num_heads: 2, do_rotary: 1 },
    3,
  ],
  [
    "gqa-packed-window",
    "GroupQueryAttention",
    [f(1, 4, 64), "", "", f(1, 2, 0, 8), f(1, 2, 0, 8), i32([3]), [i32([4], [])]],
    { num_heads: 4, kv_num_heads: 2, local_window_size: 2 },
    3,
  ],
  [
    "gqa-batch",
    "GroupQueryAttention",
    [f(2, 1, 32), f(2, 1, 16), f(2, 1, 16), f(2, 2, 3, 8), f(2, 2, 3, 8), i32([1, 3]), [i32([4], [])]],
    { num_heads: 4, kv_num_heads: 2, softcap: 1.5 },
    3,
    1,
  ],
  [
    "matmul-4bits",
    "MatMulNBits",
    [f(2, 40), [u8(3 * 3 * 8, [3, 3, 8])], [f(9)]],
    { K: 40, N: 3, bits: 4, block_size: 16 },
    1,
  ],
  [
    "matmul-4bits-zeros",
    "MatMulNBits",
    [f(2, 40), [u8(3 * 3 * 8, [3, 3, 8])], [f(9)], [u8(6, [6])]],
    { K: 40, N: 3, bits: 4, block_size: 16 },
    1,
  ],
  [
    "matmul-8bits",
    "MatMulNBits",
    [f(2, 32), [u8(3 * 2 * 16, [3, 2, 16])], [f(6)]],
    { K: 32, N: 3, bits: 8, block_size: 16 },
    1,
  ],
];

const fixtures = [];
for (const [name, op, inputs, attributes, outputs, kept = 9] of CASES) {
  const names = typeof outputs === "number" ? Array.from({ length: outputs }, (_, i) => `y${i}`) : outputs;
  const initializers = new Map();
  const feeds = {};
  const infos = [];
  const given = inputs.map((input, i) => {
    if (input === "") return "";
    const constant = Array.isArray(input);
    const tensor = constant ? input[0] : input;
    if (constant) initializers.set(`x${i}`, tensor);
    else {
      feeds[`x${i}`] = new ort.Tensor(tensor.type, tensor.data, tensor.dims);
      infos.push({ name: `x${i}`, type: tensor.type, shape: tensor.dims });
    }
    return `x${i}`;
  });
  const made = names.filter((one) => one !== "");
  const graph = {
    name,
    opsets: { "": 17, [MS]: 1 },
    inputs: infos,
    initializers,
    outputs: made.map((one) => ({ name: one, type: one === "m" ? "int32" : "float32", shape: undefined })),
    nodes: [{ name: op, op, domain: MS, inputs: given, outputs: names, attributes }],
  };
  try {
    const session = await ort.InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 4 });
    const results = await session.run(feeds);
    const plain = (t) => ({ type: t.type, dims: [...t.dims], data: Array.from(t.data, Number) });
    fixtures.push({
      name,
      op,
      attributes,
      inputs: inputs.map((input) =>
        input === "" ? null : Array.isArray(input) ? { ...plain(input[0]), constant: true } : plain(input),
      ),
      outputs: names.slice(0, kept).map((one) => (one === "" ? null : { name: one, ...plain(results[one]) })),
    });
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  }
}
writeFileSync(new URL("../test/fixtures/contrib.json", import.meta.url), `${JSON.stringify(fixtures)}\n`);
console.log(`${fixtures.length} of ${CASES.length} cases`);
