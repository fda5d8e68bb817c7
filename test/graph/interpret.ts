import type { KnownValue, Node, SpecializedGraph } from "../../src/graph/index.ts";
import { Call } from "../../src/graph/operators/call.ts";
import { evaluate } from "../../src/graph/operators/evaluate.ts";
import { operatorOf } from "../../src/graph/operators/index.ts";
import { type Shape, sizeOf, stridesOf, Tensor } from "../../src/tensor/index.ts";

/**
 * A slow interpreter of specialized graphs, in double where it matters: written from the ONNX operator texts alone, so that the passes can be checked
 * against what the model meant.
 */
export function interpret(graph: SpecializedGraph, feeds: Record<string, Tensor>): Map<string, Tensor> {
  const values = new Map<string, Tensor>([...graph.constants, ...Object.entries(feeds)]);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => (name === "" ? undefined : values.get(name)));
    const known = node.outputs.map((name) => graph.values.get(name)!);
    const outputs = run(node, inputs, known, graph);
    for (const [i, name] of node.outputs.entries()) {
      if (name === "") continue;
      if (outputs[i]!.dims.join() !== known[i]!.shape.join())
        throw new Error(`${node.op} ${node.name}: shape of ${name}`);
      values.set(name, outputs[i]!);
    }
  }
  return values;
}

function run(node: Node, inputs: (Tensor | undefined)[], known: KnownValue[], graph: SpecializedGraph): Tensor[] {
  const shape = known[0]!.shape;
  const x = inputs[0]!;
  if (node.op === "Reshape") return [x.reshape(shape)];
  const own = FLOAT[node.op];
  if (own !== undefined) return own(node, inputs, shape);
  const infos = inputs.map((t) => t && { type: t.type, shape: t.dims });
  const call = new Call(node, graph.opsets, infos, inputs);
  const result = evaluate(call, operatorOf(node)!, known, Number.POSITIVE_INFINITY);
  if (result === undefined) throw new Error(`the test interpreter has no ${node.op}`);
  return [...result];
}

type Run = (node: Node, inputs: (Tensor | undefined)[], shape: Shape) => Tensor[];

const data = (t: Tensor): Float32Array => t.data as Float32Array;
const f32 = (values: ArrayLike<number>, dims: Shape): Tensor => new Tensor("float32", Float32Array.from(values), dims);
const map =
  (f: (x: number, node: Node) => number): Run =>
  (node, [x], shape) => [
    f32(
      data(x!).map((v) => f(v, node)),
      shape,
    ),
  ];

/** Abramowitz and Stegun 7.1.26 is too coarse here: the series, and 1 far out. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let [sum, term] = [x, x];
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

function activate(node: Node, v: number): number {
  const { activation, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = node.attributes;
  if (activation === "Clip") return Math.min(Math.max(v, min as number), max as number);
  return activation === "HardSwish" ? (v * Math.min(Math.max(v + 3, 0), 6)) / 6 : v;
}

const list = (node: Node, name: string): number[] => node.attributes[name] as number[];

/** Two spatial axes, strides of the layout: [batch, channel, y, x]. */
function planes(dims: Shape, last: boolean): { size: number[]; stride: number[] } {
  const strides = stridesOf(dims);
  const order = last ? [0, dims.length - 1, 1, 2] : [0, 1, 2, 3];
  return { size: order.map((i) => dims[i]!), stride: order.map((i) => strides[i]!) };
}

const conv: Run = (node, [x, w, b], shape) => {
  const last = node.domain === "bitbasis";
  const [from, to] = [planes(x!.dims, last), planes(shape, last)];
  const kernel = list(node, "kernel_shape") as [number, number];
  const [strides, dilations, pads] = [list(node, "strides"), list(node, "dilations"), list(node, "pads")];
  const group = (node.attributes["group"] as number | undefined) ?? 1;
  const transposed = node.op === "ConvTranspose";
  const [inGroup, outGroup] = [from.size[1]! / group, to.size[1]! / group];
  const weight = (o: number, i: number, ky: number, kx: number): number => {
    const [kh, kw] = kernel;
    if (last) return data(w!)[((o * kh + ky) * kw + kx) * inGroup + i]!;
    if (!transposed) return data(w!)[((o * inGroup + i) * kh + ky) * kw + kx]!;
    const g = Math.floor(o / outGroup);
    return data(w!)[(((g * inGroup + i) * outGroup + (o % outGroup)) * kh + ky) * kw + kx]!;
  };
  const result = new Float64Array(sizeOf(shape));
  const input = data(x!);
  for (let n = 0; n < to.size[0]!; n++)
    for (let o = 0; o < to.size[1]!; o++)
      for (let y = 0; y < to.size[2]!; y++)
        for (let xx = 0; xx < to.size[3]!; xx++) {
          let sum = b === undefined ? 0 : data(b)[o]!;
          const g = Math.floor(o / outGroup);
          for (let ky = 0; ky < kernel[0]; ky++)
            for (let kx = 0; kx < kernel[1]; kx++) {
              let [iy, ix] = [
                y * strides[0]! - pads[0]! + ky * dilations[0]!,
                xx * strides[1]! - pads[1]! + kx * dilations[1]!,
              ];
              if (transposed) {
                [iy, ix] = [
                  (y + pads[0]! - ky * dilations[0]!) / strides[0]!,
                  (xx + pads[1]! - kx * dilations[1]!) / strides[1]!,
                ];
                if (!Number.isInteger(iy) || !Number.isInteger(ix)) continue;
              }
              if (iy < 0 || ix < 0 || iy >= from.size[2]! || ix >= from.size[3]!) continue;
              const at = n * from.stride[0]! + iy * from.stride[2]! + ix * from.stride[3]!;
              for (let i = 0; i < inGroup; i++) {
                sum += input[at + (g * inGroup + i) * from.stride[1]!]! * weight(o, i, ky, kx);
              }
            }
          const at = n * to.stride[0]! + o * to.stride[1]! + y * to.stride[2]! + xx * to.stride[3]!;
          result[at] = activate(node, sum);
        }
  return [f32(result, shape)];
};

