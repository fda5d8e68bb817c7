import { features, picture } from "./inputs.ts";
import type { Kind } from "./kind.ts";
import { Net } from "./net.ts";

type Attributes = Parameters<Net["conv"]>[3];

function pooled(net: Net, x: string, channels: number, classes: number): string {
  return net.gemm(net.op("Flatten", [net.op("GlobalAveragePool", [x])]), channels, classes, 3);
}

const DOWN = { strides: [2, 2] };
const image = (net: Net, side: number | string = 64) => net.input("image", [1, 3, side, side]);

function ssd() {
  const net = new Net("boxes over a depthwise backbone", 21);
  const six = (x: string) => net.op("Clip", [x, net.one(0), net.one(6)]);
  let x = six(net.conv(image(net, 96), [3, 16], 3, DOWN));
  const maps: [string, number][] = [];
  let channels = 16;
  for (const [wide, stride] of [
    [24, 2],
    [32, 1],
    [48, 2],
    [64, 1],
    [96, 2],
  ] as const) {
    x = six(net.conv(x, [channels, channels], 3, { group: channels, strides: [stride, stride] }));
    x = six(net.conv(x, [channels, wide], 1));
    channels = wide;
    if (wide === 64 || wide === 96) maps.push([x, wide]);
  }
  const head = ([map, wide]: [string, number], values: number) => {
    const own = net.conv(map, [wide, 3 * values], 3, {}, 1);
    return net.op("Reshape", [net.op("Transpose", [own], { perm: [0, 2, 3, 1] }), net.ints(1, -1, values)]);
  };
  const scores = net.op("Sigmoid", [
    net.op(
      "Concat",
      maps.map((map) => head(map, 6)),
      { axis: 1 },
    ),
  ]);
  const boxes = net.op(
    "Concat",
    maps.map((map) => head(map, 4)),
    { axis: 1 },
  );
  return net.done([scores, boxes]);
}

function yolo() {
  const net = new Net("boxes decoded from a pyramid", 22);
  const conv = (x: string, io: readonly [number, number], k: number, more: Attributes = {}) =>
    net.silu(net.conv(x, io, k, more, 1.3));
  const split = (x: string, wide: number) => {
    const [a, b] = [conv(x, [wide, wide / 2], 1), conv(x, [wide, wide / 2], 1)];
    const deep = net.op("Add", [b, conv(conv(b, [wide / 2, wide / 2], 3), [wide / 2, wide / 2], 3)]);
    return conv(net.op("Concat", [a, deep], { axis: 1 }), [wide, wide], 1);
  };
  let x = conv(image(net, 96), [3, 16], 3, DOWN);
  x = split(conv(x, [16, 32], 3, DOWN), 32);
  const small = split(conv(x, [32, 48], 3, DOWN), 48);
  const large = split(conv(small, [48, 64], 3, DOWN), 64);
  const scales = net.tensor([4], (i) => (i < 2 ? 1 : 2));
  const up = net.op("Resize", [large, "", scales], {
    mode: "nearest",
    nearest_mode: "floor",
    coordinate_transformation_mode: "asymmetric",
  });
  const fused = split(net.op("Concat", [up, small], { axis: 1 }), 112);
  const flat = (map: string, io: readonly [number, number]) =>
    net.op("Reshape", [net.conv(map, io, 1, {}, 1), net.ints(1, io[1], -1)]);
  const both = (values: number) =>
    net.op("Concat", [flat(fused, [112, values]), flat(large, [64, values])], { axis: 2 });
  // Sides as means of distributions over eight distances.
  const sides = net.op(
    "Softmax",
    [net.op("Transpose", [net.op("Reshape", [both(32), net.ints(1, 4, 8, -1)])], { perm: [0, 2, 1, 3] })],
    { axis: 1 },
  );
  const distances = net.tensor([1, 8, 1, 1], (i) => i);
  const means = net.op("Conv", [sides, distances]);
  const boxes = net.op("Mul", [net.op("Reshape", [means, net.ints(1, 4, -1)]), net.one(8)]);
  return net.done([net.op("Concat", [boxes, net.op("Sigmoid", [both(10)])], { axis: 1 })]);
}

