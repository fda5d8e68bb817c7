// Graphs of single operators, with and without them, of which operator-cases.mjs is made.
import "../test/support/typescript.mjs";

const { Tensor } = await import("../src/entries/index.ts");
const { Random } = await import("../test/support/random.ts");

export const random = new Random(5);
export const floats = (dims, scale = 1) =>
  new Tensor(
    "float32",
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.uniform(-scale, scale)),
    dims,
  );
export const int64 = (...values) => new Tensor("int64", values, [values.length]);

/** A graph of one chain; a node: [op, attributes, tensors of its further inputs]. */
export function chain(type, shape, nodes) {
  const initializers = new Map();
  let value = "x";
  const made = nodes.map(([op, attributes, inputs = []], i) => {
    const others = inputs.map((tensor, j) => {
      if (tensor === "" || tensor === null) return tensor ?? value;
      if (tensor === "x") return "x";
      initializers.set(`c${i}.${j}`, tensor);
      return `c${i}.${j}`;
    });
    const all = inputs.includes(null) ? others : [value, ...others];
    value = `y${i}`;
    const domain = op === "MatMulNBits" ? "com.microsoft" : "";
    return { name: `${op}${i}`, op, domain, inputs: all, outputs: [value], attributes };
  });
  return {
    name: "operator",
    opsets: { "": 20, "com.microsoft": 1 },
    inputs: [{ name: "x", type, shape }],
    initializers,
    outputs: [{ name: value, type: "float32", shape: undefined }],
    nodes: made,
  };
}

export const first = (rank) => ["Slice", {}, [int64(...Array(rank).fill(0)), int64(...Array(rank).fill(1))]];

/** [height, width, channels] as it lies behind a convolution. */
export function picture(height, width, channels, ...nodes) {
  const begin = ["Conv", {}, [floats([channels, 1, 1, 1])]];
  const shape = [1, 1, height, width];
  const graph = (...more) => chain("float32", shape, [begin, ...more, first(4)]);
  return {
    feed: floats(shape),
    with: graph(...nodes),
    without: graph(),
    whole: chain("float32", shape, [begin, ...nodes]),
  };
}

export function rows(shape, ...nodes) {
  const graph = (...more) => chain("float32", shape, [...more, first(shape.length)]);
  return { feed: floats(shape), with: graph(...nodes), without: graph(), whole: chain("float32", shape, nodes) };
}

/** Rows of a table; nothing but the operator costs, so there is nothing to subtract. */
export function gather(vocabulary, width, count) {
  const feed = new Tensor(
    "int64",
    BigInt64Array.from({ length: count }, (_, i) => BigInt((i * 7919) % vocabulary)),
    [count],
  );
  const table = floats([vocabulary, width]);
  const whole = chain("int64", [count], [["Gather", {}, [table, null]]]);
  const graph = chain("int64", [count], [["Gather", {}, [table, null]], first(2)]);
  return { feed, with: graph, whole };
}

export function product(m, k, n) {
  const whole = chain("float32", [m, k], [["MatMul", {}, [floats([k, n], 1 / Math.sqrt(k))]]]);
  return { feed: floats([m, k]), with: whole, whole, macs: m * k * n };
}

export function blocks(m, k, n, bits, size = 32) {
  const bytes = new Tensor(
    "uint8",
    Uint8Array.from({ length: (n * k * bits) / 8 }, () => random.uniform(0, 256)),
    [n, k / size, (size * bits) / 8],
  );
  const scales = new Tensor("float32", floats([(n * k) / size], 0.02).data.map(Math.abs), [(n * k) / size]);
  const node = ["MatMulNBits", { K: k, N: n, bits, block_size: size }, [bytes, scales]];
  const whole = chain("float32", [m, k], [node]);
  return { feed: floats([m, k]), with: whole, whole, macs: m * k * n };
}

export const resize = (mode, scale) => [
  "Resize",
  { mode, coordinate_transformation_mode: mode === "nearest" ? "asymmetric" : "half_pixel", nearest_mode: "floor" },
  ["", new Tensor("float32", [1, 1, scale, scale], [4])],
];
export const pool = (kernel, stride, pad = 0) => ({
  kernel_shape: [kernel, kernel],
  strides: [stride, stride],
  pads: [pad, pad, pad, pad],
});

/** What stands between layers, over a quarter of a million elements from −6 to 6. */
export function activation(op, attributes = {}, inputs = []) {
  const made = rows([64, 4096], [op, attributes, inputs]);
  return { ...made, feed: floats([64, 4096], 6) };
}

