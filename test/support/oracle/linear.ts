import { floats, type Operator, type Operators } from "./operation.ts";
import {
  axisOf,
  broadcastAt,
  broadcastShape,
  type Element,
  flat,
  generate,
  indices,
  isFloat,
  Refusal,
  roundEven,
  roundTo,
  type Value,
  value,
} from "./value.ts";

/** NumPy's product of stacks of matrices. */
export function product(type: string, a: Value, b: Value): Value {
  if (a.dims.length === 0 || b.dims.length === 0) throw new Refusal("a product of a scalar");
  const left: Value = a.dims.length === 1 ? { ...a, dims: [1, ...a.dims] } : a;
  const right: Value = b.dims.length === 1 ? { ...b, dims: [...b.dims, 1] } : b;
  const [m, k, n] = [left.dims.at(-2)!, left.dims.at(-1)!, right.dims.at(-1)!];
  if (right.dims.at(-2) !== k) throw new Refusal(`[${a.dims}] times [${b.dims}]`);
  const batch = broadcastShape(left.dims.slice(0, -2), right.dims.slice(0, -2));
  const [starts, ends] = [starting(left, batch), starting(right, batch)];
  const result = generate(type, [...batch, m, n], (i) => {
    const [row, column] = [i.at(-2)!, i.at(-1)!];
    const [from, to] = [starts(i), ends(i)];
    if (!isFloat(type)) {
      let sum = 0n;
      for (let t = 0; t < k; t++)
        sum += (left.data[from + row * k + t] as bigint) * (right.data[to + t * n + column] as bigint);
      return sum;
    }
    let sum = 0;
    for (let t = 0; t < k; t++) sum += floats(left)[from + row * k + t]! * floats(right)[to + t * n + column]!;
    return sum;
  });
  const dims = [...batch, ...(a.dims.length === 1 ? [] : [m]), ...(b.dims.length === 1 ? [] : [n])];
  return { ...result, dims };
}

/** Where the matrix of a stack begins that an index of the result, whose batch axes are `batch`, reads. */
function starting(x: Value, batch: readonly number[]): (index: readonly number[]) => number {
  const own = x.dims.slice(0, -2);
  const matrix = x.dims.at(-2)! * x.dims.at(-1)!;
  const skip = batch.length - own.length;
  return (index) =>
    matrix *
    flat(
      own,
      own.map((d, axis) => (d === 1 ? 0 : index[skip + axis]!)),
    );
}

function sameType(a: Value, b: Value): void {
  if (a.type !== b.type) throw new Refusal(`a product of ${a.type} and ${b.type}`);
}

const matmul: Operator = (op) => {
  sameType(op.x(0), op.x(1));
  return [product(op.x().type, op.x(0), op.x(1))];
};

const gemm: Operator = (op) => {
  const matrix = (i: number, flag: string): Value => {
    const x = op.x(i);
    if (x.dims.length !== 2) throw new Refusal(`Gemm of rank ${x.dims.length}`);
    if (op.number(flag, 0) === 0) return x;
    return generate(x.type, [x.dims[1]!, x.dims[0]!], ([r, c]) => x.data[flat(x.dims, [c!, r!])]!);
  };
  const [a, b] = [matrix(0, "transA"), matrix(1, "transB")];
  sameType(a, b);
  const { type } = a;
  const [alpha, beta] = [op.number("alpha", 1), op.number("beta", 1)];
  const y = product(isFloat(type) ? "float64" : type, isFloat(type) ? { ...a, type: "float64" } : a, b);
  const c = op.has(2) ? op.x(2) : undefined;
  if (c !== undefined && broadcastShape(c.dims, y.dims).join() !== y.dims.join()) throw new Refusal("C does not fit");
  return [
    generate(type, y.dims, (i) => {
      const v = y.data[flat(y.dims, i)]!;
      const w = c === undefined ? undefined : broadcastAt(c, i);
      if (typeof v === "number") return alpha * v + (w === undefined ? 0 : beta * (w as number));
      return BigInt(alpha) * (v as bigint) + (w === undefined ? 0n : BigInt(beta) * (w as bigint));
    }),
  ];
};

