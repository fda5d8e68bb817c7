import { Tensor } from "../../../src/tensor/index.ts";
import { bands, constant, features, ids, speech } from "./inputs.ts";
import type { Kind } from "./kind.ts";
import { Net } from "./net.ts";

const TAU = 2 * Math.PI;
const hann = (n: number, size: number) => 0.5 - 0.5 * Math.cos((TAU * n) / size);

/** Rows of triangles over bins, [bins, bands]. */
function melBank(net: Net, bins: number, count: number): string {
  const centre = (b: number) => (bins * (2 ** ((3 * b) / (count + 1)) - 1)) / 7;
  return net.tensor([bins, count], (i) => {
    const [bin, b] = [Math.floor(i / count), (i % count) + 1];
    const [low, mid, high] = [centre(b - 1), centre(b), centre(b + 1)];
    return Math.max(0, Math.min((bin - low) / (mid - low), (high - bin) / (high - mid))) / (high - low);
  });
}

/** Power spectrum of sound [1, 1, n] by convolutions with windowed waves: [1, frames, bins]. */
function power(net: Net, x: string, size: number, hop: number): string {
  const bins = size / 2 + 1;
  const waves = (of: (angle: number) => number) =>
    net.tensor([bins, 1, size], (i) => hann(i % size, size) * of((TAU * Math.floor(i / size) * (i % size)) / size));
  const [re, im] = [Math.cos, Math.sin].map((of) => net.op("Conv", [x, waves(of)], { strides: [hop] })) as [
    string,
    string,
  ];
  const sum = net.op("Add", [net.op("Mul", [re, re]), net.op("Mul", [im, im])]);
  return net.op("Transpose", [sum], { perm: [0, 2, 1] });
}

function logMel(net: Net, spectrum: string, bins: number, count: number): string {
  const mel = net.op("MatMul", [spectrum, melBank(net, bins, count)]);
  return net.op("Log", [net.op("Clip", [mel, net.one(1e-6)])]);
}

function melClassifier() {
  const net = new Net("mel classifier", 1);
  const mel = logMel(net, power(net, net.input("audio", [1, 1, 16000]), 256, 128), 129, 40);
  let x = net.op("Unsqueeze", [mel, net.ints(1)]);
  x = net.relu(net.conv(x, [1, 16], 3, { strides: [2, 2] }, 0.3));
  x = net.relu(net.conv(x, [16, 32], 3, { strides: [2, 2] }));
  x = net.relu(net.conv(x, [32, 48], 3));
  return net.done([net.gemm(net.op("Flatten", [net.op("GlobalAveragePool", [x])]), 48, 12, 3)]);
}

function stft() {
  const net = new Net("stft, cepstrum, gru", 2);
  const window = net.tensor([256], (i) => hann(i, 256));
  net.constant("hop", new Tensor("int64", [160], []));
  const complex = net.op("STFT", [net.input("audio", [1, 8000, 1]), "hop", window], { onesided: 1 });
  const spectrum = net.op("ReduceSum", [net.op("Mul", [complex, complex]), net.ints(-1)], { keepdims: 0 });
  const mel = net.op("Log", [net.op("Add", [net.op("MatMul", [spectrum, melBank(net, 129, 26)]), net.one(1e-6)])]);
  const cosines = net.tensor([26, 13], (i) => Math.cos((Math.PI * (Math.floor(i / 13) + 0.5) * (i % 13)) / 26) / 5);
  const time = net.op("Transpose", [net.op("MatMul", [mel, cosines])], { perm: [1, 0, 2] });
  const [, last] = net.recurrent("GRU", time, 13, 48, []);
  return net.done([net.op("Softmax", [net.gemm(net.op("Squeeze", [last!, net.ints(0)]), 48, 10, 3)])]);
}

function wav2vec() {
  const net = new Net("wav2vec-like", 3);
  let x = net.conv(net.input("audio", [1, 1, "n"]), [1, 32], [10], { strides: [5], pads: [0, 0] }, 6);
  x = net.gelu(net.groupNorm(x, 32, 32));
  for (const [kernel, stride] of [
    [3, 2],
    [3, 2],
    [3, 2],
    [2, 2],
  ] as const)
    x = net.gelu(net.conv(x, [32, 32], [kernel], { strides: [stride], pads: [0, 0] }));
  let h = net.dense(net.norm(net.op("Transpose", [x], { perm: [0, 2, 1] }), 32), 32, 64);
  const place = net.conv(net.op("Transpose", [h], { perm: [0, 2, 1] }), [64, 64], [15], { group: 8 });
  h = net.norm(net.op("Add", [h, net.op("Transpose", [net.gelu(place)], { perm: [0, 2, 1] })]), 64);
  for (let i = 0; i < 3; i++) h = net.block(h, 64, 4);
  return net.done([net.op("LogSoftmax", [net.dense(net.norm(h, 64), 64, 32, 3)], { axis: -1 })]);
}

