// What gaps.mjs runs: [name, graph, feeds, presets], made when they are run.
const N = 2 ** 24;

export function casesOf({ Tensor, build, f32, i64 }) {
  const floats = (...dims) => {
    const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = ((Math.imul(i, 2654435761) >>> 8) % 2003) / 1000 - 1;
    return new Tensor("float32", data, dims);
  };
  const ints = (type, ...dims) => {
    const size = dims.reduce((a, b) => a * b, 1);
    const data = {
      int64: BigInt64Array,
      int32: Int32Array,
      uint8: Uint8Array,
      int8: Int8Array,
      float64: Float64Array,
      bool: Uint8Array,
    }[type];
    return new Tensor(type, new data(size), dims);
  };
  const open = (tensor, given) => ({ type: tensor.type, shape: given ?? tensor.dims.map(() => "") });
  /** One operator over feeds; `constants`: its other inputs. The output is reduced where it would be copied. */
  const one = (op, feeds, constants = {}, attributes = {}, { outputs = ["y"], opset = 20, shapes = {} } = {}) => {
    let made;
    const all = () => {
      made ??= feeds();
      return made;
    };
    const inputs = () =>
      Object.fromEntries(Object.entries(all()).map(([name, tensor]) => [name, open(tensor, shapes[name])]));
    const names = () => [...Object.keys(all()), ...Object.keys(constants)].sort();
    return [
      op,
      () =>
        build(
          inputs(),
          typeof constants === "function" ? constants() : constants,
          [[op, names(), outputs, attributes]],
          [outputs[0]],
          opset,
        ),
      all,
    ];
  };
  const named = (name, [, ...rest], ...presets) => [name, ...rest, ...(presets.length > 0 ? [presets] : [])];
  const ALL = ["float32", "faithful", "fast"];
  /** A layer of weights. */
  const layer = (name, [op, attributes = {}], dims, weights, presets = ALL) => [
    name,
    () => {
      const given = weights();
      return build({ a: dims }, given, [[op, ["a", ...Object.keys(given)], ["y"], attributes]], ["y"]);
    },
    () => ({ a: floats(...dims) }),
    presets,
  ];
  const weights = (op, dims, weightDims, attributes = {}) =>
    layer(`${op} of a weight [${weightDims}]`, [op, attributes], dims, () => ({ b: floats(...weightDims) }));
  return [
    ...["Erf", "Exp", "Tan", "Relu", "Sign", "Round"].map((op) => one(op, () => ({ a: floats(N) }))),
    ...["Add", "Pow", "Mod"].map((op) =>
      one(op, () => ({ a: floats(N), b: floats(N) }), {}, op === "Mod" ? { fmod: 1 } : {}),
    ),
    named(
      "Div of int64",
      one("Div", () => ({ a: ints("int64", N) }), { b: i64(3) }),
    ),
    named(
      "Erf of float64",
      one("Erf", () => ({ a: ints("float64", N) })),
    ),
    one("Greater", () => ({ a: floats(N), b: floats(N) })),
    one("Where", () => ({ a: ints("bool", N), b: floats(N), c: floats(N) })),
    one("Cast", () => ({ a: floats(N) }), {}, { to: 7 }),
    named(
      "Cast to float16",
      one("Cast", () => ({ a: floats(N) }), {}, { to: 10 }),
    ),
    ...["Softmax", "LogSoftmax", "Hardmax"].flatMap((op) => [
      named(
        `${op} of one row`,
        one(op, () => ({ a: floats(1, N) }), {}, { axis: 1 }),
      ),
      named(
        `${op} of columns`,
        one(op, () => ({ a: floats(N / 4, 4) }), {}, { axis: 0 }),
      ),
    ]),
    named(
      "LayerNormalization of one row",
      one("LayerNormalization", () => ({ a: floats(1, N) }), { b: f32([1], [1]) }, { axis: 1 }),
    ),
    named(
      "RMSNormalization of one row",
      one("RMSNormalization", () => ({ a: floats(1, N) }), { b: f32([1], [1]) }, { axis: 1 }, { opset: 23 }),
    ),
    named(
      "InstanceNormalization",
      one("InstanceNormalization", () => ({ a: floats(1, 1, N) }), { b: f32([1], [1]), c: f32([1], [1]) }),
    ),
    named(
      "LpNormalization",
      one("LpNormalization", () => ({ a: floats(1, N) })),
    ),
    ...["Sum", "Mean", "Max", "Prod", "L2", "LogSumExp"].flatMap((name) => [
      named(
        `Reduce${name} of one row`,
        one(`Reduce${name}`, () => ({ a: floats(1, N) }), { b: i64(1) }),
      ),
      named(
        `Reduce${name} of columns`,
        one(`Reduce${name}`, () => ({ a: floats(N / 4, 4) }), { b: i64(0) }),
      ),
    ]),
    named(
      "ReduceSum of float64",
      one("ReduceSum", () => ({ a: ints("float64", 1, N) }), { b: i64(1) }),
    ),
    named(
      "ReduceMax of int64",
      one("ReduceMax", () => ({ a: ints("int64", 1, N) }), { b: i64(1) }),
    ),
    named(
      "ArgMax of one row",
      one("ArgMax", () => ({ a: floats(1, N) }), {}, { axis: 1 }),
    ),
    named(
      "ArgMax of columns",
      one("ArgMax", () => ({ a: floats(N / 4, 4) }), {}, { axis: 0 }),
    ),
    named(
      "CumSum of one row",
      one("CumSum", () => ({ a: floats(1, N) }), { b: i64(1) }),
    ),
    named(
      "TopK of one row",
      one("TopK", () => ({ a: floats(1, N / 4) }), { b: i64(N / 4) }, {}, { outputs: ["y", "z"] }),
    ),
    named(
      "Transpose",
      one("Transpose", () => ({ a: floats(4096, N / 4096) })),
    ),
    named(
      "Concat",
      one("Concat", () => ({ a: floats(1, N), b: floats(1, N) }), {}, { axis: 0 }),
    ),
    named(
      "Slice backwards",
      one("Slice", () => ({ a: floats(N) }), { b: i64(N - 1), c: i64(-N - 1), d: i64(0), e: i64(-1) }),
    ),
    named(
      "Pad",
      one("Pad", () => ({ a: floats(N) }), { b: i64(3, 5) }, { mode: "reflect" }),
    ),
    named(
      "Tile",
      one("Tile", () => ({ a: floats(4, N / 4) }), { b: i64(2, 2) }),
    ),
    named(
      "Expand",
      one("Expand", () => ({ a: floats(1, 4096) }), { b: i64(4096, 4096) }),
    ),
    named(
      "Gather of rows",
      one("Gather", () => ({ a: floats(4, N / 4) }), { b: i64(3, 2, 1, 0) }),
    ),
    named(
      "Gather of elements",
      one("Gather", () => ({ a: floats(N), b: ints("int64", N) })),
    ),
    named(
      "GatherElements",
      one("GatherElements", () => ({ a: floats(1, N), b: ints("int64", 1, N) }), {}, { axis: 1 }),
    ),
    named(
      "GatherND",
      one("GatherND", () => ({ a: floats(N), b: ints("int64", N, 1) })),
    ),
    named(
      "ScatterElements",
      one("ScatterElements", () => ({ a: floats(N), b: ints("int64", N), c: floats(N) }), {}, { reduction: "add" }),
    ),
    named(
      "ScatterND",
      one("ScatterND", () => ({ a: floats(N), b: ints("int64", N, 1), c: floats(N) }), {}, { reduction: "max" }),
    ),
    named(
      "Gather of a table",
      [
        "",
        () =>
          build(
            { a: { type: "int64", shape: ["n"] } },
            { t: floats(N / 256, 256) },
            [["Gather", ["t", "a"], ["y"]]],
            ["y"],
          ),
        () => ({ a: i64(1, 2) }),
      ],
      ...ALL,
    ),
    named("Add of a constant", [
      "",
      () => build({ a: ["n"] }, { t: floats(N) }, [["Add", ["a", "t"], ["y"]]], ["y"]),
      () => ({ a: floats(1) }),
    ]),
    named(
      "Trilu",
      one("Trilu", () => ({ a: floats(4096, N / 4096) })),
    ),
    named("Range", [
      "",
      () =>
        build(
          { a: { type: "int64", shape: [] } },
          { z: new Tensor("int64", [0n], []), o: new Tensor("int64", [1n], []) },
          [["Range", ["z", "a", "o"], ["y"]]],
          ["y"],
        ),
      () => ({ a: new Tensor("int64", [BigInt(N)], []) }),
    ]),
    named(
      "MaxPool",
      one("MaxPool", () => ({ a: floats(1, 1, 4096, N / 4096) }), {}, { kernel_shape: [3, 3] }),
    ),
    named(
      "MaxPool with indices",
      one("MaxPool", () => ({ a: floats(1, 1, 2048, 2048) }), {}, { kernel_shape: [3, 3] }, { outputs: ["y", "i"] }),
    ),
    named(
      "AveragePool",
      one("AveragePool", () => ({ a: floats(1, 1, 4096, N / 4096) }), {}, { kernel_shape: [3, 3] }),
    ),
    named(
      "GlobalAveragePool",
      one("GlobalAveragePool", () => ({ a: floats(1, 1, 4096, N / 4096) })),
    ),
    named(
      "MaxPool of one window",
      one("MaxPool", () => ({ a: floats(1, 1, N) }), {}, { kernel_shape: [N] }),
    ),
    named(
      "AveragePool of one window",
      one("AveragePool", () => ({ a: floats(1, 1, N) }), {}, { kernel_shape: [N] }),
    ),
    named(
      "LpPool of one window",
      one("LpPool", () => ({ a: floats(1, 1, N) }), {}, { kernel_shape: [N] }),
    ),
    named(
      "Resize",
      one(
        "Resize",
        () => ({ a: floats(1, 1, 1024, 1024) }),
        { b: f32([0], []), c: f32([4], [1, 1, 4, 4]) },
        { mode: "cubic" },
      ),
    ),
    named(
      "GridSample",
      one("GridSample", () => ({ a: floats(1, 1, 1024, 1024), b: floats(1, 2048, 2048, 2) })),
    ),
    named(
      "Det",
      one("Det", () => ({ a: floats(1, 512, 512) })),
    ),
    named(
      "Einsum",
      one("Einsum", () => ({ a: floats(2048, 2048), b: floats(2048, 64) }), {}, { equation: "ij,jk->ik" }),
    ),
    named(
      "MatMul of feeds",
      one("MatMul", () => ({ a: floats(64, 2048), b: floats(2048, 4096) })),
      ...ALL,
    ),
    named(
      "MatMul of depth 2^24",
      one("MatMul", () => ({ a: floats(1, N), b: floats(N, 1) })),
      ...ALL,
    ),
    named(
      "MatMul of depth 2^22 by 4",
      one("MatMul", () => ({ a: floats(1, N / 4), b: floats(N / 4, 4) })),
      ...ALL,
    ),
    named(
      "MatMul of int64, depth 2^24",
      one("MatMul", () => ({ a: ints("int64", 1, N), b: ints("int64", N, 1) })),
    ),
    named(
      "MatMul of float64, depth 2^24",
      one("MatMul", () => ({ a: ints("float64", 1, N), b: ints("float64", N, 1) })),
    ),
    named(
      "MatMulInteger of depth 2^24",
      one("MatMulInteger", () => ({ a: ints("uint8", 1, N), b: ints("uint8", N, 1) })),
    ),
    weights("MatMul", [1, 4096], [4096, 4096]),
    weights("Gemm", [1, 4096], [4096, 4096], { transB: 1 }),
    weights("MatMul", [1, N], [N, 1]),
    weights("MatMul", [1, 2 ** 13], [2 ** 13, 2 ** 13]),
    weights("Conv", [1, 1024, 8, 8], [1820, 1024, 3, 3], { pads: [1, 1, 1, 1] }),
    weights("Conv", [1, 4096, 2, 2], [4096, 4096, 1, 1]),
    weights("ConvTranspose", [1, 1024, 4, 4], [1024, 1024, 4, 4], { strides: [2, 2], pads: [1, 1, 1, 1] }),
    weights("Conv", [1, 1, 4096, 4096], [1, 1, 4096, 4096]),
    weights("Conv", [1, 2 ** 20, 4], [2 ** 20, 1, 3], { group: 2 ** 20 }),
    named(
      "Conv of feeds",
      one("Conv", () => ({ a: floats(1, 16, 512, 512), b: floats(16, 16, 3, 3) }), {}, { pads: [1, 1, 1, 1] }),
    ),
    layer("Conv, 3 x 3", ["Conv", { pads: [1, 1, 1, 1] }], [1, 32, 512, 512], () => ({ b: floats(32, 32, 3, 3) }), [
      ...ALL,
      "compact",
    ]),
    layer("Conv, depthwise", ["Conv", { group: 32, pads: [1, 1, 1, 1] }], [1, 32, 512, 512], () => ({
      b: floats(32, 1, 3, 3),
    })),
    layer("LSTM", ["LSTM", { hidden_size: 256 }], [2048, 1, 256], () => ({
      b: floats(1, 1024, 256),
      c: floats(1, 1024, 256),
    })),
    layer("LSTM of a weight", ["LSTM", { hidden_size: 2048 }], [2, 1, 1024], () => ({
      b: floats(1, 8192, 1024),
      c: floats(1, 8192, 2048),
    })),
    named(
      "QuantizeLinear",
      one("QuantizeLinear", () => ({ a: floats(N) }), { b: f32([], [0.1]), c: new Tensor("uint8", [3], []) }),
    ),
    named(
      "DequantizeLinear",
      one("DequantizeLinear", () => ({ a: ints("uint8", N) }), { b: f32([], [0.1]), c: new Tensor("uint8", [3], []) }),
    ),
    named(
      "DynamicQuantizeLinear",
      one("DynamicQuantizeLinear", () => ({ a: floats(N) }), {}, {}, { outputs: ["y", "s", "z"] }),
    ),
    named(
      "NonZero",
      one("NonZero", () => ({ a: floats(N / 4) })),
    ),
    named(
      "Unique",
      one("Unique", () => ({ a: floats(N / 4) })),
    ),
    named(
      "Compress",
      one("Compress", () => ({ a: floats(N / 4), b: ints("bool", N / 4) })),
    ),
    named(
      "OneHot",
      one("OneHot", () => ({ a: ints("int64", N / 64) }), { b: new Tensor("int64", [64n], []), c: f32([2], [0, 1]) }),
    ),
    named(
      "Col2Im",
      one("Col2Im", () => ({ a: floats(1, 9 * 4, 2 ** 18) }), { b: i64(514, 514), c: i64(3, 3) }),
    ),
    named(
      "DeformConv",
      one(
        "DeformConv",
        () => ({ a: floats(1, 8, 256, 256), c: floats(1, 18, 254, 254) }),
        { b: floats(8, 8, 3, 3) },
        {},
        { shapes: { a: [1, 8, 256, 256], c: [1, 18, 254, 254] } },
      ),
    ),
    named(
      "RoiAlign",
      one(
        "RoiAlign",
        () => ({ a: floats(1, 16, 256, 256) }),
        {
          b: f32(
            [64, 4],
            Array.from({ length: 256 }, (_, i) => (i % 4 < 2 ? 0 : 250)),
          ),
          c: new Tensor("int64", new BigInt64Array(64), [64]),
        },
        { output_height: 32, output_width: 32, sampling_ratio: 4 },
      ),
    ),
    named(
      "MaxRoiPool",
      one(
        "MaxRoiPool",
        () => ({ a: floats(1, 16, 256, 256) }),
        {
          b: f32(
            [64, 5],
            Array.from({ length: 320 }, (_, i) => (i % 5 < 3 ? 0 : 250)),
          ),
        },
        { pooled_shape: [7, 7] },
      ),
    ),
    named(
      "RotaryEmbedding",
      one(
        "RotaryEmbedding",
        () => ({ a: floats(1, 16, 4096, 128), b: floats(1, 4096, 64), c: floats(1, 4096, 64) }),
        {},
        {},
        { opset: 23, shapes: { a: [1, 16, 4096, 128], b: [1, 4096, 64], c: [1, 4096, 64] } },
      ),
    ),
    named(
      "Attention",
      one(
        "Attention",
        () => ({ a: floats(1, 4, 1024, 64), b: floats(1, 4, 1024, 64), c: floats(1, 4, 1024, 64) }),
        {},
        {},
        { opset: 23, shapes: { a: [1, 4, 1024, 64], b: [1, 4, 1024, 64], c: [1, 4, 1024, 64] } },
      ),
      ...ALL,
    ),
    [
      "MatMulNBits",
      () =>
        build(
          { a: [1, 4096] },
          { b: ints("uint8", 8192, 128, 16), c: floats(8192 * 128) },
          [["com.microsoft/MatMulNBits", ["a", "b", "c"], ["y"], { K: 4096, N: 8192, bits: 4, block_size: 32 }]],
          ["y"],
        ),
      () => ({ a: floats(1, 4096) }),
    ],
    named(
      "DFT",
      one("DFT", () => ({ a: floats(1, 2 ** 12, 1) })),
    ),
    named(
      "STFT",
      one("STFT", () => ({ a: floats(1, 2 ** 18, 1) }), { b: i64(256), c: f32([512]) }),
    ),
    named(
      "NonMaxSuppression",
      one("NonMaxSuppression", () => ({ a: floats(1, 8192, 4), b: floats(1, 1, 8192) }), {
        c: i64(8192),
        d: f32([], [0.5]),
      }),
    ),
  ];
}