function anchors() {
  const net = new Net("box sizes as powers", 23);
  let x = net.relu(net.conv(image(net), [3, 16], 3, DOWN));
  x = net.relu(net.conv(x, [16, 32], 3, DOWN));
  x = net.relu(net.conv(x, [32, 32], 3, DOWN));
  const centres = net.op("Sigmoid", [net.conv(x, [32, 6], 1, {}, 1)]);
  const sizes = net.op("Exp", [net.conv(x, [32, 6], 1, {}, 1)]);
  return net.done([
    net.op("Concat", [centres, net.op("Mul", [sizes, net.tensor([1, 6, 1, 1], (i) => 8 * (i + 1))])], { axis: 1 }),
  ]);
}

function vit() {
  const net = new Net("vision transformer", 24);
  const patches = net.conv(image(net), [3, 64], 8, { strides: [8, 8], pads: [0, 0, 0, 0] }, 1);
  let x = net.op("Transpose", [net.op("Reshape", [patches, net.ints(0, 64, -1)])], { perm: [0, 2, 1] });
  x = net.op("Concat", [net.tensor([1, 1, 64], () => net.random.normal()), x], { axis: 1 });
  x = net.op("Add", [x, net.tensor([1, 65, 64], () => 0.3 * net.random.normal())]);
  for (let i = 0; i < 4; i++) x = net.block(x, 64, 4);
  const first = net.op("Gather", [net.norm(x, 64), net.ints(0)], { axis: 1 });
  return net.done([net.gemm(net.op("Flatten", [first]), 64, 20, 3)]);
}

function windows() {
  const net = new Net("transformer in shifted windows", 25);
  const patches = net.conv(image(net), [3, 32], 4, { strides: [4, 4], pads: [0, 0, 0, 0] }, 1);
  let x = net.op("Transpose", [patches], { perm: [0, 2, 3, 1] });
  const cut = (y: string) =>
    net.op("Reshape", [
      net.op("Transpose", [net.op("Reshape", [y, net.ints(4, 4, 4, 4, 32)])], { perm: [0, 2, 1, 3, 4] }),
      net.ints(16, 16, 32),
    ]);
  const join = (y: string) =>
    net.op("Reshape", [
      net.op("Transpose", [net.op("Reshape", [y, net.ints(4, 4, 4, 4, 32)])], { perm: [0, 2, 1, 3, 4] }),
      net.ints(1, 16, 16, 32),
    ]);
  const roll = (y: string, by: number) => {
    const part = (from: number, to: number, axis: number, of: string) =>
      net.op("Slice", [of, net.ints(from), net.ints(to), net.ints(axis)]);
    const rows = net.op("Concat", [part(by, 16, 1, y), part(0, by, 1, y)], { axis: 1 });
    return net.op("Concat", [part(by, 16, 2, rows), part(0, by, 2, rows)], { axis: 2 });
  };
  for (const shift of [0, 2, 0, 2]) {
    const bias = net.tensor([1, 2, 16, 16], () => 0.3 * net.random.normal());
    const before = cut(shift === 0 ? x : roll(x, shift));
    const after = net.block(before, 32, 2, bias);
    x = shift === 0 ? join(after) : roll(join(after), 16 - shift);
  }
  const merged = net.op("Reshape", [
    net.op("Transpose", [net.op("Reshape", [x, net.ints(1, 8, 2, 8, 2, 32)])], { perm: [0, 1, 3, 2, 4, 5] }),
    net.ints(1, 64, 128),
  ]);
  const last = net.op("ReduceMean", [net.op("MatMul", [net.norm(merged, 128), net.matrix(128, 64)])], {
    axes: [1],
    keepdims: 0,
  });
  return net.done([net.gemm(last, 64, 16, 3)]);
}

