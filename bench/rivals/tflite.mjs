// Writes layers as a .tflite file, as the schema of TensorFlow Lite (version 3) defines it: float32, weights of eight bits, or everything in eight bits.
import { Builder } from "flatbuffers";

const FLOAT32 = 0;
const INT32 = 2;
const INT8 = 9;
/** Numbers of builtin operators. */
const CODES = {
  add: 0,
  concat: 2,
  conv: 3,
  depthwise: 4,
  dequantize: 6,
  dense: 9,
  max: 17,
  pad: 34,
  mean: 40,
  slice: 45,
  quantize: 114,
};
const ACTIVATIONS = { relu: 1, relu6: 3 };
const [SAME, VALID] = [0, 1];

/**
 * @param network - see `layersOf`
 * @param form - "float32"; "weights": those of layers in eight bits, activations in float32; "int8": all in eight bits, scales from `ranges`
 * @param ranges - of "int8": the least and largest value of each layer's output, and of the input, by name
 * @returns the bytes of the file, whose input and output are float32
 */
export function writeTflite(network, form, ranges) {
  const file = new File(form === "int8");
  const [float, bytes] = [form === "float32", form === "int8"];
  // What is joined has one scale.
  const joined = new Map(
    network.layers
      .filter(({ kind }) => kind === "concat")
      .flatMap(({ inputs, output }) => inputs.map((name) => [name, output])),
  );
  const scaled = (name) => (bytes ? activationScale(ranges.get(joined.get(name) ?? name)) : undefined);
  const tensors = new Map();
  const outside = file.tensor(network.input.name, network.input.shape, FLOAT32);
  let inside = outside;
  if (bytes) {
    inside = file.tensor(`${network.input.name}/int8`, network.input.shape, INT8, scaled(network.input.name));
    file.operator("quantize", [outside], [inside]);
  }
  tensors.set(network.input.name, { at: inside, scale: scaled(network.input.name), shape: network.input.shape });
  for (const layer of network.layers) {
    const { kind, output, shape } = layer;
    // What only moves values, or takes the largest or the mean of them, keeps their scale.
    const moves = ["slice", "pad", "max", "mean"].includes(kind);
    const given = layer.inputs.map((name) => tensors.get(name));
    const scale = moves ? given[0].scale : scaled(output);
    const at = file.tensor(output, shape, bytes ? INT8 : FLOAT32, scale);
    tensors.set(output, { at, scale, shape });
    file.layer(layer, given, at, float);
  }
  let last = tensors.get(network.output.name).at;
  if (bytes) {
    const result = file.tensor("answer", tensors.get(network.output.name).shape, FLOAT32);
    file.operator("dequantize", [last], [result]);
    last = result;
  }
  return file.finish(outside, last);
}

/** Scale and zero point of eight signed bits that hold 0 exactly. */
function activationScale([least, largest]) {
  const [low, high] = [Math.min(0, least), Math.max(0, largest)];
  const scale = (high - low || 1) / 255;
  return { scales: [scale], zeros: [Math.max(-128, Math.min(127, Math.round(-128 - low / scale)))], axis: 0 };
}

class File {
  builder = new Builder(1 << 20);
  buffers = [new Uint8Array(0)];
  tensors = [];
  operators = [];
  codes = [];

  constructor(bytes) {
    this.bytes = bytes;
  }

