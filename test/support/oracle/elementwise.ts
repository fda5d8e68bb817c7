import { bigs, first, floats, type Operation, type Operator, type Operators } from "./operation.ts";
import {
  broadcastAt,
  broadcastShape,
  type Element,
  generate,
  isFloat,
  isInteger,
  limits,
  Refusal,
  roundEven,
  roundTo,
  size,
  type Value,
  value,
  widthOf,
  wrap,
} from "./value.ts";

/** erf by its series, and 1 − erfc by a continued fraction further out. */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let [sum, term] = [x, x];
    for (let n = 1; n < 100; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 80; k > 0; k--) fraction = k / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction));
}

const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const gelu = (x: number, approximate: string): number =>
  approximate === "tanh"
    ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
    : 0.5 * x * (1 + erf(x / Math.SQRT2));

type Float = (x: number, op: Operation) => number;

/** Functions that are defined on floats only. */
const FLOAT: Readonly<Record<string, Float>> = {
  Ceil: Math.ceil,
  Floor: Math.floor,
  Round: roundEven,
  Sqrt: Math.sqrt,
  Reciprocal: (x) => 1 / x,
  Exp: Math.exp,
  Log: Math.log,
  Tanh: Math.tanh,
  Sinh: Math.sinh,
  Cosh: Math.cosh,
  Tan: Math.tan,
  Asin: Math.asin,
  Acos: Math.acos,
  Atan: Math.atan,
  Asinh: Math.asinh,
  Acosh: Math.acosh,
  Atanh: Math.atanh,
  Sin: Math.sin,
  Cos: Math.cos,
  Sigmoid: sigmoid,
  Erf: erf,
  Softplus: softplus,
  Softsign: (x) => x / (1 + Math.abs(x)),
  Mish: (x) => x * Math.tanh(softplus(x)),
  HardSwish: (x) => x * clamp(x / 6 + 0.5, 0, 1),
  HardSigmoid: (x, op) => clamp(op.number("alpha", 0.2) * x + op.number("beta", 0.5), 0, 1),
  LeakyRelu: (x, op) => (x < 0 ? op.number("alpha", 0.01) * x : x),
  ThresholdedRelu: (x, op) => (x > op.number("alpha", 1) ? x : 0),
  Elu: (x, op) => (x < 0 ? op.number("alpha", 1) * Math.expm1(x) : x),
  Selu: (x, op) =>
    op.number("gamma", 1.0507009873554805) * (x > 0 ? x : op.number("alpha", 1.6732632423543772) * Math.expm1(x)),
  Celu: (x, op) => Math.max(0, x) + Math.min(0, op.number("alpha", 1) * Math.expm1(x / op.number("alpha", 1))),
  Swish: (x, op) => x * sigmoid(op.number("alpha", 1) * x),
  Gelu: (x, op) => gelu(x, op.text("approximate", "none")),
};

function mapped(f: Float): Operator {
  return (op) => {
    const x = op.x();
    if (!isFloat(x.type)) throw new Refusal(`${op.node.op} of ${x.type}`);
    return [
      value(
        x.type,
        x.dims,
        floats(x).map((v) => f(v, op)),
      ),
    ];
  };
}

/** One function on floats and one on integers. */
function both(f: (x: number, op: Operation) => number, g: (x: bigint, op: Operation) => bigint): Operator {
  return (op) => {
    const x = op.x();
    const data = isFloat(x.type) ? floats(x).map((v) => f(v, op)) : bigs(x).map((v) => g(v, op));
    return [value(x.type, x.dims, data)];
  };
}

/** The shape of two operands; before opset 7 the second is aligned at `axis`. */
function operands(op: Operation): [Value, Value] {
  const [a, b] = [op.x(0), op.x(1)];
  if (op.opset >= 7 || op.number("broadcast", 0) === 0) return [a, b];
  const axis = op.number("axis", a.dims.length - b.dims.length);
  const trailing = a.dims.length - (axis < 0 ? axis + a.dims.length : axis) - b.dims.length;
  return [a, { ...b, dims: [...b.dims, ...new Array<number>(Math.max(0, trailing)).fill(1)] }];
}

