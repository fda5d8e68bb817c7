import type { Graph } from "../../../src/graph/index.ts";
import { smallFloatBits, Tensor } from "../../../src/tensor/index.ts";
import { edges, features, halves, ids, mask } from "./inputs.ts";
import type { Kind } from "./kind.ts";
import { Net } from "./net.ts";

const TOKENS = 24;

/** Channels that grew in training until they carry most of the energy, as in large language models: two of a width. */
const outlier = (i: number): number => (i % 37 === 5 ? 25 : 1);

function causal(net: Net): string {
  return net.tensor([1, 1, TOKENS, TOKENS], (i) => (i % TOKENS > Math.floor(i / TOKENS) ? -1e9 : 0));
}

function lookup(net: Net, rows: number, width: number): string {
  return net.op("Gather", [net.table(rows, width, 0.5), net.input("ids", [1, TOKENS], "int64")], { axis: 0 });
}

function bert() {
  const net = new Net("encoder of words", 51);
  const words = lookup(net, 600, 64);
  const places = net.tensor([1, TOKENS, 64], () => 0.3 * net.random.normal());
  const shown = net.op("Cast", [net.op("Unsqueeze", [net.input("mask", [1, TOKENS], "int64"), net.ints(1, 2)])], {
    to: 1,
  });
  const bias = net.op("Mul", [net.op("Sub", [net.one(1), shown]), net.one(-10000)]);
  let x = net.norm(net.op("Add", [words, places]), 64);
  for (let i = 0; i < 3; i++) x = net.block(x, 64, 4, bias);
  const first = net.op("Flatten", [net.op("Gather", [net.norm(x, 64), net.ints(0)], { axis: 1 })]);
  const pooled = net.op("Tanh", [net.gemm(first, 64, 64)]);
  return net.done([x, net.gemm(pooled, 64, 4, 2)]);
}

function sentences() {
  const net = new Net("sentences to unit vectors", 52);
  let x = lookup(net, 600, 48);
  for (let i = 0; i < 2; i++) x = net.block(x, 48, 4);
  const shown = net.op("Cast", [net.op("Unsqueeze", [net.input("mask", [1, TOKENS], "int64"), net.ints(2)])], {
    to: 1,
  });
  const sum = net.op("ReduceSum", [net.op("Mul", [x, shown]), net.ints(1)], { keepdims: 0 });
  const count = net.op("Clip", [net.op("ReduceSum", [shown, net.ints(1)], { keepdims: 0 }), net.one(1e-9)]);
  const mean = net.op("Div", [sum, count]);
  const length = net.op("Sqrt", [net.op("ReduceSum", [net.op("Mul", [mean, mean]), net.ints(1)], { keepdims: 1 })]);
  return net.done([net.op("Div", [mean, length])]);
}

function llama() {
  const net = new Net("decoder with outlier channels", 53);
  const bias = causal(net);
  const table = net.table(400, 74, 0.5);
  let x = net.op("Gather", [table, net.input("ids", [1, TOKENS], "int64")], { axis: 0 });
  x = net.op("Mul", [x, net.tensor([74], outlier)]);
  for (let i = 0; i < 3; i++) {
    x = net.op("Add", [x, net.attention(net.rmsNorm(x, 74), 74, 2, undefined, bias)]);
    const h = net.rmsNorm(x, 74);
    const gate = net.silu(net.op("MatMul", [h, net.matrix(74, 192)]));
    const inner = net.op("Mul", [gate, net.op("MatMul", [h, net.matrix(74, 192)])]);
    x = net.op("Add", [x, net.op("MatMul", [inner, net.matrix(192, 74)])]);
  }
  const turned = net.op("Transpose", [table], { perm: [1, 0] });
  return net.done([net.op("MatMul", [net.rmsNorm(x, 74), turned])]);
}

function gpt() {
  const net = new Net("decoder with huge activations", 54);
  const bias = causal(net);
  let x = lookup(net, 400, 74);
  for (let i = 0; i < 3; i++) x = net.block(x, 74, 2, bias, outlier);
  return net.done([net.op("MatMul", [net.norm(x, 74), net.matrix(74, 400, 2)])]);
}

