import { describe, expect, it } from "vitest";
import type { Attribute } from "../../src/graph/index.ts";
import { prepare } from "../../src/quantize/quantize.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import { build, f32, type NodeSpec, operators } from "../graph/build.ts";
import { both, type Feeds, run, tensor } from "./one-node.ts";

type Bytes = "int8" | "uint8";

/** Bytes of all magnitudes, the extremes included. */
function bytes(type: Bytes, dims: readonly number[], seed: number): Tensor {
  const size = dims.reduce((a, b) => a * b, 1);
  const low = type === "int8" ? -128 : 0;
  return tensor(
    type,
    Array.from({ length: size }, (_, i) => low + ((i * 97 + seed * 31 + ((i * i) >> 3)) % 256)),
    dims,
  );
}

const numbers = (t: Tensor | undefined): number[] => Array.from((t?.data ?? []) as Uint8Array);

interface Window {
  group?: number;
  pads?: readonly number[];
  strides?: readonly number[];
  dilations?: readonly number[];
}

/** ConvInteger over any number of spatial axes, by its definition. */
function convolve(x: Tensor, w: Tensor, zero: number, zeros: readonly number[], window: Window): number[] {
  const spatial = x.dims.length - 2;
  const each = (value: number): number[] => new Array<number>(spatial).fill(value);
  const { group = 1, strides = each(1), dilations = each(1), pads = [...each(0), ...each(0)] } = window;
  const [batch, channels, ...extents] = x.dims as [number, number, ...number[]];
  const [outputs, depth, ...kernel] = w.dims as [number, number, ...number[]];
  const made = extents.map(
    (d, i) => Math.floor((d + pads[i]! + pads[i + spatial]! - dilations[i]! * (kernel[i]! - 1) - 1) / strides[i]!) + 1,
  );
  const [xs, ws] = [numbers(x), numbers(w)];
  const places = (dims: readonly number[]): number[][] =>
    dims.reduce<number[][]>((all, d) => all.flatMap((at) => Array.from({ length: d }, (_, i) => [...at, i])), [[]]);
  const index = (dims: readonly number[], at: readonly number[]): number =>
    dims.reduce((sum, d, i) => sum * d + at[i]!, 0);
  return places([batch, outputs, ...made]).map(([n, o, ...out]) => {
    let sum = 0;
    for (const [c, ...tap] of places([depth, ...kernel])) {
      const from = out.map((at, i) => at * strides[i]! + tap[i]! * dilations[i]! - pads[i]!);
      if (from.some((at, i) => at < 0 || at >= extents[i]!)) continue;
      const channel = Math.floor(o! / (outputs / group)) * depth + c!;
      const weight = ws[index(w.dims, [o!, c!, ...tap])]! - (zeros[zeros.length === 1 ? 0 : o!] ?? 0);
      sum += (xs[index([batch, channels, ...extents], [n!, channel, ...from])]! - zero) * weight;
    }
    return sum | 0;
  });
}

const CONVOLUTIONS: readonly [string, Bytes, Bytes, number[], number[], Window][] = [
  ["a picture", "uint8", "int8", [2, 3, 6, 5], [9, 3, 3, 3], { pads: [1, 1, 1, 1] }],
  ["groups of odd channels", "int8", "uint8", [1, 6, 5, 4], [4, 3, 2, 2], { group: 2, strides: [2, 1] }],
  ["a depthwise layer", "uint8", "int8", [1, 11, 7, 7], [11, 1, 3, 3], { group: 11, pads: [1, 1, 1, 1] }],
  ["dilated rows", "uint8", "uint8", [1, 4, 20], [5, 4, 3], { dilations: [3], pads: [2, 0] }],
  ["a volume", "int8", "int8", [1, 2, 4, 4, 4], [3, 2, 2, 2, 2], {}],
  ["a point", "uint8", "int8", [1, 40, 4, 4], [33, 40, 1, 1], {}],
];

