import { first, type Operation, type Operator, type Operators } from "./operation.ts";
import {
  axisOf,
  type Element,
  flat,
  generate,
  indices,
  isFloat,
  Refusal,
  size,
  strides,
  type Value,
  value,
} from "./value.ts";

/** An index of an axis; negative ones count from the end. */
function placed(index: number, extent: number): number {
  if (!Number.isInteger(index) || index < -extent || index >= extent)
    throw new Refusal(`index ${index} of an axis of ${extent}`);
  return index < 0 ? index + extent : index;
}

/** The element of `x` at an index whose position on one axis is another. */
function along(x: Value, index: readonly number[], axis: number, at: number): Element {
  return x.data[
    flat(
      x.dims,
      index.map((v, a) => (a === axis ? at : v)),
    )
  ]!;
}

const gather: Operator = (op) => {
  const [x, at] = [op.x(0), op.x(1)];
  const axis = axisOf(op.number("axis", 0), x.dims.length);
  const dims = [...x.dims.slice(0, axis), ...at.dims, ...x.dims.slice(axis + 1)];
  return [
    generate(x.type, dims, (i) => {
      const chosen = at.data[flat(at.dims, i.slice(axis, axis + at.dims.length))];
      const position = placed(Number(chosen), x.dims[axis]!);
      return x.data[flat(x.dims, [...i.slice(0, axis), position, ...i.slice(axis + at.dims.length)])]!;
    }),
  ];
};

function checkWithin(at: Value, x: Value, axis: number): void {
  const outside = at.dims.some((d, i) => i !== axis && d > x.dims[i]!);
  if (at.dims.length !== x.dims.length || outside) throw new Refusal(`indices [${at.dims}] of data [${x.dims}]`);
}

const gatherElements: Operator = (op) => {
  const [x, at] = [op.x(0), op.x(1)];
  const axis = axisOf(op.number("axis", 0), x.dims.length);
  checkWithin(at, x, axis);
  return [
    generate(x.type, at.dims, (i) => {
      const position = placed(Number(at.data[flat(at.dims, i)]), x.dims[axis]!);
      return x.data[
        flat(
          x.dims,
          i.map((v, a) => (a === axis ? position : v)),
        )
      ]!;
    }),
  ];
};

/** Start of the slice that a tuple of indices names. */
function sliceAt(x: Value, batch: readonly number[], tuple: readonly number[]): number {
  const whole = [...batch, ...tuple.map((index, i) => placed(index, x.dims[batch.length + i]!))];
  return whole.reduce((sum, index, axis) => sum + index * strides(x.dims)[axis]!, 0);
}

const gatherND: Operator = (op) => {
  const [x, at] = [op.x(0), op.x(1)];
  const batch = op.number("batch_dims", 0);
  if (at.type !== "int64") throw new Refusal(`indices of ${at.type}`);
  const depth = at.dims.at(-1)!;
  if (x.dims.slice(0, batch).join() !== at.dims.slice(0, batch).join()) throw new Refusal("batches that do not fit");
  const rest = x.dims.slice(batch + depth);
  const data: Element[] = [];
  for (const i of indices(at.dims.slice(0, -1))) {
    const tuple = Array.from({ length: depth }, (_, k) => Number(at.data[flat(at.dims, [...i, k])]));
    const start = sliceAt(x, i.slice(0, batch), tuple);
    data.push(...x.data.slice(start, start + size(rest)));
  }
  return [value(x.type, [...at.dims.slice(0, -1), ...rest], data)];
};

/** How an update meets what is there. */
function combine(op: Operation, old: Element, update: Element): Element {
  const reduction = op.text("reduction", "none");
  if (reduction === "none") return update;
  if (typeof old === "boolean") {
    return reduction === "add" || reduction === "max" ? old || update : old && update;
  }
  const [a, b] = [old as number, update as number];
  if (reduction === "add") return a + b;
  if (reduction === "mul") return a * b;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
  if (reduction === "max") return a > b ? a : b;
  if (reduction === "min") return a < b ? a : b;
  throw new Refusal(`reduction ${reduction}`);
}

const scatterElements: Operator = (op) => {
  const [x, at, updates] = [op.x(0), op.x(1), op.x(2)];
  const axis = axisOf(op.number("axis", 0), x.dims.length);
  checkWithin(at, x, axis);
  if (updates.dims.join() !== at.dims.join() || updates.type !== x.type) throw new Refusal("updates that do not fit");
  const data = [...x.data];
  for (const i of indices(at.dims)) {
    const position = placed(Number(at.data[flat(at.dims, i)]), x.dims[axis]!);
    const to = flat(
      x.dims,
      i.map((v, a) => (a === axis ? position : v)),
    );
    data[to] = value(x.type, [], [combine(op, data[to]!, updates.data[flat(at.dims, i)]!)]).data[0]!;
  }
  return [value(x.type, x.dims, data)];
};

const scatterND: Operator = (op) => {
  const [x, at, updates] = [op.x(0), op.x(1), op.x(2)];
  const depth = at.dims.at(-1)!;
  if (at.type !== "int64") throw new Refusal(`indices of ${at.type}`);
  const rest = x.dims.slice(depth);
  if (updates.dims.join() !== [...at.dims.slice(0, -1), ...rest].join()) throw new Refusal("updates that do not fit");
  const data = [...x.data];
  let from = 0;
  for (const i of indices(at.dims.slice(0, -1))) {
    const tuple = Array.from({ length: depth }, (_, k) => Number(at.data[flat(at.dims, [...i, k])]));
    const start = sliceAt(x, [], tuple);
    for (let k = 0; k < size(rest); k++, from++) {
      data[start + k] = value(x.type, [], [combine(op, data[start + k]!, updates.data[from]!)]).data[0]!;
    }
  }
  return [value(x.type, x.dims, data)];
};

