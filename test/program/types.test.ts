import { describe, expect, test } from "vitest";
import { type ElementType, sizeOf, Tensor } from "../../src/tensor/index.ts";
import { agreed } from "./agree.ts";
import type { OperatorCase } from "./harness.ts";

// What kernels do at the edges of every element type; each case on both builds and on one and three threads.
type Value = number | bigint | boolean;

function of(type: ElementType, data: readonly Value[], dims: readonly number[] = [data.length]): Tensor {
  return new Tensor(type, data, dims);
}

async function run(
  op: string,
  inputs: OperatorCase["inputs"],
  expected: Tensor,
  rest: Partial<OperatorCase> = {},
): Promise<void> {
  const [y] = await agreed({ op, inputs, outputs: [{ type: expected.type, shape: expected.dims }], ...rest });
  expect(Array.from(y!.data as ArrayLike<Value>)).toEqual(Array.from(expected.data as ArrayLike<Value>));
}

const TOP = 2n ** 64n - 1n;
const HALF = 2n ** 63n;

describe("uint64 from 2^63 on is not negative", () => {
  const [a, b] = [of("uint64", [TOP, HALF, 3n, 7n]), of("uint64", [1n, TOP, HALF, 2n])];
  test.each<readonly [string, readonly bigint[]]>([
    ["Div", [TOP, 0n, 0n, 3n]],
    ["Mod", [0n, HALF, 3n, 1n]],
    ["Min", [1n, HALF, 3n, 2n]],
    ["Max", [TOP, TOP, HALF, 7n]],
    ["Add", [0n, HALF - 1n, HALF + 3n, 9n]],
    ["PRelu", [TOP, HALF, 3n, 7n]],
  ])("%s", (op, expected) => run(op, [a, b], of("uint64", expected)));
  test.each<readonly [string, readonly boolean[]]>([
    ["Less", [false, true, true, false]],
    ["Greater", [true, false, false, true]],
    ["LessOrEqual", [false, true, true, false]],
  ])("%s", (op, expected) => run(op, [a, b], of("bool", expected)));

  test("Clip, Sign, Abs, Relu, shifts", async () => {
    const x = of("uint64", [TOP, HALF, 0n, 5n]);
    await run("Clip", [x, of("uint64", [2n], []), of("uint64", [HALF], [])], of("uint64", [HALF, HALF, 2n, 5n]));
    await run("Sign", [x], of("uint64", [1n, 1n, 0n, 1n]));
    await run("Abs", [x], x);
    await run("Relu", [x], x);
    const by = of("uint64", [63n, 1n, 3n, 64n]);
    await run("BitShift", [x, by], of("uint64", [1n, HALF / 2n, 0n, 0n]), { attributes: { direction: "RIGHT" } });
    await run("BitShift", [x, by], of("uint64", [HALF, 0n, 0n, 0n]), { attributes: { direction: "LEFT" } });
    await run("BitwiseNot", [x], of("uint64", [0n, HALF - 1n, TOP, TOP - 5n]));
  });

  test("reductions, index search, TopK", async () => {
    const x = of("uint64", [3n, TOP, HALF], [1, 3]);
    const rest = { attributes: { keepdims: 0 }, constants: [1] };
    const axes = of("int64", [1n]);
    await run("ReduceMax", [x, axes], of("uint64", [TOP]), rest);
    await run("ReduceMin", [x, axes], of("uint64", [3n]), rest);
    await run("ReduceSum", [x, axes], of("uint64", [HALF + 2n]), rest);
    await run("ReduceMean", [x, axes], of("uint64", [(HALF + 2n) / 3n]), rest);
    await run("ArgMax", [x], of("int64", [1n], [1, 1]), { attributes: { axis: 1 } });
    const outputs = [{ type: "uint64", shape: [1, 2] } as const, { type: "int64", shape: [1, 2] } as const];
    const [values, indices] = await agreed({ op: "TopK", inputs: [x, of("int64", [2n])], constants: [1], outputs });
    expect([...values!.data]).toEqual([TOP, HALF]);
    expect([...indices!.data]).toEqual([1n, 2n]);
  });
});

