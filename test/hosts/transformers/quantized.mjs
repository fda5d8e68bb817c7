// The forms in which the hub has quantized files, for the graphs of models.mjs: q8 as onnxruntime's dynamic quantization writes it, q4 as its MatMulNBits.
import { Tensor } from "../../../dist/tensor/index.js";

/** Elements of a block of MatMulNBits. */
const BLOCK = 32;

/** `spec` with each product with a matrix of weights replaced by `nodes(w, input, output, name)`, which gives new initializers too. */
function replaced(spec, replacement) {
  const initializers = { ...spec.initializers };
  const nodes = spec.nodes.flatMap((node) => {
    const [op, [x, w], [y]] = node;
    const matrix = op === "MatMul" ? spec.initializers[w] : undefined;
    if (matrix === undefined) return [node];
    delete initializers[w];
    const made = replacement(matrix, x, y, w);
    Object.assign(initializers, made.initializers);
    return made.nodes;
  });
  return { ...spec, nodes, initializers };
}

/** Inputs become uint8 while it runs, weights are uint8 with one scale; products are integers. */
export function q8(spec) {
  return replaced(spec, ({ data, dims }, x, y, w) => {
    const [low, high] = [Math.min(0, ...data), Math.max(0, ...data)];
    const scale = Math.fround((high - low) / 255);
    const zero = Math.round(-low / scale);
    const bytes = Uint8Array.from(data, (v) => Math.min(255, Math.max(0, Math.round(v / scale) + zero)));
    const [xq, xs, xz, product, real, scales] = ["q", "s", "z", "i", "r", "f"].map((part) => `${y}/${part}`);
    return {
      initializers: {
        [`${w}/q`]: new Tensor("uint8", bytes, dims),
        [`${w}/s`]: new Tensor("float32", [scale], []),
        [`${w}/z`]: new Tensor("uint8", [zero], []),
      },
      nodes: [
        ["DynamicQuantizeLinear", [x], [xq, xs, xz]],
        ["MatMulInteger", [xq, `${w}/q`, xz, `${w}/z`], [product]],
        ["Cast", [product], [real], { to: 1 }],
        ["Mul", [xs, `${w}/s`], [scales]],
        ["Mul", [real, scales], [y]],
      ],
    };
  });
}

/** Blocks of weights of 4 bits, a scale for each. */
export function q4(spec) {
  return replaced(spec, ({ data, dims: [K, N] }, x, y, w) => {
    const blocks = Math.ceil(K / BLOCK);
    const [packed, scales] = [new Uint8Array((N * blocks * BLOCK) / 2).fill(0x88), new Float32Array(N * blocks)];
    for (let n = 0; n < N; n++) {
      for (let b = 0; b < blocks; b++) {
        const rows = Array.from({ length: Math.min(BLOCK, K - b * BLOCK) }, (_, i) => data[(b * BLOCK + i) * N + n]);
        const scale = Math.fround(Math.max(...rows.map(Math.abs)) / 7);
        scales[n * blocks + b] = scale;
        rows.forEach((v, i) => {
          const at = ((n * blocks + b) * BLOCK + i) >> 1;
          const [shift, keep] = i % 2 === 0 ? [0, 0xf0] : [4, 0x0f];
          packed[at] = (packed[at] & keep) | ((Math.round(v / scale) + 8) << shift);
        });
      }
    }
    return {
      initializers: {
        [`${w}/q`]: new Tensor("uint8", packed, [N, blocks, BLOCK / 2]),
        [`${w}/s`]: new Tensor("float32", scales, [N * blocks]),
      },
      nodes: [["MatMulNBits", [x, `${w}/q`, `${w}/s`], [y], { K, N, bits: 4, block_size: BLOCK }, "com.microsoft"]],
    };
  });
}