export function zip(type: string, a: Value, b: Value, f: (x: Element, y: Element) => Element): Value {
  return generate(type, broadcastShape(a.dims, b.dims), (i) => f(broadcastAt(a, i), broadcastAt(b, i)));
}

type Pair = readonly [(x: number, y: number) => number, (x: bigint, y: bigint, type: string) => bigint];

const nan = (x: number, y: number, f: (x: number, y: number) => number): number =>
  Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : f(x, y);
const divide = (x: bigint, y: bigint): bigint => {
  if (y === 0n) throw new Refusal("integer division by zero");
  return x / y;
};
const remainder = (x: bigint, y: bigint): bigint => {
  if (y === 0n) throw new Refusal("remainder by zero");
  return x % y;
};

const ARITHMETIC: Readonly<Record<string, Pair>> = {
  Add: [(x, y) => x + y, (x, y) => x + y],
  Sub: [(x, y) => x - y, (x, y) => x - y],
  Mul: [(x, y) => x * y, (x, y) => x * y],
  Div: [(x, y) => x / y, divide],
  Max: [(x, y) => nan(x, y, Math.max), (x, y) => (x > y ? x : y)],
  Min: [(x, y) => nan(x, y, Math.min), (x, y) => (x < y ? x : y)],
};

function sameType(a: Value, b: Value, op: Operation): void {
  if (a.type !== b.type) throw new Refusal(`${op.node.op} of ${a.type} and ${b.type}`);
}

function pair(a: Value, b: Value, [f, g]: Pair): Value {
  return zip(
    a.type,
    a,
    b,
    (x, y) => (isFloat(a.type) ? f(x as number, y as number) : g(x as bigint, y as bigint, a.type)) as Element,
  );
}

const arithmetic =
  (functions: Pair): Operator =>
  (op) => {
    const [a, b] = operands(op);
    sameType(a, b, op);
    if (a.type === "bool" || a.type === "string") throw new Refusal(`${op.node.op} of ${a.type}`);
    return [pair(a, b, functions)];
  };

const compare =
  (f: (x: Element, y: Element) => boolean): Operator =>
  (op) => {
    const [a, b] = operands(op);
    sameType(a, b, op);
    return [zip("bool", a, b, f)];
  };

const logic =
  (f: (x: boolean, y: boolean) => boolean): Operator =>
  (op) => {
    const [a, b] = operands(op);
    if (a.type !== "bool" || b.type !== "bool") throw new Refusal(`${op.node.op} of ${a.type}`);
    return [zip("bool", a, b, (x, y) => f(x as boolean, y as boolean))];
  };

const bitwise =
  (f: (x: bigint, y: bigint, type: string) => bigint): Operator =>
  (op) => {
    const [a, b] = operands(op);
    sameType(a, b, op);
    if (!isInteger(a.type)) throw new Refusal(`${op.node.op} of ${a.type}`);
    return [zip(a.type, a, b, (x, y) => f(x as bigint, y as bigint, a.type))];
  };

/** Sign of the divisor, as Python's; of the dividend with fmod, as C's. */
const mod: Operator = (op) => {
  const [a, b] = operands(op);
  sameType(a, b, op);
  const fmod = op.number("fmod", 0) === 1;
  if (isFloat(a.type) && !fmod) throw new Refusal("Mod of floats needs fmod");
  const python = (x: bigint, y: bigint): bigint => {
    const rest = remainder(x, y);
    return rest !== 0n && rest < 0n !== y < 0n ? rest + y : rest;
  };
  return [pair(a, b, [(x, y) => x % y, fmod ? remainder : python])];
};

const pow: Operator = (op) => {
  const [a, b] = operands(op);
  const power = (x: Element, y: Element): Element => {
    if (isFloat(a.type))
      return isInteger(b.type) ? integerPower(x as number, y as bigint) : power1(x as number, y as number);
    if (isInteger(b.type)) {
      if ((y as bigint) >= 0n) return modularPower(x as bigint, y as bigint, a.type);
      if (x === 0n) throw new Refusal("0 to a negative power");
      return x === 1n ? 1n : x === -1n ? ((y as bigint) % 2n === 0n ? 1n : -1n) : 0n;
    }
    return toInteger((Number(x) as number) ** (y as number), a.type);
  };
  return [zip(a.type, a, b, power)];
};