describe("a reduction over no element", () => {
  const least: readonly (readonly [ElementType, Value, Value])[] = [
    ["int8", -128, 127],
    ["uint8", 0, 255],
    ["int16", -32768, 32767],
    ["uint16", 0, 65535],
    ["int32", -(2 ** 31), 2 ** 31 - 1],
    ["uint32", 0, 2 ** 32 - 1],
    ["int64", -HALF, HALF - 1n],
    ["uint64", 0n, TOP],
    ["float32", -Infinity, Infinity],
    ["float64", -Infinity, Infinity],
    ["bool", false, true],
  ];
  test.each(least)("of %s", async (type, low, high) => {
    const rest = { attributes: { keepdims: 1 }, constants: [1] };
    const [x, axes] = [of(type, [], [2, 0]), of("int64", [1n])];
    await run("ReduceMax", [x, axes], of(type, [low, low], [2, 1]), rest);
    await run("ReduceMin", [x, axes], of(type, [high, high], [2, 1]), rest);
    if (type === "bool") return;
    const wide = type.endsWith("int64");
    const [zero, one] = wide ? [0n, 1n] : [0, 1];
    await run("ReduceSum", [x, axes], of(type, [zero, zero], [2, 1]), rest);
    await run("ReduceProd", [x, axes], of(type, [one, one], [2, 1]), rest);
    if (type.startsWith("float")) {
      await run("ReduceMean", [x, axes], of(type, [NaN, NaN], [2, 1]), rest);
      await run("ReduceLogSum", [x, axes], of(type, [-Infinity, -Infinity], [2, 1]), rest);
      await run("ReduceLogSumExp", [x, axes], of(type, [-Infinity, -Infinity], [2, 1]), rest);
    } else await run("ReduceMean", [x, axes], of(type, [zero, zero], [2, 1]), rest);
  });
});

test("ReduceMax of bool is a bool, of int16 and float64 exact", async () => {
  const rest = { attributes: { keepdims: 0 }, constants: [1] };
  const axes = of("int64", [1n]);
  await run("ReduceMax", [of("bool", [false, false, false, true], [2, 2]), axes], of("bool", [false, true]), rest);
  await run("ReduceMin", [of("bool", [true, true, false, true], [2, 2]), axes], of("bool", [true, false]), rest);
  await run("ReduceL1", [of("int16", [-5, 4], [1, 2]), axes], of("int16", [9]), rest);
  await run("ReduceL2", [of("int32", [3, 4], [1, 2]), axes], of("int32", [5]), rest);
  await run("ReduceMean", [of("float64", [0.1, 0.2], [1, 2]), axes], of("float64", [(0.1 + 0.2) / 2]), rest);
  await run("ReduceMax", [of("float64", [1, NaN], [1, 2]), axes], of("float64", [NaN]), rest);
});

describe("Pow", () => {
  test("of an integer exponent above 2^24 keeps its parity", async () => {
    const x = of("float32", [-1, -1, 2, -Infinity]);
    const e = of("int64", [16777217n, 2n ** 62n + 1n, -3n, 16777217n]);
    await run("Pow", [x, e], of("float32", [-1, -1, 0.125, -Infinity]));
    await run("Pow", [of("float64", [-1, -1]), of("uint64", [TOP, TOP - 1n])], of("float64", [-1, 1]));
  });
  test("of integers is exact and wraps", async () => {
    await run("Pow", [of("int32", [3, -2, 2]), of("int64", [5n, 31n, 2n ** 32n])], of("int32", [243, -(2 ** 31), 0]));
    await run(
      "Pow",
      [of("int64", [10n, 3n]), of("int32", [18, 40])],
      of("int64", [10n ** 18n, BigInt.asIntN(64, 3n ** 40n)]),
    );
    await run("Pow", [of("uint8", [3, 7]), of("uint8", [5, 3])], of("uint8", [243, 343 % 256]));
    await run("Pow", [of("int32", [9, 2]), of("float32", [0.5, 3])], of("int32", [3, 8]));
    await run("Pow", [of("int64", [2n, -1n]), of("int64", [-1n, -3n])], of("int64", [0n, -1n]));
  });
});