const oneHot: Operator = (op) => {
  const [at, values] = [op.x(0), op.x(2)];
  const depth = Number(first(op.x(1)));
  const rank = at.dims.length + 1;
  const axis = axisOf(op.number("axis", -1), rank);
  const dims = [...at.dims.slice(0, axis), depth, ...at.dims.slice(axis)];
  return [
    generate(values.type, dims, (i) => {
      const index = Number(
        at.data[
          flat(
            at.dims,
            i.filter((_, a) => a !== axis),
          )
        ],
      );
      return values.data[(index < 0 ? index + depth : index) === i[axis] ? 1 : 0]!;
    }),
  ];
};

const truthy = (x: Element): boolean => x !== 0 && x !== 0n && x !== false;

const nonZero: Operator = (op) => {
  const x = op.x();
  const found = [...indices(x.dims)].filter((i) => truthy(x.data[flat(x.dims, i)]!));
  const data = x.dims.flatMap((_, axis) => found.map((i) => BigInt(i[axis]!)));
  return [value("int64", [x.dims.length, found.length], data)];
};

const compress: Operator = (op) => {
  const x = op.x();
  const chosen = op.x(1).data.flatMap((v, i) => (v === true ? [i] : []));
  if (!("axis" in op.node.attributes))
    return [
      value(
        x.type,
        [chosen.length],
        chosen.map((i) => x.data[i]!),
      ),
    ];
  const axis = axisOf(op.number("axis", 0), x.dims.length);
  const dims = x.dims.map((d, i) => (i === axis ? chosen.length : d));
  return [
    generate(
      x.type,
      dims,
      (i) =>
        x.data[
          flat(
            x.dims,
            i.map((v, a) => (a === axis ? chosen[v]! : v)),
          )
        ]!,
    ),
  ];
};

/** Indices from the largest (smallest) to the other end; NaN counts as the largest, of equals the first comes first. */
export function order(line: readonly Element[], largest: boolean): number[] {
  const before = (a: Element, b: Element): boolean => {
    if (Number.isNaN(a) || Number.isNaN(b))
      return largest ? Number.isNaN(a) && !Number.isNaN(b) : !Number.isNaN(a) && Number.isNaN(b);
    return largest ? a > b : a < b;
  };
  return line
    .map((_, i) => i)
    .sort((i, j) => (before(line[i]!, line[j]!) ? -1 : before(line[j]!, line[i]!) ? 1 : i - j));
}

const topK: Operator = (op) => {
  const x = op.x();
  const axis = axisOf(op.number("axis", -1), x.dims.length);
  const k = op.opset < 10 ? op.number("k", 0) : Number(first(op.x(1)));
  const largest = op.number("largest", 1) === 1;
  if (k < 0 || k > x.dims[axis]!) throw new Refusal(`the first ${k} of ${x.dims[axis]}`);
  const dims = x.dims.map((d, i) => (i === axis ? k : d));
  const chosen = generate("int64", dims, (i) => {
    const line = Array.from(
      { length: x.dims[axis]! },
      (_, at) =>
        x.data[
          flat(
            x.dims,
            i.map((v, a) => (a === axis ? at : v)),
          )
        ]!,
    );
    return BigInt(order(line, largest)[i[axis]!]!);
  });
  const values = generate(x.type, dims, (i) => {
    const at = Number(chosen.data[flat(dims, i)]);
    return x.data[
      flat(
        x.dims,
        i.map((v, a) => (a === axis ? at : v)),
      )
    ]!;
  });
  return [values, chosen];
};

const arg =
  (largest: boolean): Operator =>
  (op) => {
    const x = op.x();
    const axis = axisOf(op.number("axis", 0), x.dims.length);
    const last = op.number("select_last_index", 0) === 1;
    if (x.dims[axis] === 0) throw new Refusal("the largest of nothing");
    const kept = x.dims.map((d, i) => (i === axis ? 1 : d));
    const found = generate("int64", kept, (i) => {
      const line = Array.from(
        { length: x.dims[axis]! },
        (_, at) =>
          x.data[
            flat(
              x.dims,
              i.map((v, a) => (a === axis ? at : v)),
            )
          ]!,
      );
      // NaN is taken for the smallest too, as numpy does.
      const best = line.find(Number.isNaN) ?? line[order(line, largest)[0]!]!;
      const same = (v: Element): boolean => Object.is(v, best) || v === best;
      return BigInt(last ? line.findLastIndex(same) : line.findIndex(same));
    });
    if (op.number("keepdims", 1) === 1) return [found];
    return [
      value(
        "int64",
        x.dims.filter((_, i) => i !== axis),
        found.data,
      ),
    ];
  };

const cumulate =
  (product: boolean): Operator =>
  (op) => {
    const x = op.x();
    const axis = axisOf(Number(first(op.x(1))), x.dims.length);
    const exclusive = op.number("exclusive", 0) === 1;
    const reverse = op.number("reverse", 0) === 1;
    const neutral = isFloat(x.type) ? Number(product) : BigInt(product);
    return [
      generate(x.type, x.dims, (i) => {
        const here = i[axis]!;
        let sum: number | bigint = neutral;
        for (let at = 0; at < x.dims[axis]!; at++) {
          if ((reverse ? at < here : at > here) || (exclusive && at === here)) continue;
          const v = along(x, i, axis, at) as number;
          sum = product ? (sum as number) * v : (sum as number) + v;
        }
        return sum;
      }),
    ];
  };

export const indexing: Operators = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  OneHot: oneHot,
  NonZero: nonZero,
  Compress: compress,
  TopK: topK,
  ArgMax: arg(true),
  ArgMin: arg(false),
  CumSum: cumulate(false),
  CumProd: cumulate(true),
};
