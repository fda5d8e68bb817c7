// A network as the layers that other engines' formats know: channels last, batch norms folded, activations inside of the layers before them. Made from what `exportOnnx` writes of a
// float32 container, so that every engine gets the same weights after the same foldings.

const WINDOW = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] };
const ALIASES = new Set(["Transpose", "Identity", "Flatten", "Reshape"]);

/**
 * @param graph - one picture in, one vector of classes out
 * @param shape - of the picture, [1, channels, height, width]
 * @returns input and output by name with their shapes, and the layers in order: kind, inputs, output, shape [1, height, width, channels], the
 *   value of the graph that the output is, and what the kind has
 */
export function layersOf(graph, shape) {
  const [, channels, height, width] = shape;
  const image = { name: graph.inputs[0].name, shape: [1, height, width, channels] };
  /** What every value is: the name of a layer's output, its shape, and whether the graph speaks of it as channels first. */
  const values = new Map([[image.name, { ...image, first: true }]]);
  const layers = [];
  const constant = (name) => graph.initializers.get(name);
  const add = (node, layer) => {
    layers.push({ ...layer, output: node.outputs[0], value: node.outputs[0] });
    values.set(node.outputs[0], { name: node.outputs[0], shape: layer.shape, first: layer.first ?? false });
  };
  for (const node of graph.nodes) {
    const given = node.inputs.filter((name) => values.has(name)).map((name) => values.get(name));
    const [x] = given;
    const inputs = given.map(({ name }) => name);
    const attributes = { ...WINDOW, ...node.attributes };
    if (ALIASES.has(node.op)) {
      values.set(node.outputs[0], { ...x, first: node.op === "Transpose" ? attributes.perm[1] === 3 : x.first });
    } else if (node.op === "Conv") {
      add(node, convolution(node, attributes, x, constant));
    } else if (node.op === "MatMul") {
      const weights = constant(node.inputs[1]);
      const [rows, columns] = weights.dims;
      const data = transposed(weights.data, rows, columns);
      add(node, { kind: "dense", inputs, shape: [1, columns], weights: data, bias: new Float32Array(columns) });
    } else if (node.op === "Add" && given.length === 1) {
      const dense = layers.at(-1);
      if (dense?.kind !== "dense")
        throw new RangeError(`${node.name} adds a constant to something else than a product`);
      dense.bias = constant(node.inputs.find((name) => constant(name) !== undefined)).data;
      [dense.value] = node.outputs;
      values.set(node.outputs[0], x);
    } else if (node.op === "Add") {
      add(node, { kind: "add", inputs, shape: x.shape });
    } else if (node.op === "Relu" || node.op === "Clip") {
      const [low, high] = node.inputs.slice(1).map((name) => constant(name)?.data[0]);
      const six = high === 6;
      if (node.op === "Clip" && (low !== 0 || !(six || high === undefined || high > 1e30)))
        throw new RangeError(`${node.name} clips to ${low} … ${high}`);
      const layer = layers.find(({ output }) => output === x.name);
      layer.activation = six ? "relu6" : "relu";
      [layer.value] = node.outputs;
      values.set(node.outputs[0], x);
    } else if (node.op === "GlobalAveragePool") {
      const all = x.shape[3];
      add(node, { kind: "mean", inputs, shape: [1, 1, 1, all], first: x.first });
    } else if (node.op === "MaxPool") {
      add(node, {
        kind: "max",
        inputs,
        kernel: attributes.kernel_shape,
        ...window(attributes, x, attributes.kernel_shape),
        first: x.first,
      });
    } else if (node.op === "Concat") {
      const last = given.reduce((sum, { shape: one }) => sum + one[3], 0);
      add(node, { kind: "concat", inputs, shape: [...x.shape.slice(0, 3), last], first: x.first });
    } else if (node.op === "Slice") {
      add(node, slice(node, x, constant));
    } else if (node.op === "Pad") {
      add(node, pad(node, x, constant));
    } else throw new RangeError(`${node.op} has no layer`);
  }
  const output = values.get(graph.outputs[0].name);
  return { input: image, output: { name: output.name, shape: [1, output.shape.at(-1)] }, layers };
}