  /** @returns its index */
  tensor(name, shape, type, scale, data) {
    const buffer =
      data === undefined ? 0 : this.buffers.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) - 1;
    return this.tensors.push({ name, shape, type, scale, buffer }) - 1;
  }

  operator(kind, inputs, outputs, options) {
    if (!this.codes.includes(kind)) this.codes.push(kind);
    this.operators.push({ kind, inputs, outputs, options });
  }

  layer(layer, given, at, float) {
    const { kind, output, activation } = layer;
    const fused = ACTIVATIONS[activation] ?? 0;
    const inputs = given.map((one) => one.at);
    const [x] = given;
    if (kind === "conv" || kind === "depthwise" || kind === "dense") {
      const [from, padding] = kind === "dense" ? [x, VALID] : this.padded(layer, x);
      const parameters = this.parameters(layer, from, float);
      this.operator(kind, [from.at, ...parameters], [at], { fused, padding, strides: layer.strides });
    } else if (kind === "max") {
      const [from, padding] = this.padded(layer, x);
      this.operator(kind, [from.at], [at], { fused, padding, strides: layer.strides, kernel: layer.kernel });
    } else if (kind === "mean") {
      this.operator(kind, [x.at, this.integers(`${output}/axes`, [2], [1, 2])], [at]);
    } else if (kind === "pad") {
      this.operator(kind, [x.at, this.integers(`${output}/around`, [4, 2], layer.around.flat())], [at]);
    } else if (kind === "slice") {
      const bounds = ["begin", "end", "stride"].map((key) => this.integers(`${output}/${key}`, [4], layer[key]));
      this.operator(kind, [x.at, ...bounds], [at]);
    } else this.operator(kind, inputs, [at], { fused });
  }

  integers(name, shape, values) {
    return this.tensor(name, shape, INT32, undefined, Int32Array.from(values));
  }

  /** The format knows two ways to pad: none, and SAME, which has the odd row or column at the end; all others are a layer of their own. */
  padded({ pads: [top, left, bottom, right], strides, kernel, output, shape }, x) {
    if (top + left + bottom + right === 0) return [x, VALID];
    const [, height, width] = x.shape;
    const same = (extent, out, axis) => Math.max(0, (out - 1) * strides[axis] + kernel[axis] - extent);
    const rows = same(height, shape[1], 0);
    const columns = same(width, shape[2], 1);
    const is = (all, before, after) => before === Math.floor(all / 2) && after === all - before;
    const isSame =
      shape[1] === Math.ceil(height / strides[0]) &&
      shape[2] === Math.ceil(width / strides[1]) &&
      is(rows, top, bottom) &&
      is(columns, left, right);
    if (isSame) return [x, SAME];
    const around = [0, 0, top, bottom, left, right, 0, 0];
    const larger = [1, height + top + bottom, width + left + right, x.shape[3]];
    const at = this.tensor(`${output}/padded`, larger, this.bytes ? INT8 : FLOAT32, x.scale);
    this.operator("pad", [x.at, this.integers(`${output}/around`, [4, 2], around)], [at]);
    return [{ ...x, at, shape: larger }, VALID];
  }

  /** Weights and bias; of eight bits with a scale for each output channel. */
  parameters({ kind, output, weights, bias, kernel, shape }, x, float) {
    const out = shape.at(-1);
    const inside = x.shape.at(-1);
    const dims = {
      conv: () => [out, ...kernel, inside],
      depthwise: () => [1, ...kernel, out],
      dense: () => [out, inside],
    }[kind]();
    if (float) {
      const w = this.tensor(`${output}/weights`, dims, FLOAT32, undefined, weights);
      return [w, this.tensor(`${output}/bias`, [out], FLOAT32, undefined, Float32Array.from(bias))];
    }
    const channelOf = kind === "depthwise" ? (i) => i % out : (i) => Math.floor((i * out) / weights.length);
    const largest = new Float32Array(out);
    weights.forEach((w, i) => {
      largest[channelOf(i)] = Math.max(largest[channelOf(i)], Math.abs(w));
    });
    const scales = Array.from(largest, (most) => (most || 1) / 127);
    const rounded = Int8Array.from(weights, (w, i) => Math.round(w / scales[channelOf(i)]));
    const axis = kind === "depthwise" ? 3 : 0;
    const w = this.tensor(`${output}/weights`, dims, INT8, { scales, zeros: scales.map(() => 0), axis }, rounded);
    if (!this.bytes) return [w, this.tensor(`${output}/bias`, [out], FLOAT32, undefined, Float32Array.from(bias))];
    const sums = scales.map((scale) => scale * x.scale.scales[0]);
    const integers = Int32Array.from(bias, (b, i) => Math.round(b / sums[i]));
    return [
      w,
      this.tensor(`${output}/bias`, [out], INT32, { scales: sums, zeros: sums.map(() => 0), axis: 0 }, integers),
    ];
  }

  finish(input, output) {
    const { builder } = this;
    const ints = (values) => vector(builder, 4, values, (v) => builder.addInt32(v));
    const buffers = this.buffers.map((data) => {
      if (data.length === 0) return table(builder, 1, []);
      builder.startVector(1, data.length, 16);
      builder.space -= data.length;
      builder.bb.bytes().set(data, builder.space);
      return table(builder, 1, [["Offset", 0, builder.endVector()]]);
    });
    const tensors = this.tensors.map(({ name, shape, type, scale, buffer }) =>
      table(builder, 10, [
        ["Offset", 0, ints(shape)],
        ["Int8", 1, type],
        ["Int32", 2, buffer],
        ["Offset", 3, builder.createString(name)],
        ["Offset", 4, scale === undefined ? 0 : this.quantization(scale)],
      ]),
    );
    const operators = this.operators.map((one) => this.step(one, ints));
    const codes = this.codes.map((kind) =>
      table(builder, 4, [
        ["Int8", 0, CODES[kind]],
        ["Int32", 2, kind === "dense" || kind === "conv" || kind === "depthwise" ? 3 : 2],
        ["Int32", 3, CODES[kind]],
      ]),
    );
    const graph = table(builder, 5, [
      ["Offset", 0, offsets(builder, tensors)],
      ["Offset", 1, ints([input])],
      ["Offset", 2, ints([output])],
      ["Offset", 3, offsets(builder, operators)],
      ["Offset", 4, builder.createString("main")],
    ]);
    const model = table(builder, 8, [
      ["Int32", 0, 3],
      ["Offset", 1, offsets(builder, codes)],
      ["Offset", 2, offsets(builder, [graph])],
      ["Offset", 3, builder.createString("bitbasis bench")],
      ["Offset", 4, offsets(builder, buffers)],
    ]);
    builder.finish(model, "TFL3");
    return builder.asUint8Array().slice();
  }

  quantization({ scales, zeros, axis }) {
    const { builder } = this;
    return table(builder, 7, [
      ["Offset", 2, vector(builder, 4, scales, (v) => builder.addFloat32(v))],
      ["Offset", 3, vector(builder, 8, zeros, (v) => builder.addInt64(BigInt(v)))],
      ["Int32", 6, axis],
    ]);
  }

  step({ kind, inputs, outputs, options }, ints) {
    const { builder } = this;
    const [type, fields] = optionsOf(kind, options);
    return table(builder, 9, [
      ["Int32", 0, this.codes.indexOf(kind)],
      ["Offset", 1, ints(inputs)],
      ["Offset", 2, ints(outputs)],
      ["Int8", 3, type],
      ["Offset", 4, type === 0 ? 0 : table(builder, 8, fields)],
    ]);
  }
}