/** C's pow: 1 to anything and anything to 0 are 1, where JavaScript says NaN. */
function power1(x: number, y: number): number {
  return x === 1 || y === 0 ? 1 : x === -1 && !Number.isFinite(y) && !Number.isNaN(y) ? 1 : x ** y;
}

/** Number(2^53 + 1) would lose the parity. */
function integerPower(x: number, y: bigint): number {
  const size = power1(Math.abs(x), Number(y));
  return (x < 0 || Object.is(x, -0)) && y % 2n !== 0n ? -size : size;
}

function modularPower(x: bigint, y: bigint, type: string): bigint {
  const modulus = 1n << BigInt(widthOf(type));
  let [result, base, rest] = [1n, x, y];
  for (; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * base) % modulus;
    base = (base * base) % modulus;
  }
  return result;
}

/** Towards zero; what lies outside of the type is not defined by the standard. */
export function toInteger(x: number, type: string): bigint {
  const [low, high] = limits(type);
  if (Number.isNaN(x)) throw new Refusal(`NaN as ${type}`);
  const whole = Math.trunc(x);
  if (!(whole >= Number(low) && whole <= Number(high)) || (widthOf(type) === 64 && whole >= Number(high)))
    throw new Refusal(`${x} as ${type}`);
  return BigInt(whole);
}

/** An element of one type as one of another. */
export function convert(x: Element, from: string, to: string): Element {
  if (from === to) return x;
  if (from === "string" || to === "string") throw new Refusal("casts of strings");
  if (to === "bool") return x !== 0 && x !== 0n && x !== false;
  if (isFloat(to)) return roundTo(to, Number(x));
  if (typeof x === "number") return toInteger(x, to);
  return wrap(to, BigInt(x as bigint | boolean));
}

const TYPES: Readonly<Record<number, string>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
  16: "bfloat16",
};

export function typeOf(code: number): string {
  const type = TYPES[code];
  if (type === undefined) throw new Refusal(`element type ${code}`);
  return type;
}

const cast = (x: Value, to: string): Value =>
  value(
    to,
    x.dims,
    x.data.map((v) => convert(v, x.type, to)),
  );

const clip: Operator = (op) => {
  const x = op.x();
  const bound = (i: number, name: string): Element | undefined => {
    const given = op.inputs[i];
    if (given !== undefined && size(given.dims) !== 1) throw new Refusal("a bound is no scalar");
    return first(given) ?? (op.opset < 11 ? op.number(name, name === "min" ? -3.4e38 : 3.4e38) : undefined);
  };
  const [low, high] = [bound(1, "min"), bound(2, "max")];
  const data = x.data.map((v) => {
    if (Number.isNaN(v)) return v;
    let clipped = v;
    if (low !== undefined && clipped < low) clipped = low;
    if (high !== undefined && clipped > high) clipped = high;
    return clipped;
  });
  return [value(x.type, x.dims, data)];
};

const variadic =
  (functions: Pair, mean = false): Operator =>
  (op) => {
    let sum = op.x(0);
    for (let i = 1; i < op.inputs.length; i++) {
      sameType(sum, op.x(i), op);
      sum = pair(sum, op.x(i), functions);
    }
    const n = op.inputs.length;
    return [
      mean
        ? value(
            sum.type,
            sum.dims,
            floats(sum).map((v) => v / n),
          )
        : sum,
    ];
  };

const where: Operator = (op) => {
  const [c, a, b] = [op.x(0), op.x(1), op.x(2)];
  sameType(a, b, op);
  if (c.type !== "bool") throw new Refusal(`a condition of ${c.type}`);
  const dims = broadcastShape(c.dims, a.dims, b.dims);
  return [generate(a.type, dims, (i) => broadcastAt(broadcastAt(c, i) ? a : b, i))];
};

const prelu: Operator = (op) => {
  const [x, slope] = [op.x(0), op.x(1)];
  sameType(x, slope, op);
  if (op.opset >= 7 && broadcastShape(x.dims, slope.dims).join() !== x.dims.join())
    throw new Refusal("a slope that does not broadcast to the input");
  const aligned =
    op.opset < 7 && slope.dims.length === 1 && x.dims.length > 2
      ? { ...slope, dims: [...slope.dims, ...x.dims.slice(2).map(() => 1)] }
      : slope;
  return [pair(x, aligned, [(v, s) => (v < 0 ? v * s : v), (v, s) => (v < 0n ? v * s : v)])];
};