const pool: Run = (node, [x], shape) => {
  const last = node.domain === "bitbasis";
  const [from, to] = [planes(x!.dims, last), planes(shape, last)];
  const whole = node.op.startsWith("Global");
  const kernel = whole ? from.size.slice(2) : list(node, "kernel_shape");
  const [strides, pads] = whole
    ? [
        [1, 1],
        [0, 0, 0, 0],
      ]
    : [list(node, "strides"), list(node, "pads")];
  const result = new Float64Array(sizeOf(shape));
  for (let n = 0; n < to.size[0]!; n++)
    for (let c = 0; c < to.size[1]!; c++)
      for (let y = 0; y < to.size[2]!; y++)
        for (let xx = 0; xx < to.size[3]!; xx++) {
          const seen: number[] = [];
          for (let ky = 0; ky < kernel[0]!; ky++)
            for (let kx = 0; kx < kernel[1]!; kx++) {
              const [iy, ix] = [y * strides[0]! - pads[0]! + ky, xx * strides[1]! - pads[1]! + kx];
              if (iy < 0 || ix < 0 || iy >= from.size[2]! || ix >= from.size[3]!) continue;
              seen.push(
                data(x!)[n * from.stride[0]! + c * from.stride[1]! + iy * from.stride[2]! + ix * from.stride[3]!]!,
              );
            }
          const value = node.op.endsWith("MaxPool") ? Math.max(...seen) : seen.reduce((a, b) => a + b, 0) / seen.length;
          result[n * to.stride[0]! + c * to.stride[1]! + y * to.stride[2]! + xx * to.stride[3]!] = value;
        }
  return [f32(result, shape)];
};

const matmul: Run = (node, [a, b, bias], shape) => {
  const flip = node.attributes["transB"] === 1;
  const k = a!.dims.at(-1)!;
  const [m, n] = [a!.dims.at(-2) ?? 1, shape.at(-1)!];
  const batch = sizeOf(shape) / (m * n);
  const shared = b!.size === k * n;
  const result = new Float64Array(sizeOf(shape));
  for (let i = 0; i < batch * m; i++)
    for (let j = 0; j < n; j++) {
      const base = shared ? 0 : Math.floor(i / m) * k * n;
      let sum = bias === undefined ? 0 : data(bias)[bias.size === 1 ? 0 : j]!;
      for (let t = 0; t < k; t++) sum += data(a!)[i * k + t]! * data(b!)[base + (flip ? j * k + t : t * n + j)]!;
      result[i * n + j] = activate(node, sum);
    }
  return [f32(result, shape)];
};

/** Softmax and LayerNormalization over the last axis; softmax over any axis. */
const softmax: Run = (node, [x], shape) => {
  const axis = ((node.attributes["axis"] as number) + shape.length) % shape.length;
  const [extent, inner] = [shape[axis]!, sizeOf(shape.slice(axis + 1))];
  const result = new Float64Array(sizeOf(shape));
  for (let row = 0; row < result.length / extent; row++) {
    const start = Math.floor(row / inner) * inner * extent + (row % inner);
    const at = Array.from({ length: extent }, (_, i) => start + i * inner);
    const most = at.reduce((m, i) => Math.max(m, data(x!)[i]!), Number.NEGATIVE_INFINITY);
    const sum = at.reduce((total, i) => total + Math.exp(data(x!)[i]! - most), 0);
    for (const i of at) result[i] = Math.exp(data(x!)[i]! - most) / sum;
  }
  return [f32(result, shape)];
};

