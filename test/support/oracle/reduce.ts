import { floats, type Operation, type Operator, type Operators } from "./operation.ts";
import {
  axisOf,
  type Element,
  flat,
  generate,
  indices,
  isFloat,
  limits,
  Refusal,
  size,
  type Value,
  value,
} from "./value.ts";

interface Reduction {
  readonly float: (line: number[]) => number;
  readonly integer?: (line: bigint[], type: string) => bigint;
  readonly bool?: (line: boolean[]) => boolean;
}

const sum = (line: readonly number[]): number => line.reduce((a, b) => a + b, 0);
const bigSum = (line: readonly bigint[]): bigint => line.reduce((a, b) => a + b, 0n);
const largest = (line: readonly number[]): number =>
  line.some(Number.isNaN) ? Number.NaN : line.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

/** Sums that leave the type are not defined. */
function bigMean(line: readonly bigint[], type: string): bigint {
  const [low, high] = limits(type);
  const total = bigSum(line);
  if (total < low || total > high) throw new Refusal(`a mean whose sum leaves ${type}`);
  return total / BigInt(line.length);
}

function logSumExp(line: readonly number[]): number {
  const most = largest(line);
  return Number.isFinite(most) ? most + Math.log(sum(line.map((v) => Math.exp(v - most)))) : most;
}

const REDUCTIONS: Readonly<Record<string, Reduction>> = {
  Sum: { float: sum, integer: bigSum },
  Mean: { float: (line) => sum(line) / line.length, integer: bigMean },
  Max: {
    float: largest,
    integer: (line, type) => line.reduce((a, b) => (a > b ? a : b), limits(type)[0]),
    bool: (line) => line.some((v) => v),
  },
  Min: {
    float: (line) => -largest(line.map((v) => -v)),
    integer: (line, type) => line.reduce((a, b) => (a < b ? a : b), limits(type)[1]),
    bool: (line) => line.every((v) => v),
  },
  Prod: { float: (line) => line.reduce((a, b) => a * b, 1), integer: (line) => line.reduce((a, b) => a * b, 1n) },
  L1: { float: (line) => sum(line.map(Math.abs)), integer: (line) => bigSum(line.map((v) => (v < 0n ? -v : v))) },
  L2: { float: (line) => Math.sqrt(sum(line.map((v) => v * v))) },
  SumSquare: { float: (line) => sum(line.map((v) => v * v)), integer: (line) => bigSum(line.map((v) => v * v)) },
  LogSum: { float: (line) => Math.log(sum(line)) },
  LogSumExp: { float: logSumExp },
};

function reduce({ float, integer, bool }: Reduction): Operator {
  return (op) => {
    const x = op.x();
    const given = op.listOr("axes", 1) ?? [];
    if (given.length === 0 && op.number("noop_with_empty_axes", 0) === 1) return [x];
    const axes = given.length === 0 ? x.dims.map((_, i) => i) : given.map((a) => axisOf(a, x.dims.length));
    if (new Set(axes).size !== axes.length) throw new Refusal("an axis twice");
    const inner = axes.map((a) => x.dims[a]!);
    const kept = x.dims.map((d, i) => (axes.includes(i) ? 1 : d));
    const result = generate(x.type, kept, (i) => {
      const line: Element[] = [...indices(inner)].map((j) => {
        const from = [...i];
        axes.forEach((a, k) => {
          from[a] = j[k]!;
        });
        return x.data[flat(x.dims, from)]!;
      });
      if (isFloat(x.type)) return float(line as number[]);
      if (x.type === "bool" && bool !== undefined) return bool(line as boolean[]);
      if (x.type === "bool" || integer === undefined) throw new Refusal(`${op.node.op} of ${x.type}`);
      if (line.length === 0 && op.node.op === "ReduceMean") throw new Refusal("the mean of no integers");
      return integer(line as bigint[], x.type);
    });
    if (op.number("keepdims", 1) === 1) return [result];
    return [
      value(
        x.type,
        kept.filter((_, i) => !axes.includes(i)),
        result.data,
      ),
    ];
  };
}