const shrink = (x: number, op: Operation): number => {
  const [bias, lambda] = [op.number("bias", 0), op.number("lambd", 0.5)];
  return x < -lambda ? x + bias : x > lambda ? x - bias : 0;
};

export const elementwise: Operators = {
  ...Object.fromEntries(Object.entries(FLOAT).map(([name, f]) => [name, mapped(f)])),
  ...Object.fromEntries(Object.entries(ARITHMETIC).map(([name, functions]) => [name, arithmetic(functions)])),
  Abs: both(Math.abs, (x) => (x < 0n ? -x : x)),
  Neg: both(
    (x) => -x,
    (x) => -x,
  ),
  Sign: both(Math.sign, (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n)),
  Relu: both(
    (x) => (Number.isNaN(x) ? x : Math.max(x, 0)),
    (x) => (x > 0n ? x : 0n),
  ),
  Shrink: both(shrink, (x, op) => toInteger(shrink(Number(x), op), op.x().type)),
  Max: variadic(ARITHMETIC["Max"]!),
  Min: variadic(ARITHMETIC["Min"]!),
  Sum: variadic(ARITHMETIC["Add"]!),
  Mean: variadic(ARITHMETIC["Add"]!, true),
  Mod: mod,
  Pow: pow,
  PRelu: prelu,
  Equal: compare((x, y) => x === y),
  Less: compare((x, y) => x < y),
  LessOrEqual: compare((x, y) => x <= y),
  Greater: compare((x, y) => x > y),
  GreaterOrEqual: compare((x, y) => x >= y),
  And: logic((x, y) => x && y),
  Or: logic((x, y) => x || y),
  Xor: logic((x, y) => x !== y),
  Not: (op) => [
    value(
      "bool",
      op.x().dims,
      op.x().data.map((v) => !v),
    ),
  ],
  BitwiseAnd: bitwise((x, y) => x & y),
  BitwiseOr: bitwise((x, y) => x | y),
  BitwiseXor: bitwise((x, y) => x ^ y),
  BitwiseNot: both(
    () => Number.NaN,
    (x) => ~x,
  ),
  BitShift: (op) => {
    const left = op.text("direction", "") === "LEFT";
    // A shift by the width or more is not defined in C; the standard says nothing, all bits gone is what the core does.
    return bitwise((x, y, type) => (y >= BigInt(widthOf(type)) ? 0n : left ? x << y : x >> y))(op);
  },
  IsNaN: (op) => [
    value(
      "bool",
      op.x().dims,
      floats(op.x()).map((v) => Number.isNaN(v)),
    ),
  ],
  IsInf: (op) => {
    const [up, down] = [op.number("detect_positive", 1), op.number("detect_negative", 1)];
    const inf = Number.POSITIVE_INFINITY;
    return [
      value(
        "bool",
        op.x().dims,
        floats(op.x()).map((v) => (up !== 0 && v === inf) || (down !== 0 && v === -inf)),
      ),
    ];
  },
  Where: where,
  Clip: clip,
  Cast: (op) => [cast(op.x(), typeOf(op.number("to", 0)))],
  CastLike: (op) => [cast(op.x(), op.x(1).type)],
};

/** com.microsoft's. */
export const contribElementwise: Operators = {
  Gelu: mapped((x) => gelu(x, "none")),
  QuickGelu: mapped((x, op) => x * sigmoid(op.number("alpha", 1.702) * x)),
  FastGelu: (op) => [
    (op.has(1) ? elementwise["Add"]!(op)[0]! : op.x()).type === "float32"
      ? value(
          "float32",
          op.x().dims,
          floats(op.has(1) ? elementwise["Add"]!(op)[0]! : op.x()).map((x) => gelu(x, "tanh")),
        )
      : op.x(),
  ],
  BiasGelu: (op) => [
    value(
      op.x().type,
      op.x().dims,
      floats(elementwise["Add"]!(op)[0]!).map((x) => gelu(x, "none")),
    ),
  ],
};