const layerNorm: Run = (node, [x, scale, shift], shape) => {
  const n = shape.at(-1)!;
  const rms = node.op === "RMSNormalization";
  const result = new Float64Array(sizeOf(shape));
  for (let row = 0; row < result.length / n; row++) {
    const values = Array.from(data(x!).subarray(row * n, (row + 1) * n));
    const mean = rms ? 0 : values.reduce((a, b) => a + b, 0) / n;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / n;
    for (let i = 0; i < n; i++) {
      const normal = (values[i]! - mean) / Math.sqrt(variance + (node.attributes["epsilon"] as number));
      result[row * n + i] = normal * data(scale!)[i]! + (shift === undefined ? 0 : data(shift)[i]!);
    }
  }
  return [f32(result, shape)];
};

const batchNorm: Run = (node, [x, ...parts], shape) => {
  const inner = sizeOf(shape.slice(2));
  const [gamma, beta, mean, variance] = parts.map((part) => data(part!)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const epsilon = node.attributes["epsilon"] as number;
  const result = data(x!).map((v, i) => {
    const c = Math.floor(i / inner) % shape[1]!;
    return ((v - mean[c]!) / Math.sqrt(variance[c]! + epsilon)) * gamma[c]! + beta[c]!;
  });
  return [f32(result, shape)];
};

const reduceMean: Run = (_node, [x, axes], shape) => {
  const own = x!.dims;
  const list = Array.from(axes!.data as BigInt64Array, Number).map((axis) => (axis + own.length) % own.length);
  const kept = own.map((d, i) => (list.includes(i) ? 1 : d));
  const [from, to] = [stridesOf(own), stridesOf(kept)];
  const result = new Float64Array(sizeOf(shape));
  const count = sizeOf(own) / result.length;
  data(x!).forEach((v, at) => {
    let offset = 0;
    own.forEach((d, i) => {
      if (!list.includes(i)) offset += (Math.floor(at / from[i]!) % d) * to[i]!;
    });
    result[offset]! += v / count;
  });
  return [f32(result, shape)];
};

/** Nearest with asymmetric coordinates and floor, or linear with half pixels, at whole scales. */
const resize: Run = (node, [x], shape) => {
  const last = node.domain === "bitbasis";
  const [from, to] = [planes(x!.dims, last), planes(shape, last)];
  if (node.attributes["mode"] !== "nearest") throw new Error("only nearest");
  const result = new Float64Array(sizeOf(shape));
  for (let n = 0; n < to.size[0]!; n++)
    for (let c = 0; c < to.size[1]!; c++)
      for (let y = 0; y < to.size[2]!; y++)
        for (let xx = 0; xx < to.size[3]!; xx++) {
          const iy = Math.floor((y * from.size[2]!) / to.size[2]!);
          const ix = Math.floor((xx * from.size[3]!) / to.size[3]!);
          const at = n * to.stride[0]! + c * to.stride[1]! + y * to.stride[2]! + xx * to.stride[3]!;
          result[at] = data(x!)[
            n * from.stride[0]! + c * from.stride[1]! + iy * from.stride[2]! + ix * from.stride[3]!
          ]!;
        }
  return [f32(result, shape)];
};

const power: Run = (_node, [x, e], shape) => [
  f32(
    data(x!).map((v) => v ** data(e!)[0]!),
    shape,
  ),
];

const FLOAT: Record<string, Run> = {
  Conv: conv,
  ConvTranspose: conv,
  MaxPool: pool,
  AveragePool: pool,
  GlobalAveragePool: pool,
  GlobalMaxPool: pool,
  MatMul: matmul,
  Gemm: matmul,
  Softmax: softmax,
  LayerNormalization: layerNorm,
  RMSNormalization: layerNorm,
  BatchNormalization: batchNorm,
  ReduceMean: reduceMean,
  Resize: resize,
  Pow: power,
  Erf: map(erf),
  Exp: map(Math.exp),
  Sigmoid: map((x) => 1 / (1 + Math.exp(-x))),
  Silu: map((x) => x / (1 + Math.exp(-x))),
  Gelu: map((x) => (x * (1 + erf(x * Math.SQRT1_2))) / 2),
  HardSwish: map((x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6),
  HardSigmoid: map((x, node) => {
    const { alpha = 0.2, beta = 0.5 } = node.attributes as Record<string, number>;
    return Math.min(Math.max(alpha * x + beta, 0), 1);
  }),
};

/** max |a − b| / max |b|. */
export function difference(a: Tensor, b: Tensor): number {
  const most = data(b).reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return data(a).reduce((m, v, i) => Math.max(m, Math.abs(v - data(b)[i]!)), 0) / most;
}

/** Seeded numbers in −1…1. */
export function noise(dims: Shape, seed = 1): Tensor {
  let state = seed;
  const values = Float32Array.from({ length: sizeOf(dims) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
  return new Tensor("float32", values, dims);
}