describe("functions at the ends of their range", () => {
  const f32 = (data: readonly number[]): Tensor => new Tensor("float32", Float32Array.from(data));
  test("HardSwish of the largest float is itself", () =>
    run("HardSwish", [f32([3.4e38, 6, -4])], f32([3.4e38, 6, -0])));
  test("what is compared with a NaN is false", async () => {
    await run("ThresholdedRelu", [f32([NaN, 2, 1])], f32([0, 2, 0]), { attributes: { alpha: 1 } });
    const attributes = { bias: 1, lambd: 1.5 };
    await run("Shrink", [f32([NaN, 2, -2, 1.5])], f32([0, 1, -1, 0]), { attributes });
    await run("Shrink", [of("uint16", [9, 1, 2])], of("uint16", [8, 0, 1]), { attributes });
    await run("Shrink", [of("int64", [-9n, 1n])], of("int64", [-8n, 0n]), { attributes });
  });
  test("1e300 is finite in float64", async () => {
    await run("IsInf", [of("float64", [1e300, -Infinity, NaN])], of("bool", [false, true, false]));
    await run("IsInf", [of("float64", [Infinity, -Infinity])], of("bool", [true, false]), {
      attributes: { detect_negative: 0 },
    });
    await run("IsNaN", [of("float64", [1e300, NaN])], of("bool", [false, true]));
  });
  test("Clip: the upper bound wins, −0 and NaN stay, whether the bounds are known or not", async () => {
    for (const constants of [[], [1, 2]]) {
      const scalar = (x: number): Tensor => new Tensor("float32", Float32Array.of(x), []);
      await run("Clip", [f32([5, 1, NaN]), scalar(3), scalar(2)], f32([2, 2, NaN]), { constants });
      const [y] = await agreed({
        ...{ op: "Clip", inputs: [f32([-0]), scalar(0), scalar(1)], constants },
        outputs: [{ type: "float32", shape: [1] }],
      });
      expect(Object.is((y!.data as Float32Array)[0], -0)).toBe(true);
    }
  });
  test("Softmax: no finite largest element gives NaN, in float32 and float64", async () => {
    for (const type of ["float32", "float64"] as const) {
      const x = of(type, [-Infinity, -Infinity, Infinity, 1, NaN, 1, -Infinity, 1], [4, 2]);
      await run("Softmax", [x], of(type, [NaN, NaN, NaN, NaN, NaN, NaN, 0, 1], [4, 2]));
    }
  });
});

describe("rows far from 0", () => {
  const n = 64;
  // deviation 1 around 10,000, in steps that f32 holds there
  const row = Float32Array.from({ length: n }, (_, i) => 10000 + (((i * 37) % n) - 31.5) / 16);
  const mean = row.reduce((a, b) => a + b, 0) / n;
  const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / n;
  const expected = Array.from(row, (x) => (x - mean) / Math.sqrt(variance + 1e-5));
  const near = (y: Tensor): void => {
    (y.data as Float32Array).forEach((v, i) => {
      expect(Math.abs(v - expected[i]!)).toBeLessThan(2e-6);
    });
  };
  const ones = (k: number): Tensor => of("float32", new Array<number>(k).fill(1));
  const zeros = (k: number): Tensor => of("float32", new Array<number>(k).fill(0));
  test("LayerNormalization", async () => {
    const outputs = [{ type: "float32", shape: [1, n] } as const];
    const [y] = await agreed({
      op: "LayerNormalization",
      inputs: [new Tensor("float32", row, [1, n]), ones(n)],
      outputs,
    });
    near(y!);
  });
  test("InstanceNormalization and BatchNormalization", async () => {
    const x = new Tensor("float32", row, [1, 1, n]);
    const outputs = [{ type: "float32", shape: [1, 1, n] } as const];
    const [y] = await agreed({ op: "InstanceNormalization", inputs: [x, ones(1), zeros(1)], outputs });
    near(y!);
    const statistics = [ones(1), zeros(1), of("float32", [10000]), of("float32", [variance])];
    const [z] = await agreed({ op: "BatchNormalization", inputs: [x, ...statistics], outputs });
    near(z!);
  });
});