function conformer() {
  const net = new Net("conformer", 4);
  const half = (x: string) => {
    const inner = net.silu(net.dense(net.norm(x, 64), 64, 256));
    return net.op("Add", [x, net.op("Mul", [net.dense(inner, 256, 64), net.one(0.5)])]);
  };
  let x = net.op("Unsqueeze", [net.input("features", [1, "t", 40]), net.ints(1)]);
  x = net.relu(net.conv(x, [1, 16], 3, { strides: [2, 2] }, 0.4));
  x = net.relu(net.conv(x, [16, 16], 3, { strides: [2, 2] }));
  x = net.op("Reshape", [net.op("Transpose", [x], { perm: [0, 2, 1, 3] }), net.ints(0, -1, 160)]);
  x = net.dense(x, 160, 64);
  for (let i = 0; i < 2; i++) {
    x = half(x);
    x = net.op("Add", [x, net.attention(net.norm(x, 64), 64, 4)]);
    const turned = net.op("Transpose", [net.norm(x, 64)], { perm: [0, 2, 1] });
    const halves = [`left${i}`, `right${i}`] as const;
    net.op("Split", [net.conv(turned, [64, 128], [1], {}, 1), net.ints(64, 64)], { axis: 1 }, halves);
    const gated = net.op("Mul", [halves[0], net.op("Sigmoid", [halves[1]])]);
    const deep = net.silu(net.conv(gated, [64, 64], [15], { group: 64 }));
    x = net.op("Add", [x, net.op("Transpose", [net.conv(deep, [64, 64], [1], {}, 1)], { perm: [0, 2, 1] })]);
    x = net.norm(half(x), 64);
  }
  return net.done([net.op("LogSoftmax", [net.dense(x, 64, 48, 3)], { axis: -1 })]);
}

function transducer() {
  const net = new Net("transducer with state", 5);
  const states = ["h0", "c0", "h1", "c1"].map((name) => net.input(name, [1, 1, 64]));
  const frames = net.op("Transpose", [net.input("frames", [1, 8, 40])], { perm: [1, 0, 2] });
  const [y, h, c] = net.recurrent("LSTM", net.dense(frames, 40, 64), 64, 64, states.slice(0, 2));
  const token = net.op("Gather", [net.table(80, 32), net.input("token", [1, 1], "int64")], { axis: 0 });
  const [p, ph, pc] = net.recurrent("LSTM", token, 32, 64, states.slice(2));
  const encoded = net.dense(net.op("Squeeze", [y!, net.ints(1)]), 64, 64);
  const predicted = net.dense(net.op("Squeeze", [p!, net.ints(1)]), 64, 64);
  const joint = net.op("Tanh", [net.op("Add", [encoded, predicted])]);
  return net.done([net.dense(joint, 64, 80, 3), h!, c!, ph!, pc!]);
}

function dilated() {
  const net = new Net("gated dilated convolutions", 6);
  let x = net.conv(net.input("audio", [1, 1, 4000]), [1, 32], [3], {}, 3);
  const skips: string[] = [];
  for (let i = 0; i < 8; i++) {
    const dilation = 2 ** i;
    const causal = { pads: [2 * dilation, 0], dilations: [dilation] };
    const [a, b] = [net.conv(x, [32, 32], [3], causal, 1), net.conv(x, [32, 32], [3], causal, 1)];
    const gated = net.op("Mul", [net.op("Tanh", [a]), net.op("Sigmoid", [b])]);
    skips.push(net.conv(gated, [32, 32], [1], {}, 1));
    x = net.op("Add", [x, net.conv(gated, [32, 32], [1], {}, 1)]);
  }
  const sum = net.relu(net.op("Sum", skips));
  return net.done([net.conv(net.relu(net.conv(sum, [32, 32], [1])), [32, 1], [1], {}, 1)]);
}

function vocoder() {
  const net = new Net("vocoder", 7);
  const leaky = (x: string) => net.op("LeakyRelu", [x], { alpha: 0.1 });
  // Weights are computed from direction and length, as exporters of weight_norm leave them.
  const normed = (rows: number, inner: readonly number[]) => {
    const v = net.weights(rows, inner, 1);
    const length = net.op("ReduceL2", [v], { axes: [1, 2], keepdims: 1 });
    const g = net.tensor([rows, 1, 1], () => 0.8 + 0.3 * net.random.uniform());
    return net.op("Mul", [net.op("Div", [v, length]), g]);
  };
  let x = net.conv(net.input("mel", [1, 80, 32]), [80, 64], [7], {}, 0.5);
  for (const [depth, stride, kernel] of [
    [64, 8, 16],
    [32, 8, 16],
    [16, 4, 8],
  ] as const) {
    const weights = normed(depth, [depth / 2, kernel]);
    const pad = (kernel - stride) / 2;
    x = net.op("ConvTranspose", [leaky(x), weights, net.vector(depth / 2)], { strides: [stride], pads: [pad, pad] });
    for (const dilation of [1, 3]) {
      const same = { pads: [dilation, dilation], dilations: [dilation] };
      x = net.op("Add", [x, net.conv(leaky(x), [depth / 2, depth / 2], [3], same, 0.7)]);
    }
  }
  return net.done([net.op("Tanh", [net.conv(leaky(x), [8, 1], [7], {}, 1)])]);
}

