// Single operators against onnxruntime-web (FP32, wasm, one thread), in one process:
//
//   (cd bench && npm ci --ignore-scripts) && node bench/operators.mjs [--only MaxPool] [--rounds 200] [--preset float32]
//
// The cost of an operator is that of a graph with it less that of the same graph without: what comes before and after (a cheap 1×1 convolution, so that pictures are
// as they lie inside of a network, and a Slice of one element) is in both. Products are whole runs. Least times of all rounds, in turns; outputs are compared first.
import { parseArgs } from "node:util";
import "../test/support/typescript.mjs";
import { cosine, rivalSession } from "./contestants.mjs";

const { InferenceSession, Tensor } = await import("../src/entries/index.ts");
const { writeOnnx } = await import("../src/onnx/index.ts");
const { Random } = await import("../test/support/random.ts");

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "200" },
    preset: { type: "string", default: "float32" },
  },
});
const rounds = Number(options.rounds);
const random = new Random(5);
const floats = (dims, scale = 1) =>
  new Tensor(
    "float32",
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.uniform(-scale, scale)),
    dims,
  );
const int64 = (...values) => new Tensor("int64", values, [values.length]);

/** A graph of one chain; a node: [op, attributes, tensors of its further inputs]. */
function chain(type, shape, nodes) {
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

const first = (rank) => ["Slice", {}, [int64(...Array(rank).fill(0)), int64(...Array(rank).fill(1))]];

/** [height, width, channels] as it lies behind a convolution. */
function picture(height, width, channels, ...nodes) {
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

function rows(shape, ...nodes) {
  const graph = (...more) => chain("float32", shape, [...more, first(shape.length)]);
  return { feed: floats(shape), with: graph(...nodes), without: graph(), whole: chain("float32", shape, nodes) };
}

/** Rows of a table; nothing but the operator costs, so there is nothing to subtract. */
function gather(vocabulary, width, count) {
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

function product(m, k, n) {
  const whole = chain("float32", [m, k], [["MatMul", {}, [floats([k, n], 1 / Math.sqrt(k))]]]);
  return { feed: floats([m, k]), with: whole, whole, macs: m * k * n };
}

function blocks(m, k, n, bits, size = 32) {
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

const resize = (mode, scale) => [
  "Resize",
  { mode, coordinate_transformation_mode: mode === "nearest" ? "asymmetric" : "half_pixel", nearest_mode: "floor" },
  ["", new Tensor("float32", [1, 1, scale, scale], [4])],
];
const pool = (kernel, stride, pad = 0) => ({
  kernel_shape: [kernel, kernel],
  strides: [stride, stride],
  pads: [pad, pad, pad, pad],
});

/** What stands between layers, over a quarter of a million elements from −6 to 6. */
function activation(op, attributes = {}, inputs = []) {
  const made = rows([64, 4096], [op, attributes, inputs]);
  return { ...made, feed: floats([64, 4096], 6) };
}

const CASES = {
  Sigmoid: () => activation("Sigmoid"),
  "Sigmoid, Mul (SiLU)": () => {
    const made = rows([64, 4096], ["Sigmoid", {}], ["Mul", {}, ["x"]]);
    return { ...made, feed: floats([64, 4096], 6) };
  },
  Tanh: () => activation("Tanh"),
  Exp: () => activation("Exp"),
  Erf: () => activation("Erf"),
  Gelu: () => activation("Gelu"),
  "Gelu, tanh": () => activation("Gelu", { approximate: "tanh" }),
  Softplus: () => activation("Softplus"),
  Mish: () => activation("Mish"),
  Elu: () => activation("Elu", { alpha: 1 }),
  HardSwish: () => activation("HardSwish"),
  LeakyRelu: () => activation("LeakyRelu", { alpha: 0.1 }),
  Relu: () => activation("Relu"),
  "MaxPool 3×3 s2, 112² 64": () => picture(112, 112, 64, ["MaxPool", pool(3, 2, 1)]),
  "MaxPool 2×2 s2, 56² 96": () => picture(56, 56, 96, ["MaxPool", pool(2, 2)]),
  "MaxPool 2×2 s2, 28² 6": () => picture(28, 28, 6, ["MaxPool", pool(2, 2)]),
  "MaxPool 5×5 s1, 20² 128": () => picture(20, 20, 128, ["MaxPool", pool(5, 1, 2)]),
  "AveragePool 3×3 s2, 56² 96": () => picture(56, 56, 96, ["AveragePool", pool(3, 2, 1)]),
  "Resize nearest ×2, 80² 24": () => picture(80, 80, 24, resize("nearest", 2)),
  "Resize nearest ×2, 40² 96": () => picture(40, 40, 96, resize("nearest", 2)),
  "Resize nearest ×8, 20² 24": () => picture(20, 20, 24, resize("nearest", 8)),
  "Resize linear ×2, 80² 24": () => picture(80, 80, 24, resize("linear", 2)),
  "Resize linear ×2, 40² 96": () => picture(40, 40, 96, resize("linear", 2)),
  "Resize linear ×4, 64² 1": () => picture(64, 64, 1, resize("linear", 4)),
  "Resize linear ×4, 64² 3": () => picture(64, 64, 3, resize("linear", 4)),
  "ConvTranspose 2×2 s2, 160² 24→1": () =>
    picture(160, 160, 24, ["ConvTranspose", { strides: [2, 2] }, [floats([24, 1, 2, 2])]]),
  "ConvTranspose 2×2 s2, 80² 24→24": () =>
    picture(80, 80, 24, ["ConvTranspose", { strides: [2, 2] }, [floats([24, 24, 2, 2])]]),
  "ConvTranspose 4×4 s2, 56² 16→1": () =>
    picture(56, 56, 16, ["ConvTranspose", { strides: [2, 2], pads: [1, 1, 1, 1] }, [floats([16, 1, 4, 4])]]),
  "ConvTranspose 3×3 s2, 40² 64→64": () =>
    picture(40, 40, 64, [
      "ConvTranspose",
      { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] },
      [floats([64, 64, 3, 3])],
    ]),
  "GlobalAveragePool 7² 1280": () => picture(7, 7, 1280, ["GlobalAveragePool", {}]),
  "GlobalAveragePool 14² 512": () => picture(14, 14, 512, ["GlobalAveragePool", {}]),
  "GlobalAveragePool 56² 24": () => picture(56, 56, 24, ["GlobalAveragePool", {}]),
  "Softmax 1024×128": () => rows([1024, 128], ["Softmax", {}]),
  "Softmax 4096×10": () => rows([4096, 10], ["Softmax", {}]),
  "Softmax 64×1000": () => rows([64, 1000], ["Softmax", {}]),
  "Softmax 1024×256": () => rows([1024, 256], ["Softmax", {}]),
  "LayerNormalization 256×384": () => rows([256, 384], ["LayerNormalization", {}, [floats([384]), floats([384])]]),
  "LayerNormalization 1024×64": () => rows([1024, 64], ["LayerNormalization", {}, [floats([64]), floats([64])]]),
  "Gather rows 16 B × 4096": () => gather(1000, 4, 4096),
  "Gather rows 256 B × 1024": () => gather(1000, 64, 1024),
  "Gather rows 3072 B × 128": () => gather(3000, 768, 128),
  "MatMul 1×1024×1024": () => product(1, 1024, 1024),
  "MatMul 1×256×256": () => product(1, 256, 256),
  "MatMul 1×256×688": () => product(1, 256, 688),
  "MatMul 1×688×256": () => product(1, 688, 256),
  "MatMul 2×1024×1024": () => product(2, 1024, 1024),
  "MatMul 3×1024×1024": () => product(3, 1024, 1024),
  "MatMul 4×1024×1024": () => product(4, 1024, 1024),
  "MatMul 1×256×4096": () => product(1, 256, 4096),
  "MatMul 1×512×1000": () => product(1, 512, 1000),
  "MatMul 64×768×768": () => product(64, 768, 768),
  "MatMul 196×768×3072": () => product(196, 768, 3072),
  "MatMul 3136×64×128": () => product(3136, 64, 128),
  "MatMul 512×512×512": () => product(512, 512, 512),
  "MatMulNBits 4, 1×1024×1024": () => blocks(1, 1024, 1024, 4),
  "MatMulNBits 4, 1×256×688": () => blocks(1, 256, 688, 4),
  "MatMulNBits 8, 1×1024×1024": () => blocks(1, 1024, 1024, 8),
  "MatMulNBits 4, 4×1024×1024": () => blocks(4, 1024, 1024, 4),
  "MatMulNBits 4, 64×768×768": () => blocks(64, 768, 768, 4),
};

async function contestant(make, graph, feed) {
  const { session, Tensor: Own } = await make(writeOnnx(graph));
  const feeds = { x: new Own(feed.type, feed.data, [...feed.dims]) };
  return { run: () => session.run(feeds), release: () => session.release() };
}

async function timed(run) {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

const ours = async (bytes) => ({ session: await InferenceSession.create(bytes, { preset: options.preset }), Tensor });

for (const [name, make] of Object.entries(CASES)) {
  if (!name.includes(options.only)) continue;
  const one = make();
  const outputs = [];
  for (const way of [ours, rivalSession]) {
    const whole = await contestant(way, one.whole, one.feed);
    outputs.push(Object.values(await whole.run())[0].data);
    await whole.release();
  }
  const likeness = cosine(...outputs);
  if (!(likeness > 0.98)) throw new Error(`${name}: cosine ${likeness} to onnxruntime-web`);
  const graphs = [one.with, ...(one.without ? [one.without] : [])];
  const contestants = [];
  for (const graph of graphs)
    for (const way of [ours, rivalSession]) contestants.push(await contestant(way, graph, one.feed));
  const least = contestants.map(() => Number.POSITIVE_INFINITY);
  for (let round = -20; round < rounds; round++) {
    for (const [i, { run }] of contestants.entries()) {
      const time = await timed(run);
      if (round >= 0) least[i] = Math.min(least[i], time);
    }
  }
  const [a, b, c = 0, d = 0] = least;
  const rate =
    one.macs === undefined
      ? ""
      : `, ${(one.macs / a / 1e6).toFixed(1)} against ${(one.macs / b / 1e6).toFixed(1)} GMAC/s`;
  console.log(
    `${name.padEnd(34)} ${(1000 * (a - c)).toFixed(0).padStart(6)} µs, onnxruntime-web ${(1000 * (b - d)).toFixed(0).padStart(6)} µs, ratio ${((b - d) / (a - c)).toFixed(2)}${rate}`,
  );
  for (const { release } of contestants) await release();
}