describe("products of other types", () => {
  test("MatMul of integers is exact and wraps", async () => {
    const a = of("int64", [2n ** 40n, 3n, -1n, 5n], [2, 2]);
    const b = of("int64", [2n ** 30n, 1n, 7n, -2n], [2, 2]);
    const wrap = (x: bigint): bigint => BigInt.asIntN(64, x);
    await run("MatMul", [a, b], of("int64", [wrap(2n ** 70n + 21n), 2n ** 40n - 6n, 35n - 2n ** 30n, -11n], [2, 2]));
    const u = of("uint32", [2 ** 31, 2, 1, 1], [2, 2]);
    await run("MatMul", [u, u], of("uint32", [2, 2, 2 ** 31 + 1, 3], [2, 2]));
    await run("MatMul", [of("uint64", [TOP, 2n]), of("uint64", [3n, 1n])], of("uint64", [TOP], []));
  });
  test("MatMul of float64 broadcasts its batch", async () => {
    const a = of("float64", [1, 2, 3, 4], [2, 1, 2]);
    const b = of("float64", [0.1, 0.2, 0.3, 0.4], [2, 2]);
    const dot = (x: number, y: number, p: number, q: number): number => x * p + y * q;
    const rows = [dot(1, 2, 0.1, 0.3), dot(1, 2, 0.2, 0.4), dot(3, 4, 0.1, 0.3), dot(3, 4, 0.2, 0.4)];
    await run("MatMul", [a, b], of("float64", rows, [2, 1, 2]));
  });
  test("a MatMul that a pass has given a bias, an activation and turned weights", async () => {
    const attributes = { activation: "Clip", min: 0, max: 20, transB: 1 };
    const inputs = [
      of("int64", [1n, 2n, 3n, 4n], [2, 2]),
      of("int64", [5n, 6n, 7n, 8n], [2, 2]),
      of("int64", [-40n, 1n]),
    ];
    await run("MatMul", inputs, of("int64", [0n, 20n, 0n, 20n], [2, 2]), { domain: "bitbasis", attributes });
    const open = { ...attributes, min: -100, max: 100 };
    await run("MatMul", inputs, of("int64", [-23n, 24n, -1n, 54n], [2, 2]), { domain: "bitbasis", attributes: open });
  });
  test("Gemm: transposes, alpha, beta and a column to add", async () => {
    const attributes = { transA: 1, transB: 1, alpha: 2, beta: 3 };
    const inputs = [of("int32", [1, 2, 3, 4], [2, 2]), of("int32", [5, 6, 7, 8], [2, 2]), of("int32", [1, -1], [2, 1])];
    await run("Gemm", inputs, of("int32", [49, 65, 65, 89], [2, 2]), { attributes });
    const doubles = inputs.map((x) => of("float64", [...x.data].map(Number), x.dims));
    await run("Gemm", doubles, of("float64", [49, 65, 65, 89], [2, 2]), { attributes });
  });
});