describe("ConvInteger", () => {
  for (const [name, xType, wType, xDims, wDims, window] of CONVOLUTIONS) {
    it(`of ${name}, with constant and computed weights`, async () => {
      const [a, b] = [bytes(xType, xDims, 1), bytes(wType, wDims, 2)];
      const perChannel = Array.from({ length: wDims[0]! }, (_, i) => (wType === "int8" ? i - 3 : i + 120));
      for (const zeros of [[wType === "int8" ? -7 : 128], perChannel]) {
        const points = { c: tensor(xType, [xType === "int8" ? -3 : 130], []), d: tensor(wType, zeros) };
        const expected = convolve(a, b, numbers(points.c)[0]!, zeros, window);
        const attributes = window as Record<string, Attribute>;
        const [fixed] = await run("ConvInteger", { a }, { constants: { b, ...points }, attributes });
        expect(numbers(fixed)).toEqual(expected);
        const [computed] = await run("ConvInteger", { a, b, ...points }, { attributes });
        expect(numbers(computed)).toEqual(expected);
      }
    });
  }

  it("wraps where a sum leaves int32", async () => {
    const depth = 40_000;
    const [a, b] = [tensor("uint8", new Array(depth).fill(255), [1, depth, 1]), bytes("uint8", [2, depth, 1], 0)];
    b.data.fill(255 as never);
    const [y] = await run("ConvInteger", { a }, { constants: { b } });
    expect(255 * 255 * depth).toBeGreaterThan(2 ** 31);
    expect(numbers(y)).toEqual([(255 * 255 * depth) | 0, (255 * 255 * depth) | 0]);
  });

  it("of no channels is 0", async () => {
    const [y] = await run("ConvInteger", { a: tensor("uint8", [], [1, 0, 2]), b: tensor("int8", [], [2, 0, 1]) });
    expect(numbers(y)).toEqual([0, 0, 0, 0]);
  });

  it("refuses zero points that do not fit", async () => {
    const feeds = { a: bytes("uint8", [1, 2, 3], 1), c: tensor("uint8", [1, 2]) };
    const made = run("ConvInteger", feeds, { constants: { b: bytes("int8", [3, 2, 1], 2) } });
    await expect(made).rejects.toThrow("the zero points of the input expected 1 values");
  });
});