function crossed() {
  const net = new Net("encoder and decoder", 55);
  let memory = net.dense(net.input("source", [1, 20, 32]), 32, 48);
  for (let i = 0; i < 2; i++) memory = net.block(memory, 48, 4);
  const bias = causal(net);
  let x = lookup(net, 300, 48);
  for (let i = 0; i < 2; i++) {
    x = net.op("Add", [x, net.attention(net.norm(x, 48), 48, 4, undefined, bias)]);
    x = net.op("Add", [x, net.attention(net.norm(x, 48), 48, 4, memory)]);
    x = net.op("Add", [x, net.dense(net.relu(net.dense(net.norm(x, 48), 48, 128)), 128, 48)]);
  }
  return net.done([net.dense(x, 48, 300, 2)]);
}

function recurrentTags() {
  const net = new Net("tags by two directions", 56);
  const x = net.op("Transpose", [lookup(net, 500, 48)], { perm: [1, 0, 2] });
  const [y] = net.recurrent("LSTM", x, 48, 32, [], "bidirectional");
  const joined = net.op("Reshape", [net.op("Transpose", [y!], { perm: [2, 0, 1, 3] }), net.ints(0, 0, 64)]);
  return net.done([net.op("LogSoftmax", [net.dense(joined, 64, 12, 3)], { axis: -1 })]);
}

function mixer() {
  const net = new Net("mixed tokens", 57);
  let x = net.dense(net.input("x", [1, 32, 24]), 24, 48);
  for (let i = 0; i < 3; i++) {
    const turned = net.op("Transpose", [net.norm(x, 48)], { perm: [0, 2, 1] });
    const tokens = net.dense(net.gelu(net.dense(turned, 32, 64)), 64, 32);
    x = net.op("Add", [x, net.op("Transpose", [tokens], { perm: [0, 2, 1] })]);
    x = net.op("Add", [x, net.dense(net.gelu(net.dense(net.norm(x, 48), 48, 128)), 128, 48)]);
  }
  return net.done([net.dense(net.op("ReduceMean", [x], { axes: [1], keepdims: 0 }), 48, 10, 2)]);
}

function recommender() {
  const net = new Net("tables and crossed features", 58);
  const dense = net.relu(net.gemm(net.relu(net.gemm(net.input("dense", [8, 13]), 13, 64)), 64, 16));
  const wide = ["user", "item", "shop"].map((name, i) =>
    net.op("Gather", [net.table(500 * (i + 1), 16, 0.5), net.input(name, [8], "int64")], { axis: 0 }),
  );
  const rows = [dense, ...wide].map((x) => net.op("Unsqueeze", [x, net.ints(1)]));
  const all = net.op("Concat", rows, { axis: 1 });
  const crossed = net.op("Reshape", [
    net.op("MatMul", [all, net.op("Transpose", [all], { perm: [0, 2, 1] })]),
    net.ints(8, 16),
  ]);
  const hidden = net.relu(net.gemm(net.op("Concat", [dense, crossed], { axis: 1 }), 32, 64));
  return net.done([net.op("Sigmoid", [net.gemm(hidden, 64, 1, 2)])]);
}

function tabular() {
  const net = new Net("columns of unequal scale", 59);
  // A scaler, then a network of few layers: ages, incomes, shares.
  const x = net.input("columns", [16, 20]);
  const centred = net.op("Sub", [x, net.tensor([20], (i) => 10 ** (i % 5))]);
  const scaled = net.op("Div", [centred, net.tensor([20], (i) => 10 ** (i % 5))]);
  const hidden = net.relu(net.gemm(net.relu(net.gemm(scaled, 20, 64)), 64, 32));
  return net.done([net.gemm(hidden, 32, 1, 2)]);
}

function unscaled() {
  const net = new Net("columns of unequal scale, no scaler", 60);
  const x = net.input("columns", [16, 20]);
  const weights = uneven(net, [20, 64], (i) => Math.floor(i / 64));
  const first = net.relu(net.op("Add", [net.op("MatMul", [x, weights]), net.vector(64)]));
  return net.done([net.gemm(net.relu(net.gemm(first, 64, 32)), 32, 3, 2)]);
}

/** Weights for inputs of scales 10^0 … 10^4, what a scaler would do being in them. */
function uneven(net: Net, dims: readonly number[], column: (i: number) => number): string {
  return net.tensor(dims, (i) => (0.3 * net.random.normal()) / 10 ** (column(i) % 5));
}