function unet() {
  const net = new Net("segmentation with skips", 26);
  const two = (x: string, [a, b]: readonly [number, number]) =>
    net.relu(net.conv(net.relu(net.conv(x, [a, b], 3)), [b, b], 3));
  const pool = (x: string) => net.op("MaxPool", [x], { kernel_shape: [2, 2], strides: [2, 2] });
  const up = (x: string, [a, b]: readonly [number, number]) =>
    net.op("ConvTranspose", [x, net.weights(a, [b, 2, 2], 0.7), net.vector(b)], { strides: [2, 2] });
  const one = two(image(net), [3, 16]);
  const half = two(pool(one), [16, 32]);
  const deep = two(pool(half), [32, 64]);
  const back = two(net.op("Concat", [up(deep, [64, 32]), half], { axis: 1 }), [64, 32]);
  const all = two(net.op("Concat", [up(back, [32, 16]), one], { axis: 1 }), [32, 16]);
  return net.done([net.conv(all, [16, 5], 1, {}, 1)]);
}

function atrous() {
  const net = new Net("segmentation with dilations", 27);
  let x = net.relu(net.conv(image(net), [3, 16], 3, DOWN));
  x = net.relu(net.conv(x, [16, 32], 3, DOWN));
  const ways = [1, 2, 4].map((d) => net.relu(net.conv(x, [32, 16], 3, { dilations: [d, d] })));
  const mean = net.relu(net.conv(net.op("GlobalAveragePool", [x]), [32, 16], 1));
  const wide = net.op("Expand", [mean, net.ints(1, 16, 16, 16)]);
  const joined = net.relu(net.conv(net.op("Concat", [...ways, wide], { axis: 1 }), [64, 32], 1));
  const scales = net.tensor([4], (i) => (i < 2 ? 1 : 4));
  const scores = net.op("Resize", [net.conv(joined, [32, 8], 1, {}, 1), "", scales], { mode: "linear" });
  return net.done([net.op("Softmax", [scores], { axis: 1 })]);
}

function pixels() {
  const net = new Net("super-resolution by pixels", 28);
  let x = net.conv(net.input("image", [1, 1, "h", "w"]), [1, 32], 5);
  const start = x;
  for (let i = 0; i < 3; i++) {
    const prelu = net.op("PRelu", [net.conv(x, [32, 32], 3), net.tensor([32, 1, 1], () => 0.25)]);
    x = net.op("Add", [x, net.conv(prelu, [32, 32], 3, {}, 0.5)]);
  }
  x = net.conv(net.op("Add", [x, start]), [32, 9], 3, {}, 0.5);
  return net.done([net.op("DepthToSpace", [x], { blocksize: 3, mode: "CRD" })]);
}

function transposed() {
  const net = new Net("pictures by transposed convolutions", 29);
  let x = net.op("Reshape", [net.gemm(net.input("code", [1, 48]), 48, 1024), net.ints(1, 64, 4, 4)]);
  for (const [a, b] of [
    [64, 48],
    [48, 32],
    [32, 16],
  ] as const) {
    const own = net.op("ConvTranspose", [x, net.weights(a, [b, 4, 4], 2), net.vector(b)], {
      strides: [2, 2],
      pads: [1, 1, 1, 1],
    });
    x = net.relu(own);
  }
  const last = net.op("ConvTranspose", [x, net.weights(16, [3, 4, 4], 1), net.vector(3)], {
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  });
  return net.done([net.op("Tanh", [last])]);
}

function diffusion() {
  const net = new Net("block of a diffusion model", 30);
  const x = net.input("latent", [1, 4, 16, 16]);
  const frequencies = net.tensor([1, 16], (i) => Math.exp((-i * Math.log(10000)) / 16));
  const angles = net.op("Mul", [net.op("Reshape", [net.input("timestep", [1]), net.ints(1, 1)]), frequencies]);
  const waves = net.op("Concat", [net.op("Cos", [angles]), net.op("Sin", [angles])], { axis: 1 });
  const time = net.gemm(net.silu(net.gemm(waves, 32, 64)), 64, 64);
  const residual = (y: string) => {
    const first = net.conv(net.silu(net.groupNorm(y, 64, 8)), [64, 64], 3, {}, 1);
    const shifted = net.op("Add", [
      first,
      net.op("Reshape", [net.gemm(net.silu(time), 64, 64), net.ints(1, 64, 1, 1)]),
    ]);
    return net.op("Add", [y, net.conv(net.silu(net.groupNorm(shifted, 64, 8)), [64, 64], 3, {}, 1)]);
  };
  let y = residual(net.conv(x, [4, 64], 3, {}, 1));
  let tokens = net.op("Transpose", [net.op("Reshape", [net.groupNorm(y, 64, 8), net.ints(0, 64, -1)])], {
    perm: [0, 2, 1],
  });
  tokens = net.op("Add", [tokens, net.attention(net.norm(tokens, 64), 64, 4)]);
  tokens = net.op("Add", [
    tokens,
    net.attention(net.norm(tokens, 64), 64, 4, net.input("context", [1, 12, 48]), undefined, 48),
  ]);
  y = net.op("Add", [
    y,
    net.op("Reshape", [net.op("Transpose", [tokens], { perm: [0, 2, 1] }), net.ints(0, 64, 16, 16)]),
  ]);
  return net.done([net.conv(net.silu(net.groupNorm(residual(y), 64, 8)), [64, 4], 3, {}, 1)]);
}