describe("MatMulInteger", () => {
  /** Σ (a − zero)(b − zero) over the last axis of a and the last but one of b. */
  const product = (a: Tensor, b: Tensor, rowZeros: readonly number[], columnZeros: readonly number[]): number[] => {
    const [m, k, n] = [a.dims.at(-2)!, a.dims.at(-1)!, b.dims.at(-1)!];
    const batch = Math.max(a.size / (m * k), b.size / (k * n));
    const [xs, ws] = [numbers(a), numbers(b)];
    return Array.from({ length: batch * m * n }, (_, i) => {
      const [at, row, column] = [Math.floor(i / (m * n)), Math.floor(i / n) % m, i % n];
      const [fromA, fromB] = [((at * m * k) % a.size) + row * k, (at * k * n) % b.size];
      let sum = 0;
      for (let j = 0; j < k; j++) {
        const x = xs[fromA + j]! - rowZeros[row % rowZeros.length]!;
        sum += x * (ws[fromB + j * n + column]! - columnZeros[column % columnZeros.length]!);
      }
      return sum;
    });
  };

  const shapes: readonly [number[], number[]][] = [
    [
      [5, 7],
      [7, 9],
    ],
    [
      [2, 3, 5],
      [5, 33],
    ],
    [
      [2, 4, 6],
      [2, 6, 3],
    ],
    [
      [2, 2, 6],
      [1, 6, 3],
    ],
    [
      [3, 6],
      [2, 6, 5],
    ],
  ];
  for (const [left, right] of shapes) {
    it(`[${left}] by [${right}], with zero points for all and one per row and column`, async () => {
      const [a, b] = [bytes("uint8", left, 3), bytes("int8", right, 4)];
      const perRow = Array.from({ length: left.at(-2)! }, (_, i) => 5 * i + 1);
      const perColumn = Array.from({ length: right.at(-1)! }, (_, i) => i - 4);
      for (const [rows, columns] of [
        [[9], [-2]],
        [perRow, perColumn],
      ] as const) {
        const points = { c: tensor("uint8", rows), d: tensor("int8", columns) };
        const expected = product(a, b, rows, columns);
        const [fixed] = await run("MatMulInteger", { a }, { constants: { b, ...points } });
        expect(numbers(fixed)).toEqual(expected);
        const [computed] = await run("MatMulInteger", { a, b, ...points });
        expect(numbers(computed)).toEqual(expected);
      }
    });
  }

  it("of vectors has one zero point for each", async () => {
    const [a, b] = [bytes("uint8", [2, 3], 3), bytes("int8", [3], 4)];
    const dot = (rowZeros: readonly number[], zero: number): number[] =>
      [0, 1].map((row) =>
        [0, 1, 2].reduce(
          (sum, k) => sum + (numbers(a)[3 * row + k]! - rowZeros[row % rowZeros.length]!) * (numbers(b)[k]! - zero),
          0,
        ),
      );
    for (const rows of [[9], [9, 200]]) {
      const points = { c: tensor("uint8", rows), d: tensor("int8", [-7]) };
      for (const isFixed of [true, false]) {
        const about = isFixed ? { constants: { b, ...points } } : {};
        const [y] = await run("MatMulInteger", isFixed ? { a } : { a, b, ...points }, about);
        expect([y!.dims, numbers(y)]).toEqual([[2], dot(rows, -7)]);
      }
    }
    for (const count of [0, 2, 3]) {
      const points = { c: tensor("uint8", [1]), d: tensor("int8", new Array(count).fill(1), [count]) };
      await expect(run("MatMulInteger", { a, b, ...points })).rejects.toThrow(/zero points of .* expected 1 value/);
    }
    for (const count of [0, 2, 3]) {
      const points = { c: tensor("uint8", new Array(count).fill(1), [count]) };
      const left = { a: tensor("uint8", [1, 2, 3]), b: bytes("int8", [3, 4], 4), ...points };
      await expect(run("MatMulInteger", left)).rejects.toThrow(/zero points of .* expected 1 value/);
    }
  });

  it("of vectors and of no columns", async () => {
    const [dot] = await run("MatMulInteger", { a: tensor("uint8", [1, 2, 3]), b: tensor("int8", [4, 5, -6]) });
    expect([dot!.dims, numbers(dot)]).toEqual([[], [-4]]);
    const [none] = await run(
      "MatMulInteger",
      { a: tensor("uint8", [], [2, 0]) },
      { constants: { b: tensor("int8", [], [0, 3]) } },
    );
    expect(numbers(none)).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

describe("the scale of integer sums", () => {
  const x = bytes("uint8", [1, 6, 5, 5], 5);
  const w = bytes("int8", [8, 6, 3, 3], 6);
  const scales = tensor(
    "float32",
    Array.from({ length: 8 }, (_, i) => (i + 1) / 700),
    [8, 1, 1],
  );
  const bias = tensor(
    "float32",
    Array.from({ length: 8 }, (_, i) => i - 3.3),
    [1, 8, 1, 1],
  );
  const nodes: NodeSpec[] = [
    ["ConvInteger", ["x", "w", "zero"], ["sum"], { pads: [1, 1, 1, 1] }],
    ["Cast", ["sum"], ["float"], { to: 1 }],
    ["Mul", ["float", "scales"], ["scaled"]],
    ["Add", ["bias", "scaled"], ["moved"]],
    ["Relu", ["moved"], ["y"]],
  ];
  const constants: Feeds = { w, scales, bias, zero: tensor("uint8", [77], []) };
  const made = (outputs: readonly string[]) =>
    build({ x: { type: "uint8", shape: x.dims } }, constants, nodes, outputs, 21);

  it("is the layer's own, and the bits stay", async () => {
    expect(operators(await prepare(made(["y"])))).toEqual(["Transpose", "bitbasis/ConvInteger", "Transpose"]);
    const [fused] = await both(made(["y"]), { x });
    const [sum] = await both(made(["sum"]), { x });
    const expected = numbers(sum).map((s, i) => {
      const c = Math.floor(i / 25);
      const scaled = Math.fround(Math.fround(s) * (scales.data as Float32Array)[c]!);
      return Math.max(0, Math.fround(scaled + (bias.data as Float32Array)[c]!));
    });
    expect(numbers(fused)).toEqual(expected);
  });

  it("stays outside where somebody else reads the sums", async () => {
    const graph = await prepare(made(["sum", "y"]));
    expect(operators(graph)).toContain("Cast");
    const [sum] = await both(made(["sum", "y"]), { x });
    expect(numbers(sum)).toEqual(convolve(x, w, 77, [0], { pads: [1, 1, 1, 1] }));
  });

  for (const scale of [[0.02], [0.01, 0.02, 0.03, 0.04, 0.05]]) {
    it(`may be computed, as DynamicQuantizeLinear does, times ${scale.length} of the weights`, async () => {
      const graph = build(
        { x: [3, 6] },
        { w: bytes("int8", [6, 5], 7), s: tensor("float32", scale), b: tensor("float32", [1, 2, 3, 4, 5]) },
        [
          ["DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]],
          ["MatMulInteger", ["q", "w", "zero"], ["sum"]],
          ["Cast", ["sum"], ["float"], { to: 1 }],
          ["Mul", ["scale", "s"], ["both"]],
          ["Mul", ["float", "both"], ["scaled"]],
          ["Add", ["scaled", "b"], ["y"]],
        ],
        ["y", "q", "zero", "both"],
        21,
      );
      const prepared = await prepare(graph);
      expect(operators(prepared).filter((op) => op !== "Identity")).toEqual([
        "bitbasis/DynamicScale",
        "QuantizeLinear",
        "Mul",
        "bitbasis/MatMulInteger",
      ]);
      const [y, q, zero, factor] = await both(graph, { x: f32([3, 6]) });
      const ws = numbers(graph.initializers.get("w"));
      const factors = numbers(factor);
      const expected = Array.from({ length: 15 }, (_, i) => {
        const [row, column] = [Math.floor(i / 5), i % 5];
        let sum = 0;
        for (let k = 0; k < 6; k++) sum += (numbers(q)[row * 6 + k]! - numbers(zero)[0]!) * ws[k * 5 + column]!;
        return Math.fround(Math.fround(sum * factors[column % factors.length]!) + column + 1);
      });
      expect(numbers(y)).toEqual(expected);
    });
  }
});

describe("QLinearConv", () => {
  it("adds its bias to the sums before it rounds them, also where they wrap", async () => {
    const [x, w] = [bytes("uint8", [1, 4, 5, 5], 8), bytes("int8", [4, 1, 3, 3], 9)];
    for (const large of [0, 2 ** 31 - 5]) {
      const bias = [100, -3000, large, 7];
      const zero = tensor("uint8", [4], []);
      const constants = {
        ...{ b: tensor("float32", [0.02], []), c: zero, d: w, e: tensor("float32", [0.01, 0.02, 0.03, 0.04]) },
        ...{ f: tensor("int8", [0]), g: tensor("float32", [0.3], []), h: tensor("uint8", [9], []) },
        i: tensor("int32", bias),
      };
      const [y] = await run("QLinearConv", { a: x }, { constants, attributes: { group: 4 } });
      const factors = [0.01, 0.02, 0.03, 0.04].map((s) =>
        Math.fround(Math.fround(Math.fround(0.02) * Math.fround(s)) / Math.fround(0.3)),
      );
      const expected = convolve(x, w, 4, [0], { group: 4 }).map((s, i) => {
        const c = Math.floor(i / 9);
        const scaled = Math.fround(Math.fround((s + bias[c]!) | 0) * factors[c]!);
        const rounded = Math.abs(scaled % 1) === 0.5 ? 2 * Math.round(scaled / 2) : Math.round(scaled);
        return Math.min(255, Math.max(0, rounded + 9));
      });
      expect(numbers(y)).toEqual(expected);
    }
  });
});

describe("a layer between QuantizeLinear and DequantizeLinear", () => {
  const w = bytes("int8", [8, 3, 3, 3], 11);
  const constants: Feeds = {
    ...{ sx: tensor("float32", [0.031], []), zx: tensor("uint8", [113], []), w },
    ...{
      sw: tensor(
        "float32",
        Array.from({ length: 8 }, (_, i) => 0.001 * (i + 2)),
      ),
      zw: tensor("int8", new Array(8).fill(0)),
    },
    ...{
      b: tensor(
        "float32",
        Array.from({ length: 8 }, (_, i) => i / 7 - 0.5),
      ),
    },
    ...{ sy: tensor("float32", [0.05], []), zy: tensor("uint8", [90], []) },
  };
  const nodes: NodeSpec[] = [
    ["QuantizeLinear", ["x", "sx", "zx"], ["q"]],
    ["DequantizeLinear", ["q", "sx", "zx"], ["dx"]],
    ["DequantizeLinear", ["w", "sw", "zw"], ["dw"], { axis: 0 }],
    ["Conv", ["dx", "dw", "b"], ["conv"], { pads: [1, 1, 1, 1], strides: [2, 2] }],
    ["Relu", ["conv"], ["relu"]],
    ["QuantizeLinear", ["relu", "sy", "zy"], ["y"]],
  ];
  const x = f32(
    [2, 3, 7, 6],
    Array.from({ length: 252 }, (_, i) => Math.sin(i) * 4.2),
  );
  const made = (outputs: readonly string[]) => build({ x: [2, 3, 7, 6] }, constants, nodes, outputs, 21);

  it("is the layer on bytes with static scales, within one quantum of its operators one by one", async () => {
    const inside = operators(await prepare(made(["y"])));
    expect(inside).toEqual(["QuantizeLinear", "Transpose", "bitbasis/ConvInteger", "QuantizeLinear", "Transpose"]);
    const [y, q] = await both(made(["y", "q"]), { x });
    const sums = convolve(tensor("uint8", numbers(q), [2, 3, 7, 6]), w, 113, [0], {
      pads: [1, 1, 1, 1],
      strides: [2, 2],
    });
    const floats = (name: string): Float32Array => constants[name]!.data as Float32Array;
    let most = 0;
    const expected = sums.map((s, i) => {
      const c = Math.floor(i / 12) % 8;
      const scaled = Math.fround(Math.fround(s) * Math.fround(floats("sx")[0]! * floats("sw")[c]!));
      const value = Math.max(0, Math.fround(scaled + floats("b")[c]!));
      // What the operators give one by one, but for roundings of float32.
      const plain = Math.max(0, s * floats("sx")[0]! * floats("sw")[c]! + floats("b")[c]!) / floats("sy")[0]!;
      const quantum = Math.fround(value / floats("sy")[0]!);
      most = Math.max(most, Math.abs(quantum - plain));
      const rounded = Math.abs(quantum % 1) === 0.5 ? 2 * Math.round(quantum / 2) : Math.round(quantum);
      return Math.min(255, Math.max(0, rounded + 90));
    });
    expect(numbers(y)).toEqual(expected);
    expect(most).toBeLessThan(1e-3);
  });

  it("is found behind weights that are quantized in the file, transposed ones and Gemm", async () => {
    const scale = { s: tensor("float32", [0.05], []), z: tensor("uint8", [128], []), t: tensor("float32", [0.01], []) };
    const floats = f32(
      [4, 6],
      Array.from({ length: 24 }, (_, i) => ((i * 5) % 23) / 9 - 1),
    );
    const layers: readonly [NodeSpec[], Feeds][] = [
      [[["Gemm", ["dx", "dw", "c"], ["y"], { transB: 1 }]], { c: tensor("float32", [1, 2, 3, 4]) }],
      [
        [
          ["Transpose", ["dw"], ["tw"], { perm: [1, 0] }],
          ["MatMul", ["dx", "tw"], ["y"]],
        ],
        {},
      ],
    ];
    for (const [layer, more] of layers) {
      const graph = build(
        { x: { type: "uint8", shape: [3, 6] } },
        { ...scale, w: floats, zw: tensor("int8", [0], []), ...more },
        [
          ["DequantizeLinear", ["x", "s", "z"], ["dx"]],
          ["QuantizeLinear", ["w", "t", "zw"], ["qw"]],
          ["DequantizeLinear", ["qw", "t", "zw"], ["dw"]],
          ...layer,
        ],
        ["y"],
        21,
      );
      expect(operators(await prepare(graph))).toEqual(["bitbasis/MatMulInteger"]);
      const feed = bytes("uint8", [3, 6], 12);
      const [y] = await both(graph, { x: feed });
      const qs = Array.from(floats.data as Float32Array, (v) =>
        Math.min(127, Math.round(Math.fround(v / Math.fround(0.01)))),
      );
      const expected = Array.from({ length: 12 }, (_, i) => {
        const [row, column] = [Math.floor(i / 4), i % 4];
        let sum = 0;
        for (let k = 0; k < 6; k++) sum += (numbers(feed)[row * 6 + k]! - 128) * qs[column * 6 + k]!;
        const scaled = Math.fround(sum * Math.fround(Math.fround(0.05) * Math.fround(0.01)));
        return "c" in more ? Math.fround(scaled + column + 1) : scaled;
      });
      expect(numbers(y)).toEqual(expected);
    }
  });
});

describe("QuantizeLinear and DequantizeLinear of channels-last values", () => {
  it("have their axis where it is now, and NaN is the least byte", async () => {
    const x = f32(
      [1, 9, 2, 2],
      Array.from({ length: 36 }, (_, i) => (i === 7 ? Number.NaN : i - 11.5)),
    );
    const scales = Array.from({ length: 9 }, (_, i) => (i + 1) / 4);
    const constants = {
      s: tensor("float32", scales),
      z: tensor("int8", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
      w: f32([9, 1, 1, 1], new Array(9).fill(1)),
    };
    const graph = build(
      { x: [1, 9, 2, 2] },
      constants,
      [
        ["Conv", ["x", "w"], ["c"], { group: 9 }],
        ["QuantizeLinear", ["c", "s", "z"], ["q"], { axis: -3 }],
        ["DequantizeLinear", ["q", "s", "z"], ["y"], { axis: 1 }],
      ],
      ["q", "y"],
      21,
    );
    const [q, y] = await both(graph, { x });
    const expected = Array.from(x.data as Float32Array, (value, i) => {
      const c = i >> 2;
      const divided = Math.fround(value / scales[c]!);
      const rounded = Math.abs(divided % 1) === 0.5 ? 2 * Math.round(divided / 2) : Math.round(divided);
      return Number.isNaN(value) ? -128 : Math.min(127, Math.max(-128, rounded + c));
    });
    expect(numbers(q)).toEqual(expected);
    expect(numbers(y)).toEqual(expected.map((v, i) => Math.fround((v - (i >> 2)) * scales[i >> 2]!)));
  });
});