function sensors() {
  const net = new Net("sensors of unequal scale, convolutions", 69);
  const x = net.input("series", [1, 10, 128]);
  const first = net.relu(
    net.op("Conv", [x, uneven(net, [32, 10, 5], (i) => Math.floor(i / 5) % 10), net.vector(32)], { pads: [2, 2] }),
  );
  const deep = net.relu(net.conv(first, [32, 32], [5], { strides: [2] }));
  return net.done([net.gemm(net.op("Flatten", [net.op("GlobalAveragePool", [deep])]), 32, 6, 2)]);
}

function meters() {
  const net = new Net("meters of unequal scale, recurrent", 70);
  const x = net.input("series", [24, 1, 10]);
  const recurrent = net.tensor([1, 160, 40], () => 0.15 * net.random.normal());
  net.op("LSTM", [x, uneven(net, [1, 160, 10], (i) => i % 10), recurrent], { hidden_size: 40 }, ["all", "last"]);
  return net.done([net.gemm(net.op("Reshape", ["last", net.ints(1, 40)]), 40, 4, 2)]);
}

function forecast() {
  const net = new Net("forecast of a series", 61);
  let x = net.op("Transpose", [net.input("series", [1, 48, 4])], { perm: [1, 0, 2] });
  const [y] = net.recurrent("LSTM", x, 4, 48, []);
  x = net.op("Gather", [net.op("Squeeze", [y!, net.ints(1)]), net.ints(-1)], { axis: 0 });
  const next = net.gemm(net.op("Reshape", [x, net.ints(1, 48)]), 48, 12, 2);
  // Back in units of the series, around a mean that is large beside its changes.
  return net.done([net.op("Add", [net.op("Mul", [next, net.one(35)]), net.one(1200)])]);
}

function graph() {
  const net = new Net("messages along a graph", 62);
  const edges = net.input("adjacency", [1, 24, 24]);
  let x = net.input("nodes", [1, 24, 16]);
  let depth = 16;
  for (let i = 0; i < 3; i++) {
    x = net.relu(net.op("MatMul", [edges, net.dense(x, depth, 48, 1.4)]));
    depth = 48;
  }
  return net.done([net.dense(net.op("ReduceSum", [x, net.ints(1)], { keepdims: 0 }), 48, 6)]);
}

function points() {
  const net = new Net("clouds of points", 63);
  const x = net.input("points", [1, 3, 256]);
  const wide = net.relu(net.conv(net.relu(net.conv(x, [3, 32], [1])), [32, 64], [1]));
  const pose = net.op("Reshape", [
    net.gemm(net.op("ReduceMax", [wide], { axes: [2], keepdims: 0 }), 64, 9, 0.3),
    net.ints(1, 3, 3),
  ]);
  const turned = net.op("MatMul", [pose, x]);
  const deep = net.relu(net.conv(net.relu(net.conv(turned, [3, 48], [1])), [48, 96], [1]));
  return net.done([
    net.op("LogSoftmax", [net.gemm(net.op("ReduceMax", [deep], { axes: [2], keepdims: 0 }), 96, 10, 2)]),
  ]);
}

function tiny() {
  const net = new Net("two small layers", 64);
  return net.done([net.gemm(net.op("Tanh", [net.gemm(net.input("x", [4, 4]), 4, 8)]), 8, 2)]);
}

function tinyConvolutions() {
  const net = new Net("two small convolutions", 65);
  const x = net.relu(net.conv(net.input("image", [1, 1, 28, 28]), [1, 4], 3, { strides: [2, 2] }));
  return net.done([net.op("GlobalAveragePool", [net.conv(x, [4, 3], 3)])]);
}

function losses() {
  const net = new Net("a network with its loss", 66);
  const hidden = net.relu(net.gemm(net.relu(net.gemm(net.input("x", [8, 24]), 24, 64)), 64, 48));
  const scores = net.gemm(hidden, 48, 10, 2);
  const target = net.input("target", [8], "int64");
  net.op("SoftmaxCrossEntropyLoss", [scores, target], { reduction: "mean" }, ["loss", "log"]);
  net.op("NegativeLogLikelihoodLoss", ["log", target], { reduction: "sum" }, ["sum"]);
  net.op("NegativeLogLikelihoodLoss", ["log", target], { reduction: "none" }, ["each"]);
  return net.done(["loss", "log", "sum", "each"]);
}

function sure() {
  const net = new Net("a network that is sure, with its loss", 67);
  // A trained network's loss is small: nearly all is on the right class.
  const hidden = net.relu(net.gemm(net.input("x", [8, 24]), 24, 64));
  const scores = net.gemm(hidden, 64, 10, 6);
  const right = net.op("ArgMax", [scores], { axis: 1, keepdims: 0 });
  net.op("SoftmaxCrossEntropyLoss", [scores, right], { reduction: "mean" }, ["loss"]);
  return net.done(["loss"]);
}