function enhancer() {
  const net = new Net("speech enhancer", 8);
  const spectrum = net.input("spectrum", [1, 1, 129]);
  const log = net.op("Log", [net.op("Add", [spectrum, net.one(1e-5)])]);
  const x = net.op("Tanh", [net.dense(log, 129, 64, 0.3)]);
  const [y, h] = net.recurrent("GRU", x, 64, 96, [net.input("state", [1, 1, 96])]);
  const mask = net.op("Sigmoid", [net.dense(net.op("Squeeze", [y!, net.ints(1)]), 96, 129, 2)]);
  return net.done([net.op("Mul", [mask, spectrum]), h!]);
}

function spotter() {
  const net = new Net("keyword spotter", 9);
  let x = net.op("Transpose", [net.input("cepstra", [1, 49, 10, 1])], { perm: [0, 3, 1, 2] });
  x = net.relu(net.conv(x, [1, 32], [9, 3], { strides: [2, 2] }, 0.2));
  for (let i = 0; i < 4; i++) {
    x = net.relu(net.conv(x, [32, 32], 3, { group: 32 }));
    x = net.relu(net.conv(x, [32, 32], 1));
  }
  return net.done([net.op("Softmax", [net.gemm(net.op("Flatten", [net.op("GlobalAveragePool", [x])]), 32, 12, 3)])]);
}

function loudness() {
  const net = new Net("decibels, normalized", 10);
  const spectrum = power(net, net.input("audio", [1, 1, 8000]), 128, 64);
  const decibels = net.op("Mul", [net.op("Log", [net.op("Max", [spectrum, net.one(1e-8)])]), net.one(4.342944819)]);
  const peak = net.op("ReduceMax", [decibels], { axes: [1, 2], keepdims: 1 });
  const level = net.op("Max", [decibels, net.op("Sub", [peak, net.one(80)])]);
  const mean = net.op("ReduceMean", [level], { axes: [1, 2], keepdims: 1 });
  const centred = net.op("Sub", [level, mean]);
  const deviation = net.op("Sqrt", [
    net.op("ReduceMean", [net.op("Mul", [centred, centred])], { axes: [1, 2], keepdims: 1 }),
  ]);
  const x = net.op("Div", [centred, net.op("Add", [deviation, net.one(1e-6)])]);
  const hidden = net.relu(net.dense(x, 65, 64));
  return net.done([net.op("ReduceMax", [net.dense(hidden, 64, 20, 2)], { axes: [1], keepdims: 0 })]);
}

export const AUDIO: readonly Kind[] = [
  { name: "mel classifier", make: melClassifier, feeds: { audio: [[1, 1, 16000], speech()] } },
  { name: "stft, cepstrum, gru", make: stft, feeds: { audio: [[1, 8000, 1], speech()] } },
  { name: "wav2vec-like", make: wav2vec, feeds: { audio: [[1, 1, 12000], speech()] } },
  { name: "conformer", make: conformer, feeds: { features: [[1, 120, 40], bands(-4, 4)] }, range: [-4, 4] },
  {
    name: "transducer with state",
    make: transducer,
    feeds: {
      ...Object.fromEntries(["h0", "c0", "h1", "c1"].map((name) => [name, [[1, 1, 64], features(() => 0.4)] as const])),
      frames: [[1, 8, 40], bands(-3, 3)],
      token: [[1, 1], ids(80)],
    },
    range: { frames: [-3, 3], h0: [-1, 1], c0: [-1, 1], h1: [-1, 1], c1: [-1, 1] },
  },
  { name: "gated dilated convolutions", make: dilated, feeds: { audio: [[1, 1, 4000], speech()] } },
  { name: "vocoder", make: vocoder, feeds: { mel: [[1, 80, 32], bands(-8, 2)] }, range: [-8, 2] },
  {
    name: "speech enhancer",
    make: enhancer,
    feeds: { spectrum: [[1, 1, 129], bands(0, 4)], state: [[1, 1, 96], constant(0)] },
    range: { spectrum: [0, 4], state: [-1, 1] },
  },
  { name: "keyword spotter", make: spotter, feeds: { cepstra: [[1, 49, 10, 1], bands(-10, 10)] }, range: [-10, 10] },
  { name: "decibels, normalized", make: loudness, feeds: { audio: [[1, 1, 8000], speech()] } },
];