/** Lines along an axis, or, before opset 13, rows of the input made flat there. */
function alongAxis(f: (line: number[]) => number[]): Operator {
  return (op) => {
    const x = op.x();
    const axis = axisOf(op.number("axis", op.opset < 13 ? 1 : -1), Math.max(1, x.dims.length));
    const dims =
      op.opset < 13
        ? [size(x.dims.slice(0, axis)), size(x.dims.slice(axis)), 1]
        : [size(x.dims.slice(0, axis)), x.dims[axis] ?? 1, size(x.dims.slice(axis + 1))];
    const [outer, extent, inner] = dims as [number, number, number];
    const data = new Array<number>(x.data.length);
    for (let o = 0; o < outer; o++)
      for (let n = 0; n < inner; n++) {
        const at = (k: number): number => (o * extent + k) * inner + n;
        const line = Array.from({ length: extent }, (_, k) => floats(x)[at(k)]!);
        for (const [k, v] of f(line).entries()) data[at(k)] = v;
      }
    return [value(x.type, x.dims, data)];
  };
}

function softmax(line: number[]): number[] {
  const most = largest(line);
  const powers = line.map((v) => Math.exp(v - most));
  const total = sum(powers);
  return powers.map((v) => v / total);
}

const normalized = (line: number[], epsilon: number): { mean: number; inverse: number; line: number[] } => {
  const mean = sum(line) / line.length;
  const variance = sum(line.map((v) => (v - mean) ** 2)) / line.length;
  const inverse = 1 / Math.sqrt(variance + epsilon);
  return { mean, inverse, line: line.map((v) => (v - mean) * inverse) };
};

const perChannel = (x: Value, i: number, channels: number): number => {
  if (x.data.length !== channels) throw new Refusal(`[${x.dims}] for ${channels} channels`);
  return x.data[i] as number;
};

const batchNormalization: Operator = (op) => {
  if (op.number("training_mode", 0) === 1) throw new Refusal("training mode");
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((i) => op.x(i)) as [Value, Value, Value, Value, Value];
  const c = x.dims.length > 1 ? x.dims[1]! : 1;
  const epsilon = op.number("epsilon", 1e-5);
  const y = generate(x.type, x.dims, (i) => {
    const [at, v] = [i[1] ?? 0, x.data[flat(x.dims, i)] as number];
    const factor = perChannel(scale, at, c) / Math.sqrt(perChannel(variance, at, c) + epsilon);
    return (v - perChannel(mean, at, c)) * factor + perChannel(bias, at, c);
  });
  for (const p of [scale, bias, mean, variance]) perChannel(p, 0, c);
  return [y];
};

/** Normalizes runs of `extent` elements, then scales by what `parameter` names for each element. */
function runs(x: Value, extent: number, epsilon: number, affine: (i: number) => [number, number]): Value {
  const data: number[] = [];
  for (let start = 0; start < x.data.length; start += extent) {
    const { line } = normalized(floats(x).slice(start, start + extent), epsilon);
    data.push(...line.map((v, k) => v * affine(start + k)[0] + affine(start + k)[1]));
  }
  return value(x.type, x.dims, data);
}

const instanceNormalization: Operator = (op) => {
  const [x, scale, bias] = [op.x(0), op.x(1), op.x(2)];
  const c = x.dims[1]!;
  const plane = size(x.dims.slice(2));
  for (const p of [scale, bias]) perChannel(p, 0, c);
  return [
    runs(x, Math.max(plane, 1), op.number("epsilon", 1e-5), (i) => {
      const channel = Math.floor(i / plane) % c;
      return [perChannel(scale, channel, c), perChannel(bias, channel, c)];
    }),
  ];
};

const groupNormalization: Operator = (op) => {
  const [x, scale, bias] = [op.x(0), op.x(1), op.x(2)];
  const c = x.dims[1]!;
  const groups = op.number("num_groups", Number.NaN);
  const plane = size(x.dims.slice(2));
  if (c % groups !== 0) throw new Refusal(`${c} channels in ${groups} groups`);
  const count = op.opset < 21 ? groups : c;
  return [
    runs(x, Math.max((c / groups) * plane, 1), op.number("epsilon", 1e-5), (i) => {
      const channel = Math.floor(i / plane) % c;
      const at = op.opset < 21 ? Math.floor(channel / (c / groups)) : channel;
      return [perChannel(scale, at, count), perChannel(bias, at, count)];
    }),
  ];
};