/** Extents, strides and pads [top, left, bottom, right] of what moves a window. */
function window({ strides, pads, dilations }, { shape: [, height, width, channels] }, [kernelHeight, kernelWidth]) {
  const [top, left, bottom, right] = pads;
  const size = (extent, around, kernel, axis) =>
    Math.floor((extent + around - dilations[axis] * (kernel - 1) - 1) / strides[axis]) + 1;
  const shape = [1, size(height, top + bottom, kernelHeight, 0), size(width, left + right, kernelWidth, 1), channels];
  return { strides, pads, shape };
}

/** Weights as [out, height, width, in], those of one input channel per group as [1, height, width, out]. */
function convolution(node, attributes, x, constant) {
  const [, w, b] = node.inputs;
  const { dims, data } = constant(w);
  const [out, inside, kernelHeight, kernelWidth] = dims;
  const depthwise = attributes.group === out && inside === 1 && out > 1;
  if (!depthwise && (attributes.group ?? 1) !== 1) throw new RangeError(`${node.name} has groups`);
  const taps = kernelHeight * kernelWidth;
  const weights = depthwise ? transposed(data, out, taps) : new Float32Array(data.length);
  if (!depthwise)
    for (let o = 0; o < out; o++)
      weights.set(
        transposed(data.subarray(o * inside * taps, (o + 1) * inside * taps), inside, taps),
        o * inside * taps,
      );
  const { shape, ...moves } = window(attributes, x, [kernelHeight, kernelWidth]);
  return {
    ...{ kind: depthwise ? "depthwise" : "conv", inputs: [x.name], kernel: [kernelHeight, kernelWidth], ...moves },
    ...{ shape: [...shape.slice(0, 3), out], weights, bias: b ? constant(b).data : new Float32Array(out), first: true },
  };
}

/** A matrix of `rows` rows, column by column. */
export function transposed(data, rows, columns) {
  return Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);
}

/** An axis of a value as its place among [1, height, width, channels]. */
function placeOf(axis, { first }) {
  const at = Number(axis < 0 ? Number(axis) + 4 : axis);
  return first ? [0, 3, 1, 2][at] : at;
}

function slice(node, x, constant) {
  const [starts, ends, axes, steps] = node.inputs.slice(1).map((name) => [...constant(name).data].map(Number));
  const [begin, end, stride] = [[0, 0, 0, 0], [...x.shape], [1, 1, 1, 1]];
  axes.forEach((axis, i) => {
    const at = placeOf(axis, x);
    const bounded = (value) => Math.max(0, Math.min(x.shape[at], value < 0 ? value + x.shape[at] : value));
    [begin[at], end[at], stride[at]] = [bounded(starts[i]), bounded(ends[i]), steps?.[i] ?? 1];
  });
  const shape = x.shape.map((_, at) => Math.ceil((end[at] - begin[at]) / stride[at]));
  return { kind: "slice", inputs: [x.name], begin, end, stride, shape, first: x.first };
}

function pad(node, x, constant) {
  const amounts = [...constant(node.inputs[1]).data].map(Number);
  const axes = node.inputs[3] ? [...constant(node.inputs[3]).data].map(Number) : amounts.slice(4).keys();
  const around = x.shape.map(() => [0, 0]);
  [...axes].forEach((axis, i) => {
    around[placeOf(axis, x)] = [amounts[i], amounts[i + amounts.length / 2]];
  });
  return {
    kind: "pad",
    inputs: [x.name],
    around,
    shape: x.shape.map((n, at) => n + around[at][0] + around[at][1]),
    first: x.first,
  };
}