function float16() {
  const net = new Net("float16 throughout", 68);
  let x = net.input("x", [1, 24, 64], "float16");
  for (let i = 0; i < 2; i++) x = net.block(x, 64, 4);
  return halved(net.done([net.dense(x, 64, 10, 2)]));
}

/** Every constant and output in float16. */
function halved(graph: Graph): Graph {
  const half = ({ data, dims }: Tensor) =>
    new Tensor(
      "float16",
      Uint16Array.from(data as Float32Array, (v) => smallFloatBits("float16", v)),
      dims,
    );
  const initializers = [...graph.initializers].map(
    ([name, tensor]) => [name, tensor.type === "float32" ? half(tensor) : tensor] as const,
  );
  const outputs = graph.outputs.map((output) => ({ ...output, type: "float16" as const }));
  return { ...graph, outputs, initializers: new Map(initializers) };
}

const words = { ids: [[1, TOKENS], ids(300)] } as const;

export const TEXTS: readonly Kind[] = [
  { name: "encoder of words", make: bert, feeds: { ids: [[1, TOKENS], ids(600)], mask: [[1, TOKENS], mask()] } },
  {
    name: "sentences to unit vectors",
    make: sentences,
    feeds: { ids: [[1, TOKENS], ids(600)], mask: [[1, TOKENS], mask()] },
  },
  { name: "decoder with outlier channels", make: llama, feeds: { ids: [[1, TOKENS], ids(400)] } },
  { name: "decoder with huge activations", make: gpt, feeds: { ids: [[1, TOKENS], ids(400)] } },
  {
    name: "encoder and decoder",
    make: crossed,
    feeds: { source: [[1, 20, 32], features()], ...words },
    range: { source: [-3, 3] },
  },
  { name: "tags by two directions", make: recurrentTags, feeds: { ids: [[1, TOKENS], ids(500)] } },
  { name: "mixed tokens", make: mixer, feeds: { x: [[1, 32, 24], features()] }, range: [-3, 3] },
  {
    name: "tables and crossed features",
    make: recommender,
    feeds: { dense: [[8, 13], features()], user: [[8], ids(500)], item: [[8], ids(1000)], shop: [[8], ids(1500)] },
    range: { dense: [-3, 3] },
  },
  { name: "columns of unequal scale", make: tabular, feeds: { columns: [[16, 20], features((c) => 10 ** (c % 5))] } },
  {
    name: "columns of unequal scale, no scaler",
    make: unscaled,
    feeds: { columns: [[16, 20], features((c) => 10 ** (c % 5))] },
  },
  {
    name: "sensors of unequal scale, convolutions",
    make: sensors,
    feeds: { series: [[1, 10, 128], features((_, row) => 10 ** (row % 5))] },
  },
  {
    name: "meters of unequal scale, recurrent",
    make: meters,
    feeds: { series: [[24, 1, 10], features((c) => 10 ** (c % 5))] },
  },
  { name: "forecast of a series", make: forecast, feeds: { series: [[1, 48, 4], features()] }, range: [-3, 3] },
  {
    name: "messages along a graph",
    make: graph,
    feeds: { adjacency: [[1, 24, 24], edges()], nodes: [[1, 24, 16], features()] },
    range: { adjacency: [0, 0.2], nodes: [-3, 3] },
  },
  { name: "clouds of points", make: points, feeds: { points: [[1, 3, 256], features()] }, range: [-3, 3] },
  { name: "two small layers", make: tiny, feeds: { x: [[4, 4], features()] }, range: [-3, 3] },
  {
    name: "two small convolutions",
    make: tinyConvolutions,
    feeds: { image: [[1, 1, 28, 28], features()] },
    range: [-3, 3],
  },
  {
    name: "a network with its loss",
    make: losses,
    feeds: { x: [[8, 24], features()], target: [[8], ids(10, 1)] },
    range: { x: [-3, 3] },
  },
  { name: "a network that is sure, with its loss", make: sure, feeds: { x: [[8, 24], features()] }, range: [-3, 3] },
  { name: "float16 throughout", make: float16, feeds: { x: [[1, 24, 64], halves()] }, range: [-3, 3] },
];