function grouped() {
  const net = new Net("grouped convolutions", 31);
  let x = net.relu(net.conv(image(net), [3, 32], 3, DOWN));
  for (let i = 0; i < 4; i++) {
    const narrow = net.relu(net.conv(x, [32, 64], 1));
    const wide = net.relu(net.conv(narrow, [64, 64], 3, { group: 8 }));
    x = net.relu(net.op("Add", [x, net.conv(wide, [64, 32], 1, {}, 0.5)]));
  }
  return net.done([pooled(net, x, 32, 20)]);
}

function shuffled() {
  const net = new Net("shuffled channels", 32);
  let x = net.relu(net.conv(image(net), [3, 24], 3, DOWN));
  for (let i = 0; i < 4; i++) {
    const [left, right] = [`l${i}`, `r${i}`];
    net.op("Split", [x, net.ints(12, 12)], { axis: 1 }, [left, right]);
    let y = net.relu(net.conv(right, [12, 12], 1));
    y = net.relu(net.conv(net.conv(y, [12, 12], 3, { group: 12 }, 1), [12, 12], 1));
    const both = net.op("Reshape", [net.op("Concat", [left, y], { axis: 1 }), net.ints(1, 2, 12, 32, 32)]);
    x = net.op("Reshape", [net.op("Transpose", [both], { perm: [0, 2, 1, 3, 4] }), net.ints(1, 24, 32, 32)]);
  }
  return net.done([pooled(net, x, 24, 20)]);
}

function squeezed() {
  const net = new Net("inverted blocks with gates", 33);
  let x = net.silu(net.conv(image(net), [3, 16], 3, DOWN));
  for (const [a, b, k] of [
    [16, 24, 3],
    [24, 24, 5],
    [24, 40, 5],
  ] as const) {
    let y = net.silu(net.conv(x, [a, 4 * a], 1, {}, 1.7));
    y = net.silu(net.conv(y, [4 * a, 4 * a], k, { group: 4 * a }, 1.7));
    const gate = net.conv(net.silu(net.conv(net.op("GlobalAveragePool", [y]), [4 * a, a / 4], 1)), [a / 4, 4 * a], 1);
    y = net.conv(net.op("Mul", [y, net.op("Sigmoid", [gate])]), [4 * a, b], 1, {}, 1.7);
    x = a === b ? net.op("Add", [x, y]) : y;
  }
  return net.done([pooled(net, net.silu(net.conv(x, [40, 128], 1, {}, 1.7)), 128, 20)]);
}

function convnext() {
  const net = new Net("wide depthwise kernels", 34);
  let x = net.conv(image(net), [3, 48], 4, { strides: [4, 4], pads: [0, 0, 0, 0] }, 1);
  for (let i = 0; i < 3; i++) {
    const last = net.op("Transpose", [net.conv(x, [48, 48], 7, { group: 48 }, 1)], { perm: [0, 2, 3, 1] });
    const inner = net.dense(net.gelu(net.dense(net.norm(last, 48), 48, 192)), 192, 48);
    // Gains of layers that training has left small.
    const scaled = net.op("Mul", [inner, net.tensor([48], () => Math.exp(-4 + 2 * net.random.normal()))]);
    x = net.op("Add", [x, net.op("Transpose", [scaled], { perm: [0, 3, 1, 2] })]);
  }
  const mean = net.op("ReduceMean", [x], { axes: [2, 3], keepdims: 0 });
  return net.done([net.gemm(net.norm(mean, 48), 48, 20, 2)]);
}