/** The number of a kind's options in the schema's union, and their fields. */
function optionsOf(kind, { fused, padding, strides: [high, wide] = [], kernel: [tall, broad] = [] } = {}) {
  const moves = [
    ["Int8", 0, padding],
    ["Int32", 1, wide],
    ["Int32", 2, high],
  ];
  switch (kind) {
    case "conv":
      return [1, [...moves, ["Int8", 3, fused], ["Int32", 4, 1], ["Int32", 5, 1]]];
    case "depthwise":
      return [2, [...moves, ["Int32", 3, 1], ["Int8", 4, fused], ["Int32", 5, 1], ["Int32", 6, 1]]];
    case "max":
      return [5, [...moves, ["Int32", 3, broad], ["Int32", 4, tall], ["Int8", 5, fused]]];
    case "dense":
      return [8, [["Int8", 0, fused]]];
    case "concat":
      return [
        10,
        [
          ["Int32", 0, 3],
          ["Int8", 1, fused],
        ],
      ];
    case "add":
      return [11, [["Int8", 0, fused]]];
    case "pad":
      return [22, []];
    case "mean":
      return [27, [["Int8", 0, 1]]];
    case "slice":
      return [32, []];
    default:
      return [0, []];
  }
}

/** A table of `count` fields, each [type, number, value]; their offsets are made before it begins. */
function table(builder, count, fields) {
  builder.startObject(count);
  for (const [type, at, value] of fields) {
    // Written even where it is the default, which the reader then need not know.
    if (type === "Offset") builder.addFieldOffset(at, value, 0);
    else builder[`addField${type}`](at, value, null);
  }
  return builder.endObject();
}

function vector(builder, size, values, addOne) {
  builder.startVector(size, values.length, size);
  for (const value of [...values].reverse()) addOne(value);
  return builder.endVector();
}

function offsets(builder, values) {
  return vector(builder, 4, values, (v) => builder.addOffset(v));
}