describe("order, sums and products of every type", () => {
  test("TopK: equal values in order of index, NaN largest, a whole row sorted", async () => {
    const sorted = async (x: Tensor, k: number, largest: number): Promise<[Value[], Value[]]> => {
      const outputs = [{ type: x.type, shape: [k] } as const, { type: "int64", shape: [k] } as const];
      const inputs = [x, of("int64", [BigInt(k)])];
      const [v, i] = await agreed({ op: "TopK", inputs, constants: [1], attributes: { largest }, outputs });
      return [[...(v!.data as ArrayLike<Value> as Value[])], [...(i!.data as ArrayLike<Value> as Value[])]];
    };
    const x = of("float32", [1, NaN, 3, 3, -1, NaN, 3]);
    expect(await sorted(x, 4, 1)).toEqual([
      [NaN, NaN, 3, 3],
      [1n, 5n, 2n, 3n],
    ]);
    expect(await sorted(x, 6, 0)).toEqual([
      [-1, 1, 3, 3, 3, NaN],
      [4n, 0n, 2n, 3n, 6n, 1n],
    ]);
    expect(await sorted(of("int8", [5, -128, 127, 5]), 3, 1)).toEqual([
      [127, 5, 5],
      [2n, 0n, 3n],
    ]);
    expect(await sorted(of("int64", [HALF - 1n, -HALF, 0n]), 2, 0)).toEqual([
      [-HALF, 0n],
      [1n, 2n],
    ]);
    const many = Array.from({ length: 1000 }, (_, i) => (i * 7919) % 997);
    const [values, indices] = await sorted(of("int32", many), 1000, 1);
    const order = many.map((_, i) => i).sort((i, j) => many[j]! - many[i]! || i - j);
    expect(indices).toEqual(order.map(BigInt));
    expect(values).toEqual(order.map((i) => many[i]!));
  });

  test("CumSum and CumProd", async () => {
    const rest = { constants: [1] };
    const axis = of("int32", [0], []);
    await run("CumSum", [of("uint64", [TOP, 2n, 3n]), axis], of("uint64", [TOP, 1n, 4n]), rest);
    await run("CumSum", [of("float64", [0.1, 0.2]), axis], of("float64", [0.1, 0.1 + 0.2]), rest);
    await run("CumProd", [of("int32", [2, 3, 4]), axis], of("int32", [2, 6, 24]), rest);
    const attributes = { exclusive: 1, reverse: 1 };
    await run("CumProd", [of("float32", [2, 3, 4]), axis], of("float32", [12, 4, 1]), { ...rest, attributes });
  });

  test("ScatterND combines every type", async () => {
    const types: readonly ElementType[] = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"];
    for (const type of types) {
      const inputs = [of(type, [1, 2, 3]), of("int64", [1n, 1n], [2, 1]), of(type, [5, 7])];
      await run("ScatterND", inputs, of(type, [1, 14, 3]), { attributes: { reduction: "add" } });
      await run("ScatterND", inputs, of(type, [1, 7, 3]), { attributes: { reduction: "max" } });
    }
    const wide = [of("uint64", [1n, HALF]), of("int64", [1n], [1, 1]), of("uint64", [3n])];
    await run("ScatterND", wide, of("uint64", [1n, 3n]), { attributes: { reduction: "min" } });
  });

  test("Hardmax takes the first of equals, along any axis", async () => {
    const x = of("float32", [1, 3, 3, 5, 2, 2], [2, 3]);
    await run("Hardmax", [x], of("float32", [0, 1, 0, 1, 0, 0], [2, 3]));
    await run("Hardmax", [x], of("float32", [0, 1, 1, 1, 0, 0], [2, 3]), { attributes: { axis: 0 } });
  });

  test("BitCast keeps the bytes", async () => {
    await run("BitCast", [of("float32", [1, -2])], of("uint32", [0x3f800000, 0xc0000000]), { attributes: { to: 12 } });
  });

  test("normalization of float64 keeps its digits", async () => {
    const x = of("float64", [1e8, 1e8 + 1, 1e8 + 2, 1e8 + 5], [1, 4]);
    const [y] = await agreed({
      ...{ op: "LayerNormalization", inputs: [x, of("float64", [1, 2, 1, 1])], attributes: { epsilon: 0 } },
      outputs: [{ type: "float64", shape: [1, 4] }],
    });
    const deviation = Math.sqrt(3.5);
    const expected = [-2 / deviation, (2 * -1) / deviation, 0, 3 / deviation];
    (y!.data as Float64Array).forEach((v, i) => {
      expect(Math.abs(v - expected[i]!)).toBeLessThan(1e-14);
    });
    expect(sizeOf(y!.dims)).toBe(4);
  });
});