function bytes() {
  const net = new Net("pixels of 0 to 255, no norms", 35);
  let x = net.relu(net.conv(net.input("image", [1, 3, 64, 64]), [3, 24], 5, DOWN));
  x = net.op("MaxPool", [x], { kernel_shape: [3, 3], strides: [2, 2] });
  x = net.relu(net.conv(x, [24, 48], 3));
  x = net.op("MaxPool", [net.relu(net.conv(x, [48, 48], 3))], { kernel_shape: [3, 3], strides: [2, 2] });
  const flat = net.op("Flatten", [x]);
  const hidden = net.relu(net.gemm(flat, 48 * 7 * 7, 128));
  return net.done([net.op("Softmax", [net.gemm(hidden, 128, 10, 0.05)])]);
}

function style() {
  const net = new Net("pictures to pictures, instance norms", 36);
  const normed = (x: string, channels: number) =>
    net.op("InstanceNormalization", [x, net.vector(channels, 1, 0.2), net.vector(channels)], { epsilon: 1e-5 });
  let x = net.relu(normed(net.conv(image(net), [3, 16], 9), 16));
  x = net.relu(normed(net.conv(x, [16, 32], 3, DOWN), 32));
  for (let i = 0; i < 2; i++) {
    const inner = net.relu(normed(net.conv(x, [32, 32], 3), 32));
    x = net.op("Add", [x, normed(net.conv(inner, [32, 32], 3), 32)]);
  }
  const scales = net.tensor([4], (i) => (i < 2 ? 1 : 2));
  x = net.op("Resize", [x, "", scales], {
    mode: "nearest",
    nearest_mode: "floor",
    coordinate_transformation_mode: "asymmetric",
  });
  x = net.relu(normed(net.conv(x, [32, 16], 3), 16));
  return net.done([net.op("Add", [net.op("Mul", [net.conv(x, [16, 3], 9, {}, 1), net.one(60)]), net.one(128)])]);
}

function heatmaps() {
  const net = new Net("heat maps of joints", 37);
  let x = net.relu(net.conv(image(net), [3, 24], 3, DOWN));
  for (let i = 0; i < 3; i++)
    x = net.relu(net.op("Add", [x, net.conv(net.relu(net.conv(x, [24, 24], 3)), [24, 24], 3, {}, 0.5)]));
  const maps = net.op("Sigmoid", [net.conv(x, [24, 8], 1, {}, 2)]);
  net.op("Identity", [maps], {}, ["maps"]);
  const flat = net.op("Softmax", [net.op("Reshape", [net.op("Mul", [maps, net.one(20)]), net.ints(1, 8, -1)])], {
    axis: -1,
  });
  const places = net.tensor([1024, 2], (i) => (i % 2 === 0 ? (i >> 1) % 32 : i >> 6));
  return net.done(["maps", net.op("MatMul", [flat, places])]);
}

function embedding() {
  const net = new Net("faces to unit vectors", 38);
  let x = net.op("PRelu", [net.conv(image(net), [3, 32], 3, DOWN), net.tensor([32, 1, 1], () => 0.2)]);
  for (const [a, b] of [
    [32, 48],
    [48, 64],
    [64, 64],
  ] as const)
    x = net.op("PRelu", [net.conv(x, [a, b], 3, DOWN), net.tensor([b, 1, 1], () => 0.2)]);
  const code = net.gemm(net.op("Flatten", [x]), 64 * 16, 128);
  const length = net.op("ReduceL2", [code], { axes: [1], keepdims: 1 });
  return net.done([net.op("Div", [code, net.op("Clip", [length, net.one(1e-12)])])]);
}