/** The element of a parameter that is broadcast to the whole shape. */
function parameter(op: Operation, i: number, dims: readonly number[], fallback: number): number[] {
  const given = op.inputs[i];
  if (given === undefined) return [fallback];
  if (given.dims.length > dims.length) throw new Refusal("a parameter of higher rank");
  return [...indices(dims)].map((index) => {
    const skip = dims.length - given.dims.length;
    const from = given.dims.map((d, axis) => {
      if (d !== 1 && d !== dims[skip + axis]) throw new Refusal(`[${given.dims}] for [${dims}]`);
      return d === 1 ? 0 : index[skip + axis]!;
    });
    return given.data[flat(given.dims, from)] as number;
  });
}

const layerNormalization =
  (rms: boolean): Operator =>
  (op) => {
    const x = op.x();
    const axis = axisOf(op.number("axis", -1), x.dims.length);
    const extent = size(x.dims.slice(axis));
    const epsilon = op.number("epsilon", 1e-5);
    const [scale, bias] = [parameter(op, 1, x.dims, 1), rms ? [0] : parameter(op, 2, x.dims, 0)];
    const [data, means, inverses]: number[][] = [[], [], []];
    for (let start = 0; start < x.data.length; start += Math.max(extent, 1)) {
      const row = floats(x).slice(start, start + extent);
      const square = 1 / Math.sqrt(sum(row.map((v) => v * v)) / extent + epsilon);
      const { mean, inverse, line } = rms
        ? { mean: 0, inverse: square, line: row.map((v) => v * square) }
        : normalized(row, epsilon);
      means!.push(mean);
      inverses!.push(inverse);
      for (const [k, v] of line.entries())
        data!.push(v * (scale[start + k] ?? scale[0]!) + (bias[start + k] ?? bias[0]!));
    }
    const dims = x.dims.map((d, i) => (i < axis ? d : 1));
    const statistics = [means!, inverses!].map((list) => value("float32", dims, list));
    return [value(x.type, x.dims, data!), ...statistics];
  };

const lpNormalization: Operator = (op) => {
  const p = op.number("p", 2);
  const f = (line: number[]): number[] => {
    const norm = p === 1 ? sum(line.map(Math.abs)) : Math.sqrt(sum(line.map((v) => v * v)));
    return line.map((v) => (norm === 0 ? 0 : v / norm));
  };
  const always = {
    opset: 13,
    number: (name: string, d: number) => (name === "axis" ? op.number("axis", -1) : d),
    x: () => op.x(),
  };
  return alongAxis(f)(always as unknown as Operation);
};

export const reductions: Operators = {
  ...Object.fromEntries(Object.entries(REDUCTIONS).map(([name, r]) => [`Reduce${name}`, reduce(r)])),
  Softmax: alongAxis(softmax),
  LogSoftmax: alongAxis((line) => {
    const total = logSumExp(line);
    return line.map((v) => v - total);
  }),
  Hardmax: alongAxis((line) => {
    const most = line.indexOf(largest(line));
    return line.map((_, i) => Number(i === most));
  }),
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  LayerNormalization: layerNormalization(false),
  RMSNormalization: layerNormalization(true),
  SimplifiedLayerNormalization: layerNormalization(true),
  LpNormalization: lpNormalization,
  MeanVarianceNormalization: (op) => {
    const x = op.x();
    const axes = (op.list("axes") ?? [0, 2, 3]).map((axis) => (axis < 0 ? axis + x.dims.length : axis));
    const outer = x.dims.map((d, i) => (axes.includes(i) ? 1 : d));
    const data = new Array<number>(x.data.length);
    for (const i of indices(outer)) {
      const at = [...indices(x.dims.map((d, a) => (axes.includes(a) ? d : 1)))].map((j) =>
        flat(
          x.dims,
          j.map((v, a) => v + i[a]!),
        ),
      );
      const line = at.map((k) => floats(x)[k]!);
      const mean = sum(line) / line.length;
      const deviation = Math.sqrt(sum(line.map((v) => v * v)) / line.length - mean * mean);
      for (const [k, v] of line.entries()) data[at[k]!] = (v - mean) / (deviation + 1e-9);
    }
    return [value(x.type, x.dims, data)];
  },
};
