import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { broadcast, type ElementType, sizeOf, stridesOf, Tensor } from "../../src/tensor/index.ts";
import { agreed, EXTENTS, tensor } from "./agree.ts";
import { runOperator } from "./harness.ts";

const wide = fc.array(fc.constantFrom(...EXTENTS), { minLength: 0, maxLength: 4 });

/** Two shapes that broadcast: both are `shape` with extents made 1 and leading extents left out. */
const pair = fc
  .tuple(wide, fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 4, maxLength: 4 }), fc.nat(2), fc.nat(2))
  .map(([shape, ones, cutA, cutB]) => {
    const a = shape.map((e, i) => (ones[i] === 1 ? 1 : e)).slice(Math.min(cutA, shape.length) * (cutA === 2 ? 1 : 0));
    const b = shape.map((e, i) => (ones[i] === 2 ? 1 : e)).slice(Math.min(cutB, shape.length) * (cutB === 2 ? 1 : 0));
    return [a, b] as const;
  });

/** Index into `shape` of element `i` of `out`. */
function source(i: number, out: readonly number[], shape: readonly number[]): number {
  const strides = stridesOf(out);
  const own = stridesOf(shape);
  const offset = out.length - shape.length;
  return shape.reduce(
    (sum, e, d) => sum + (e === 1 ? 0 : Math.floor(i / strides[d + offset]!) % out[d + offset]!) * own[d]!,
    0,
  );
}

const FLOAT: readonly (readonly [string, (a: number, b: number) => number])[] = [
  ["Add", (a, b) => a + b],
  ["Sub", (a, b) => a - b],
  ["Mul", (a, b) => a * b],
  ["Div", (a, b) => a / b],
  ["Min", (a, b) => Math.min(a, b)],
  ["Max", (a, b) => Math.max(a, b)],
  ["PRelu", (a, b) => (a < 0 ? a * b : a)],
];

