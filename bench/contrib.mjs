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

const bytes = (type, ...dims) => {
  const low = type === "int8" ? -128 : 0;
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor(
    type,
    Array.from({ length: size }, () => low + Math.floor(uniform() * 256)),
    dims,
  );
};
/** Bytes whose products onnxruntime adds without saturation on every processor: it adds pairs of products with int8 in 16 bits. */
const small = (...dims) => {
  const { data } = bytes("int8", ...dims);
  return new Tensor(
    "int8",
    Array.from(data, (v) => v >> 1),
    dims,
  );
};
const scalar = (type, value) => [new Tensor(type, [value], [])];
const s = (value) => scalar("float32", value);
const z = (value) => scalar("uint8", value);
const scales = (...dims) => {
  const { data } = f(...dims);
  return new Tensor(
    "float32",
    Array.from(data, (v) => (Math.abs(v) + 0.5) / 64),
    dims,
  );
};
/** The block of every input of a matrix of `depth`, in turns. */
const turns = (depth, blocks) => i32(Array.from({ length: depth }, (_, i) => i % blocks));

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
    ["y", "m:int32"],
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
  [
    "matmul-2bits-zeros",
    "MatMulNBits",
    [f(2, 48), [u8(3 * 3 * 4, [3, 3, 4])], [scales(9)], [u8(3, [3])]],
    { K: 48, N: 3, bits: 2, block_size: 16 },
    1,
  ],
  [
    "matmul-8bits-zeros",
    "MatMulNBits",
    [f(5, 70), [u8(3 * 3 * 32, [3, 3, 32])], [scales(9)], [u8(9, [9])]],
    { K: 70, N: 3, bits: 8, block_size: 32 },
    1,
  ],
  [
    "matmul-4bits-rows",
    "MatMulNBits",
    [f(2, 3, 128), [u8(5 * 4 * 16, [5, 4, 16])], [scales(20)], [u8(10, [10])], "", [f(5)]],
    { K: 128, N: 5, bits: 4, block_size: 32 },
    1,
  ],
  [
    "matmul-4bits-float-zeros",
    "MatMulNBits",
    [f(2, 64), [u8(3 * 2 * 16, [3, 2, 16])], [scales(6)], [scales(6)]],
    { K: 64, N: 3, bits: 4, block_size: 32 },
    1,
  ],
  [
    "matmul-4bits-order",
    "MatMulNBits",
    [f(2, 64), [u8(3 * 4 * 8, [3, 4, 8])], [scales(12)], "", [turns(64, 4)]],
    { K: 64, N: 3, bits: 4, block_size: 16 },
    1,
  ],
  [
    "matmul-nf4",
    "MatMulBnb4",
    [f(2, 24), [u8(60, [60])], [scales(8)]],
    { K: 24, N: 5, block_size: 16, quant_type: 1 },
    1,
  ],
  [
    "matmul-fp4",
    "MatMulBnb4",
    [f(2, 32), [u8(64, [64])], [scales(8)]],
    { K: 32, N: 4, block_size: 16, quant_type: 0 },
    1,
  ],
  [
    "gather-4bits",
    "GatherBlockQuantized",
    [[u8(6 * 20, [6, 20])], i64([5, 0, 3, 3], [2, 2]), [scales(6, 3)]],
    { bits: 4, block_size: 16, quantize_axis: 1 },
    1,
  ],
  [
    "gather-4bits-zeros",
    "GatherBlockQuantized",
    [[u8(6 * 20, [6, 20])], i64([5, 0, 3]), [scales(6, 3)], [u8(12, [6, 2])]],
    { bits: 4, block_size: 16, quantize_axis: 1 },
    1,
  ],
  [
    "gather-8bits",
    "GatherBlockQuantized",
    [[u8(6 * 20, [6, 20])], i64([1, -2]), [scales(6, 2)]],
    { bits: 8, block_size: 16, quantize_axis: 1 },
    1,
  ],
  [
    "gather-int4",
    "GatherBlockQuantized",
    [
      [
        new Tensor(
          "int4",
          Array.from({ length: 96 }, (_, i) => ((i * 7) % 16) - 8),
          [3, 32],
        ),
      ],
      i32([2, 0]),
      [scales(3, 2)],
    ],
    { block_size: 16, quantize_axis: 1 },
    1,
  ],
  [
    "gather-uint4-zeros",
    "GatherBlockQuantized",
    [
      [
        new Tensor(
          "uint4",
          Array.from({ length: 96 }, (_, i) => (i * 7) % 16),
          [32, 3],
        ),
      ],
      i32([2, 0]),
      [scales(2, 3)],
      [new Tensor("uint4", [1, 2, 3, 4, 5, 6], [2, 3])],
    ],
    { block_size: 16, gather_axis: 1, quantize_axis: 0 },
    1,
  ],
  [
    "qattention",
    "QAttention",
    [bytes("uint8", 2, 3, 8), [small(8, 24)], [f(24)], s(0.01), s(0.004), "", z(120), scalar("int8", 3)],
    { num_heads: 2 },
    1,
  ],
  [
    "qattention-columns",
    "QAttention",
    [
      bytes("uint8", 2, 3, 8),
      [bytes("uint8", 8, 24)],
      [f(24)],
      s(0.01),
      [scales(24)],
      i32([1, 1, 0, 1, 1, 1], [2, 3]),
      z(120),
      [bytes("uint8", 24)],
    ],
    { num_heads: 2 },
    1,
  ],
  [
    "qattention-past",
    "QAttention",
    [
      bytes("uint8", 1, 2, 8),
      [small(8, 24)],
      [f(24)],
      s(0.01),
      s(0.004),
      "",
      z(128),
      scalar("int8", 0),
      f(2, 1, 2, 3, 4),
    ],
    { num_heads: 2, unidirectional: 1 },
    2,
  ],
  [
    "qgemm",
    "QGemm",
    [
      bytes("uint8", 3, 8),
      s(0.02),
      z(100),
      [small(8, 5)],
      s(0.01),
      scalar("int8", -4),
      [i32([90, -500, 7, 1000, 0])],
      s(0.1),
      z(90),
    ],
    {},
    ["y:uint8"],
  ],
  [
    "qgemm-columns",
    "QGemm",
    [
      bytes("uint8", 8, 3),
      s(0.02),
      z(100),
      [bytes("uint8", 5, 8)],
      [scales(5)],
      [bytes("uint8", 5)],
      "",
      s(0.5),
      z(90),
    ],
    { transA: 1, transB: 1, alpha: 0.5 },
    ["y:uint8"],
  ],
  [
    "qgemm-float",
    "QGemm",
    [
      bytes("int8", 3, 8),
      s(0.02),
      scalar("int8", 5),
      [small(5, 8)],
      s(0.01),
      scalar("int8", 0),
      [i32([90, -500, 7, 1000, 0])],
    ],
    { transB: 1, alpha: 0.75 },
    1,
  ],
  [
    "qsoftmax",
    "QLinearSoftmax",
    [bytes("uint8", 2, 3, 6), s(0.05), z(100), s(1 / 256), z(0)],
    { axis: -1, opset: 13 },
    ["y:uint8"],
  ],
  [
    "qsoftmax-old",
    "QLinearSoftmax",
    [bytes("int8", 2, 3, 4), s(0.05), scalar("int8", 3), s(1 / 128), scalar("int8", -100)],
    { axis: 1, opset: 11 },
    ["y:int8"],
  ],
  [
    "qwhere",
    "QLinearWhere",
    [
      new Tensor("bool", [1, 0, 0, 1, 1, 0], [2, 3]),
      bytes("uint8", 2, 3),
      s(0.05),
      z(100),
      bytes("uint8", 1, 3),
      s(0.03),
      z(7),
      s(0.04),
      z(90),
    ],
    {},
    ["y:uint8"],
  ],
  [
    "qleaky",
    "QLinearLeakyRelu",
    [bytes("int8", 2, 3, 5), s(0.05), scalar("int8", 3), s(0.04), scalar("int8", -9)],
    { alpha: 0.125 },
    ["y:int8"],
  ],
  [
    "qpool-last",
    "QLinearAveragePool",
    [bytes("uint8", 1, 5, 5, 3), s(0.0517), z(100), s(0.0391), z(90)],
    { channels_last: 1, kernel_shape: [2, 2], strides: [2, 2] },
    ["y:uint8"],
  ],
  [
    "qglobal-last",
    "QLinearGlobalAveragePool",
    [bytes("uint8", 1, 5, 4, 3), s(0.0517), z(100), s(0.0391), z(90)],
    { channels_last: 1 },
    ["y:uint8"],
  ],
  [
    "qglobal",
    "QLinearGlobalAveragePool",
    [bytes("uint8", 1, 3, 5, 4), s(0.0517), z(100), s(0.0391), z(90)],
    { channels_last: 0 },
    ["y:uint8"],
  ],
  [
    "qconv-last",
    "QLinearConv",
    [
      bytes("uint8", 1, 5, 5, 3),
      s(0.02),
      z(100),
      [small(4, 3, 3, 3)],
      [scales(4)],
      [small(4)],
      s(0.5),
      z(90),
      [i32([5, -9, 100, 2])],
    ],
    { channels_last: 1, kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
    ["y:uint8"],
  ],
  [
    "nhwc-max",
    "NhwcMaxPool",
    [bytes("int8", 1, 5, 5, 3)],
    { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    ["y:int8"],
  ],
  [
    "qembed",
    "QEmbedLayerNormalization",
    [
      i32([1, 0, 4, 2, 3, 3], [2, 3]),
      i32([0, 1, 1, 0, 0, 1], [2, 3]),
      [bytes("uint8", 5, 4)],
      [bytes("uint8", 6, 4)],
      [bytes("uint8", 2, 4)],
      [bytes("uint8", 4)],
      [bytes("uint8", 4)],
      i32([1, 1, 0, 1, 1, 1], [2, 3]),
      ...[s(0.02), s(0.03), s(0.01), s(0.02), s(0.05)],
      ...[z(120), z(130), z(100), z(90), z(128)],
    ],
    { epsilon: 1e-5 },
    ["y", "m:int32"],
  ],
];

const fixtures = [];
for (const [name, op, inputs, attributes, outputs, kept = 9] of CASES) {
  const typed = typeof outputs === "number" ? Array.from({ length: outputs }, (_, i) => `y${i}`) : outputs;
  const names = typed.map((one) => one.split(":")[0]);
  const typeOf = (one) => typed.find((each) => each.startsWith(`${one}:`))?.split(":")[1] ?? "float32";
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
    outputs: made.map((one) => ({ name: one, type: typeOf(one), shape: undefined })),
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