/** The sum over every letter that the result does not name. */
const einsum: Operator = (op) => {
  const inputs = op.inputs.map((_, i) => op.x(i));
  const equation = op.text("equation", "").replaceAll(" ", "");
  const [left, given] = equation.split("->") as [string, string | undefined];
  const terms = left.split(",");
  if (terms.length !== inputs.length) throw new Refusal(equation);
  // "…" stands for as many letters as are needed, the same ones from the right.
  const hidden = "ABCDEFGHIJ".split("");
  const deepest = Math.max(
    0,
    ...terms.map((t, i) => (t.includes("...") ? inputs[i]!.dims.length - (t.length - 3) : 0)),
  );
  const spread = (term: string, rank: number): string => {
    const count = rank - (term.length - 3);
    return term.replace("...", hidden.slice(deepest - count, deepest).join(""));
  };
  const letters = terms.map((t, i) => [...(t.includes("...") ? spread(t, inputs[i]!.dims.length) : t)]);
  const extents = new Map<string, number>();
  letters.forEach((list, i) => {
    if (list.length !== inputs[i]!.dims.length) throw new Refusal(`term ${terms[i]}`);
    list.forEach((letter, axis) => {
      const d = inputs[i]!.dims[axis]!;
      const known = extents.get(letter) ?? 1;
      if (known !== 1 && d !== 1 && known !== d) throw new Refusal(`${letter} has two extents`);
      extents.set(letter, known === 1 ? d : known);
    });
  });
  const every = letters.flat();
  const once = [...new Set(every)]
    .filter((l) => every.filter((m) => m === l).length === 1 && !hidden.includes(l))
    .sort();
  const result =
    given === undefined
      ? [...hidden.slice(0, deepest), ...once]
      : [...given.replace("...", hidden.slice(0, deepest).join(""))];
  const rest = [...extents.keys()].filter((l) => !result.includes(l));
  const { type } = inputs[0]!;
  return [
    generate(
      type,
      result.map((l) => extents.get(l)!),
      (at) => {
        let sum: number | bigint = isFloat(type) ? 0 : 0n;
        for (const inner of indices(rest.map((l) => extents.get(l)!))) {
          const place = new Map([
            ...result.map((l, i) => [l, at[i]!] as const),
            ...rest.map((l, i) => [l, inner[i]!] as const),
          ]);
          const factors = inputs.map(
            (x, i) =>
              x.data[
                flat(
                  x.dims,
                  letters[i]!.map((l, axis) => (x.dims[axis] === 1 ? 0 : place.get(l)!)),
                )
              ],
          );
          sum = (sum as never) + (factors.reduce((p, v) => ((p as number) * (v as number)) as never) as never);
        }
        return sum;
      },
    ),
  ];
};

/** x − zero point, whole, per axis `axis` of x or for all. */
function centred(x: Value, zero: Value | undefined, axis: number): Value {
  if (zero === undefined) return { ...x, type: "int32" };
  return {
    ...x,
    type: "int32",
    data: [...indices(x.dims)].map((i, at) => {
      const z = zero.data.length === 1 ? zero.data[0]! : zero.data[i[axis]!]!;
      return (x.data[at] as bigint) - (z as bigint);
    }),
  };
}

const matmulInteger: Operator = (op) => [
  product(
    "int32",
    centred(op.x(0), op.inputs[2], op.x(0).dims.length - 2),
    centred(op.x(1), op.inputs[3], op.x(1).dims.length - 1),
  ),
];

/** The scale or zero point of every element: one, one per channel of `axis`, or one per block of it. */
function spreadOver(x: Value, p: Value, axis: number, block: number): Element[] {
  return [...indices(x.dims)].map((i) => {
    if (p.data.length === 1 && p.dims.length <= 1) return p.data[0]!;
    if (block === 0) return p.data[i[axis]!]!;
    return p.data[
      flat(
        p.dims,
        i.map((v, a) => (a === axis ? Math.floor(v / block) : v)),
      )
    ]!;
  });
}