describe("binary float32 is one IEEE operation under any broadcast", () => {
  test.each(FLOAT)("%s", async (op, reference) => {
    await fc.assert(
      fc.asyncProperty(pair, fc.nat(999), async ([a, b], seed) => {
        const shape = broadcast(a, b)!;
        const [x, y] = [tensor(seed, a), tensor(seed + 1, b)];
        const [out] = await agreed({ op, inputs: [x, y], outputs: [{ type: "float32", shape }] });
        const expected = Float32Array.from({ length: sizeOf(shape) }, (_, i) =>
          reference((x.data as Float32Array)[source(i, shape, a)]!, (y.data as Float32Array)[source(i, shape, b)]!),
        );
        expect(out!.data).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  test("comparisons, Where, Mod", async () => {
    await fc.assert(
      fc.asyncProperty(pair, fc.nat(999), async ([a, b], seed) => {
        const shape = broadcast(a, b)!;
        const [x, y] = [tensor(seed, a), tensor(seed + 1, b)];
        const at = (i: number): [number, number] => [
          (x.data as Float32Array)[source(i, shape, a)]!,
          (y.data as Float32Array)[source(i, shape, b)]!,
        ];
        const all = (f: (p: [number, number]) => number): number[] =>
          Array.from({ length: sizeOf(shape) }, (_, i) => f(at(i)));
        const outputs = [{ type: "bool", shape }] as const;
        const [less] = await agreed({ op: "Less", inputs: [x, y], outputs });
        expect([...less!.data]).toEqual(all(([p, q]) => Number(p < q)));
        const [atLeast] = await agreed({ op: "GreaterOrEqual", inputs: [x, y], outputs });
        expect([...atLeast!.data]).toEqual(all(([p, q]) => Number(p >= q)));
        const [equal] = await agreed({ op: "Equal", inputs: [x, y], outputs });
        expect([...equal!.data]).toEqual(all(([p, q]) => Number(p === q)));
        const picked = [{ type: "float32", shape }] as const;
        const [where] = await agreed({ op: "Where", inputs: [equal!, x, y], outputs: picked });
        expect([...(where!.data as Float32Array)]).toEqual(all(([p, q]) => (p === q ? p : q)));
        const [fmod] = await agreed({ op: "Mod", attributes: { fmod: 1 }, inputs: [x, y], outputs: picked });
        expect([...(fmod!.data as Float32Array)]).toEqual([...Float32Array.from(all(([p, q]) => p % q))]);
      }),
      { numRuns: 25 },
    );
  });
});

test("remainders of floats are exact, whatever the quotient", async () => {
  const next = (v: number, by: number): number => {
    const word = new Int32Array(Float32Array.of(v).buffer);
    word[0]! += by;
    return new Float32Array(word.buffer)[0]!;
  };
  const divisors = [1, 3, 0.1, 1.5, 2 ** -20, 1e-45, 3e-39, 3e38, 0, Infinity, NaN].map(Math.fround);
  const pairs = divisors.flatMap((q) =>
    [0, 1, 2, 3, 7, 1000.5, 2 ** 23 + 1, 2 ** 24 - 1, 2 ** 24, 2 ** 24 + 2, 2 ** 30, Infinity].flatMap((times) => {
      const multiple = Math.fround(q * times);
      return [0, 1, -1].flatMap((by) => {
        const p = next(multiple, by);
        return [p, -p].flatMap((a) => [q, -q].map((b) => [a, b] as const));
      });
    }),
  );
  const column = (i: 0 | 1): Tensor =>
    new Tensor(
      "float32",
      Float32Array.from(pairs, (pair) => pair[i]),
    );
  const outputs = [{ type: "float32", shape: [pairs.length] }] as const;
  const [y] = await agreed({ op: "Mod", attributes: { fmod: 1 }, inputs: [column(0), column(1)], outputs });
  expect([...(y!.data as Float32Array)]).toEqual([...Float32Array.from(pairs, ([p, q]) => p % q)]);
});

describe("integers", () => {
  const big = (type: "int32" | "int64", v: bigint): bigint => BigInt.asIntN(type === "int32" ? 32 : 64, v);
  const floor = (a: bigint, b: bigint): bigint => {
    const r = a % b;
    return r !== 0n && r < 0n !== b < 0n ? r + b : r;
  };
  const OPS: readonly (readonly [string, (a: bigint, b: bigint) => bigint])[] = [
    ["Add", (a, b) => a + b],
    ["Sub", (a, b) => a - b],
    ["Mul", (a, b) => a * b],
    ["Div", (a, b) => (b === 0n ? 0n : a / b)],
    ["Mod", (a, b) => (b === 0n ? 0n : floor(a, b))],
    ["Max", (a, b) => (a > b ? a : b)],
    ["Min", (a, b) => (a < b ? a : b)],
    ["BitwiseXor", (a, b) => a ^ b],
  ];
  const edges = [0n, 1n, -1n, 7n, -7n, 2n ** 31n - 1n, -(2n ** 31n)];
  test.each(["int32", "int64"] as const)("%s wraps, and x/0 = x mod 0 = 0", async (type) => {
    const values = type === "int64" ? [...edges, 2n ** 63n - 1n, -(2n ** 63n)] : edges;
    const n = values.length;
    const make = (list: bigint[]): Tensor =>
      new Tensor(type, type === "int64" ? BigInt64Array.from(list) : Int32Array.from(list, Number));
    const a = make(values.flatMap((v) => values.map(() => v)));
    const b = make(values.flatMap(() => values));
    for (const [op, f] of OPS) {
      const [out] = await agreed({ op, inputs: [a, b], outputs: [{ type, shape: [n * n] }] });
      const expected = values.flatMap((p) => values.map((q) => big(type, f(p, q))));
      expect(Array.from(out!.data as ArrayLike<number | bigint>, BigInt), op).toEqual(expected);
    }
  });
});

describe("Cast", () => {
  const cases: readonly (readonly [ElementType, number[], ElementType, (number | bigint)[]])[] = [
    [
      "float32",
      [1.9, -1.9, NaN, Infinity, -Infinity, 3e9, -0.5],
      "int32",
      [1, -1, 0, 2147483647, -2147483648, 2147483647, 0],
    ],
    ["float32", [300, -5, 254.9], "uint8", [255, 0, 254]],
    ["float32", [0, -0, 0.1, NaN], "bool", [0, 0, 1, 1]],
    ["int64", [300, -1, 127], "int8", [44, -1, 127]],
    ["int64", [2 ** 24 + 1, -3], "float32", [2 ** 24, -3]],
    [
      "float32",
      [1, 65504, 65520, 6e-8, -2, 1 / 3, 2 ** -14],
      "float16",
      [0x3c00, 0x7bff, 0x7c00, 1, 0xc000, 0x3555, 0x0400],
    ],
    ["float16", [0x3c00, 0x7bff, 0x7c00, 1, 0xc000, 0x8000], "float32", [1, 65504, Infinity, 2 ** -24, -2, -0]],
    ["bool", [0, 1], "float32", [0, 1]],
    ["float64", [1e300, 0.1], "float32", [Infinity, Math.fround(0.1)]],
    ["float32", [-1, 1e20, 5.5], "uint64", [0n, 18446744073709551615n - 0n, 5n]],
  ];
  test.each(cases)("%s %j → %s", async (from, values, to, expected) => {
    const data =
      from === "float16" ? Uint16Array.from(values) : from === "int64" ? BigInt64Array.from(values, BigInt) : values;
    const input = new Tensor(from, data as number[]);
    const [out] = await agreed({ op: "Cast", inputs: [input], outputs: [{ type: to, shape: [values.length] }] });
    expect(Array.from(out!.data as ArrayLike<number | bigint>)).toEqual(expected);
  });
});

test("NaN passes through activations and bounds", async () => {
  const input = new Tensor("float32", Float32Array.of(NaN, -1, 0, 7, NaN));
  for (const op of [
    "Relu",
    "Sigmoid",
    "HardSwish",
    "HardSigmoid",
    "LeakyRelu",
    "Elu",
    "Softplus",
    "Sign",
    "bitbasis/Gelu",
    "Erf",
    "Mish",
  ]) {
    const [name, domain = ""] = op.split("/").reverse() as [string, string?];
    const [y] = await agreed({ op: name, domain, inputs: [input], outputs: [{ type: "float32", shape: [5] }] });
    expect(Array.from(y!.data as Float32Array, Number.isNaN), op).toEqual([true, false, false, false, true]);
  }
});

test("Clip takes its bounds from attributes, constants and inputs", async () => {
  const x = new Tensor("float32", Float32Array.of(-3, 0.5, 9));
  const [low, high] = [new Tensor("float32", [-1], []), new Tensor("float32", [2], [])];
  const outputs = [{ type: "float32", shape: [3] }] as const;
  const cases = [
    { inputs: [x], attributes: { min: -1, max: 2 }, opset: 6 },
    { inputs: [x, low, high], constants: [1, 2] },
    { inputs: [x, low, high] },
  ];
  for (const c of cases) {
    const [y] = await runOperator({ op: "Clip", outputs, ...c });
    expect([...(y!.data as Float32Array)]).toEqual([-1, 0.5, 2]);
  }
});