export function positive(op, attributes = {}, inputs = []) {
  const made = activation(op, attributes, inputs);
  return {
    ...made,
    feed: new Tensor(
      "float32",
      made.feed.data.map((v) => Math.abs(v) + 0.01),
      made.feed.dims,
    ),
  };
}

export const scalar = (value) => new Tensor("float32", [value], []);
export const ones = (dims) => new Tensor("float32", floats(dims).data.fill(1), dims);
export const filled = (type, dims, of) =>
  new Tensor(
    type,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => of(i)),
    dims,
  );
export const mask = (dims) => filled("bool", dims, () => random.uniform(0, 1) > 0.5);
export const indices = (below, ...dims) => filled("int64", dims, (i) => (i * 7919) % below);
export const distinct = (count, each) => filled("int64", [count, each], (i) => (i % each) * 2);

/** [op, attributes, inputs] of convolutions that keep height and width, if nothing else is said. */
export const conv = (from, to, height, width, { group = 1, dilations = [1, 1], ...more } = {}) => {
  const [y, x] = [(dilations[0] * (height - 1)) >> 1, (dilations[1] * (width - 1)) >> 1];
  const scale = 1 / Math.sqrt((from / group) * height * width);
  return [
    "Conv",
    { group, dilations, pads: [y, x, y, x], ...more },
    [floats([to, from / group, height, width], scale), floats([to])],
  ];
};
export const conv1d = (from, to, width, { group = 1, ...more } = {}) => [
  "Conv",
  { group, ...more },
  [floats([to, from / group, width], 1 / Math.sqrt((from / group) * width)), floats([to])],
];

/** A graph that is no chain: `make` is given a function that adds a node and gives its output. */
export function branch(shape, make, results = 1) {
  const initializers = new Map();
  const nodes = [];
  const add = (op, attributes, ...inputs) => {
    const outputs = Array.from(
      { length: results === 1 || op !== "Split" ? 1 : results },
      (_, i) => `v${nodes.length}.${i}`,
    );
    const names = inputs.map((input, i) => {
      if (typeof input === "string") return input;
      initializers.set(`c${nodes.length}.${i}`, input);
      return `c${nodes.length}.${i}`;
    });
    nodes.push({ name: outputs[0], op, domain: "", inputs: names, outputs, attributes });
    return outputs.length === 1 ? outputs[0] : outputs;
  };
  const y = make(add);
  const graph = (nodes, name) => ({
    name: "operator",
    opsets: { "": 20, "com.microsoft": 1 },
    inputs: [{ name: "x", type: "float32", shape }],
    initializers,
    outputs: [{ name, type: "float32", shape: undefined }],
    nodes,
  });
  const whole = graph([...nodes], y);
  const end = (from) => {
    initializers.set("one", int64(1));
    initializers.set("minus", int64(-1));
    initializers.set("zero", int64(0));
    return [
      { name: "flat", op: "Reshape", domain: "", inputs: [from, "minus"], outputs: ["flat"], attributes: {} },
      { name: "end", op: "Slice", domain: "", inputs: ["flat", "zero", "one"], outputs: ["end"], attributes: {} },
    ];
  };
  return { feed: floats(shape), whole, with: graph([...nodes, ...end(y)], "end"), without: graph(end("x"), "end") };
}

export const glu = (shape, axis) =>
  branch(
    shape,
    (n) => {
      const [a, b] = n("Split", { axis, num_outputs: 2 }, "x");
      return n("Mul", {}, a, n("Sigmoid", {}, b));
    },
    2,
  );

export function recurrent(op, gates, steps, inputs, hidden) {
  const scale = 1 / Math.sqrt(hidden);
  const weights = [
    [1, gates * hidden, inputs],
    [1, gates * hidden, hidden],
    [1, 2 * gates * hidden],
  ];
  const attributes = { hidden_size: hidden, ...(op === "GRU" && { linear_before_reset: 1 }) };
  const whole = chain("float32", [steps, 1, inputs], [[op, attributes, weights.map((dims) => floats(dims, scale))]]);
  return { feed: floats([steps, 1, inputs]), whole, with: whole };
}

/** softmax(x·xᵀ/8 − …)·x of several heads, as exporters write it. */
export const attention = (heads, tokens, width) =>
  branch([1, heads, tokens, width], (n) => {
    const keys = n("Transpose", { perm: [0, 1, 3, 2] }, n("Relu", {}, "x"));
    const scores = n("Div", {}, n("MatMul", {}, "x", keys), scalar(8));
    return n("MatMul", {}, n("Softmax", { axis: -1 }, scores), "x");
  });