const RANGES: Readonly<Record<string, [bigint, bigint]>> = {
  int8: [-128n, 127n],
  uint8: [0n, 255n],
  int16: [-32768n, 32767n],
  uint16: [0n, 65535n],
  int4: [-8n, 7n],
  uint4: [0n, 15n],
  int2: [-2n, 1n],
  uint2: [0n, 3n],
};

function saturated(type: string, x: number): bigint {
  const [low, high] = RANGES[type] ?? [];
  if (low === undefined || high === undefined) throw new Refusal(`quantized to ${type}`);
  const rounded = roundEven(x);
  return rounded < Number(low) ? low : rounded > Number(high) ? high : BigInt(rounded);
}

const quantizeLinear: Operator = (op) => {
  const [x, scale, zero] = [op.x(0), op.x(1), op.inputs[2]];
  const type =
    zero?.type ?? ({ 2: "uint8", 3: "int8", 4: "uint16", 5: "int16" }[op.number("output_dtype", 2)] as string);
  const axis = scale.data.length === 1 && scale.dims.length <= 1 ? 0 : axisOf(op.number("axis", 1), x.dims.length);
  const block = op.number("block_size", 0);
  const [s, z] = [spreadOver(x, scale, axis, block), zero && spreadOver(x, zero, axis, block)];
  const data = x.data.map((v, i) => {
    // The division is done in float32, whatever is to be quantized.
    const steps = roundEven(Math.fround(Number(v) / (s[i] as number)));
    return saturated(type, steps + Number(z?.[i] ?? 0));
  });
  return [value(type, x.dims, data)];
};

const dequantizeLinear: Operator = (op) => {
  const [x, scale, zero] = [op.x(0), op.x(1), op.inputs[2]];
  const axis = scale.data.length === 1 && scale.dims.length <= 1 ? 0 : axisOf(op.number("axis", 1), x.dims.length);
  const block = op.number("block_size", 0);
  const [s, z] = [spreadOver(x, scale, axis, block), zero && spreadOver(x, zero, axis, block)];
  return [
    value(
      scale.type,
      x.dims,
      x.data.map((v, i) => Number((v as bigint) - ((z?.[i] ?? 0n) as bigint)) * (s[i] as number)),
    ),
  ];
};

const dynamicQuantizeLinear: Operator = (op) => {
  const x = op.x();
  const [low, high] = [Math.min(0, ...floats(x)), Math.max(0, ...floats(x))];
  const scale = roundTo("float32", (high - low) / 255);
  if (scale === 0) throw new Refusal("all zero");
  const zero = saturated("uint8", Math.fround((0 - low) / scale));
  const data = floats(x).map((v) => saturated("uint8", roundEven(Math.fround(v / scale)) + Number(zero)));
  return [value("uint8", x.dims, data), value("float32", [], [scale]), value("uint8", [], [zero])];
};

const det: Operator = (op) => {
  const x = op.x();
  const n = x.dims.at(-1)!;
  const batch = x.dims.slice(0, -2);
  return [
    generate(x.type, batch, (i) => {
      const at = flat(batch, i) * n * n;
      const rows = Array.from({ length: n }, (_, r) => floats(x).slice(at + r * n, at + r * n + n));
      let result = 1;
      for (let c = 0; c < n; c++) {
        let pivot = c;
        for (let r = c; r < n; r++) if (Math.abs(rows[r]![c]!) > Math.abs(rows[pivot]![c]!)) pivot = r;
        if (rows[pivot]![c] === 0) return 0;
        if (pivot !== c) [rows[c], rows[pivot], result] = [rows[pivot]!, rows[c]!, -result];
        result *= rows[c]![c]!;
        for (let r = c + 1; r < n; r++) {
          const factor = rows[r]![c]! / rows[c]![c]!;
          for (let k = c; k < n; k++) rows[r]![k]! -= factor * rows[c]![k]!;
        }
      }
      return result;
    }),
  ];
};

export const linear: Operators = {
  MatMul: matmul,
  Gemm: gemm,
  Einsum: einsum,
  MatMulInteger: matmulInteger,
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  Det: det,
};