function autoencoder() {
  const net = new Net("variational autoencoder", 39);
  let x = net.relu(net.conv(net.input("image", [1, 1, 32, 32]), [1, 16], 3, DOWN));
  x = net.op("Flatten", [net.relu(net.conv(x, [16, 16], 3, DOWN))]);
  const [mean, log] = [net.gemm(x, 1024, 16), net.gemm(x, 1024, 16)];
  const sample = net.op("Add", [
    mean,
    net.op("Mul", [net.op("Exp", [net.op("Mul", [log, net.one(0.5)])]), net.input("noise", [1, 16])]),
  ]);
  const wide = net.relu(net.gemm(sample, 16, 256));
  const picture = net.op(
    "ConvTranspose",
    [net.op("Reshape", [wide, net.ints(1, 16, 4, 4)]), net.weights(16, [1, 8, 8], 2)],
    { strides: [8, 8] },
  );
  return net.done([net.op("Sigmoid", [picture]), mean, log]);
}

function counted() {
  const net = new Net("boxes that are counted", 40);
  let x = net.relu(net.conv(image(net), [3, 16], 3, DOWN));
  x = net.relu(net.conv(x, [16, 32], 3, DOWN));
  const scores = net.op("Reshape", [net.op("Sigmoid", [net.conv(x, [32, 2], 1, {}, 2)]), net.ints(1, 1, 512)]);
  const boxes = net.op("Reshape", [net.conv(x, [32, 8], 1, {}, 1), net.ints(1, 512, 4)]);
  const kept = net.op("NonMaxSuppression", [boxes, scores, net.ints(20), net.one(0.5), net.one(0.4)]);
  const rows = net.op("Gather", [kept, net.ints(2)], { axis: 1 });
  return net.done([net.op("Gather", [boxes, net.op("Squeeze", [rows, net.ints(1)])], { axis: 1 }), scores]);
}

const unit = { image: [[1, 3, 64, 64], picture(-2, 2)] } as const;
const about = { feeds: unit, range: [-2, 2] } as const;

export const PICTURES: readonly Kind[] = [
  {
    name: "boxes over a depthwise backbone",
    make: ssd,
    feeds: { image: [[1, 3, 96, 96], picture(-1, 1)] },
    range: [-1, 1],
  },
  { name: "boxes decoded from a pyramid", make: yolo, feeds: { image: [[1, 3, 96, 96], picture()] }, range: [0, 1] },
  { name: "box sizes as powers", make: anchors, feeds: { image: [[1, 3, 64, 64], picture()] }, range: [0, 1] },
  { name: "vision transformer", make: vit, ...about },
  { name: "transformer in shifted windows", make: windows, ...about },
  { name: "segmentation with skips", make: unet, ...about },
  { name: "segmentation with dilations", make: atrous, ...about },
  { name: "super-resolution by pixels", make: pixels, feeds: { image: [[1, 1, 48, 48], picture()] }, range: [0, 1] },
  {
    name: "pictures by transposed convolutions",
    make: transposed,
    feeds: { code: [[1, 48], features()] },
    range: [-3, 3],
  },
  {
    name: "block of a diffusion model",
    make: diffusion,
    feeds: {
      latent: [[1, 4, 16, 16], features()],
      timestep: [[1], features(() => 300)],
      context: [[1, 12, 48], features()],
    },
    range: { latent: [-3, 3], timestep: [0, 1000], context: [-3, 3] },
  },
  { name: "grouped convolutions", make: grouped, ...about },
  { name: "shuffled channels", make: shuffled, ...about },
  { name: "inverted blocks with gates", make: squeezed, ...about },
  { name: "wide depthwise kernels", make: convnext, ...about },
  {
    name: "pixels of 0 to 255, no norms",
    make: bytes,
    feeds: { image: [[1, 3, 64, 64], picture(0, 255)] },
    range: [0, 255],
  },
  {
    name: "pictures to pictures, instance norms",
    make: style,
    feeds: { image: [[1, 3, 64, 64], picture(0, 255)] },
    range: [0, 255],
  },
  { name: "heat maps of joints", make: heatmaps, ...about },
  {
    name: "faces to unit vectors",
    make: embedding,
    feeds: { image: [[1, 3, 64, 64], picture(-1, 1)] },
    range: [-1, 1],
  },
  {
    name: "variational autoencoder",
    make: autoencoder,
    feeds: { image: [[1, 1, 32, 32], picture()], noise: [[1, 16], features()] },
    range: { image: [0, 1], noise: [-3, 3] },
  },
  { name: "boxes that are counted", make: counted, ...about },
];
