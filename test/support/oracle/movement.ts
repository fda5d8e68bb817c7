import { typeOf } from "./elementwise.ts";
import { first, type Operation, type Operator, type Operators } from "./operation.ts";
import {
  axisOf,
  broadcastAt,
  broadcastShape,
  type Element,
  flat,
  generate,
  isFloat,
  isInteger,
  Refusal,
  size,
  type Value,
  value,
} from "./value.ts";

const reshaped = (x: Value, dims: readonly number[]): Value[] => [value(x.type, dims, x.data)];

const reshape: Operator = (op) => {
  const x = op.x();
  const wanted = op.listOr("shape", 1)!;
  const zero = op.number("allowzero", 0) === 1;
  const dims = wanted.map((d, i) => {
    if (d !== 0 || zero) return d;
    if (i >= x.dims.length) throw new Refusal(`dimension ${i} of [${x.dims}]`);
    return x.dims[i]!;
  });
  if (dims.filter((d) => d === -1).length > 1 || dims.some((d) => d < -1)) throw new Refusal(`shape [${dims}]`);
  const known = dims.filter((d) => d !== -1).reduce((a, b) => a * b, 1);
  if (dims.includes(-1) && known !== 0 && x.data.length % known !== 0) throw new Refusal(`[${dims}] of [${x.dims}]`);
  return reshaped(
    x,
    dims.map((d) => (d === -1 ? (known === 0 ? 0 : x.data.length / known) : d)),
  );
};

const flatten: Operator = (op) => {
  const x = op.x();
  const given = op.number("axis", 1);
  const axis = given < 0 ? given + x.dims.length : given;
  return reshaped(x, [size(x.dims.slice(0, axis)), size(x.dims.slice(axis))]);
};

const squeeze: Operator = (op) => {
  const x = op.x();
  const axes = op.listOr("axes", 1)?.map((a) => axisOf(a, x.dims.length));
  if (axes?.some((a) => x.dims[a] !== 1)) throw new Refusal(`squeezes [${axes}] of [${x.dims}]`);
  return reshaped(
    x,
    x.dims.filter((d, i) => (axes === undefined ? d !== 1 : !axes.includes(i))),
  );
};

const unsqueeze: Operator = (op) => {
  const x = op.x();
  const given = op.listOr("axes", 1)!;
  const axes = given.map((a) => axisOf(a, x.dims.length + given.length));
  if (new Set(axes).size !== axes.length) throw new Refusal("an axis twice");
  const rest = [...x.dims];
  return reshaped(
    x,
    Array.from({ length: x.dims.length + axes.length }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!)),
  );
};

export function transpose(x: Value, order: readonly number[]): Value {
  if ([...order].sort((a, b) => a - b).join() !== x.dims.map((_, i) => i).join()) throw new Refusal(`perm [${order}]`);
  return generate(
    x.type,
    order.map((a) => x.dims[a]!),
    (i) => {
      const from = x.dims.map(() => 0);
      order.forEach((a, to) => {
        from[a] = i[to]!;
      });
      return x.data[flat(x.dims, from)]!;
    },
  );
}

/** Elements of `x` where an axis is read through a list of positions; −1 gives `fill`. */
export function pick(x: Value, axis: number, positions: readonly number[], fill?: Element): Value {
  const dims = x.dims.map((d, i) => (i === axis ? positions.length : d));
  return generate(x.type, dims, (i) => {
    const position = positions[i[axis]!]!;
    if (position < 0) return fill!;
    return x.data[
      flat(
        x.dims,
        i.map((v, a) => (a === axis ? position : v)),
      )
    ]!;
  });
}

const range = (from: number, to: number, step = 1): number[] => {
  if (Math.abs((to - from) / step) > 2 ** 21) throw new Refusal(`from ${from} to ${to} by ${step}`);
  const list: number[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) list.push(i);
  return list;
};

const concat: Operator = (op) => {
  const parts = op.inputs.map((_, i) => op.x(i));
  const axis = axisOf(op.number("axis", op.opset < 4 ? 1 : Number.NaN), op.x().dims.length);
  for (const { type, dims } of parts) {
    const fits = dims.length === op.x().dims.length && dims.every((d, i) => i === axis || d === op.x().dims[i]);
    if (type !== op.x().type || !fits) throw new Refusal("parts that do not fit");
  }
  const from = parts.flatMap((part) => range(0, part.dims[axis]!).map((position) => ({ part, position })));
  const dims = op.x().dims.map((d, i) => (i === axis ? from.length : d));
  return [
    generate(op.x().type, dims, (i) => {
      const { part, position } = from[i[axis]!]!;
      return part.data[
        flat(
          part.dims,
          i.map((v, a) => (a === axis ? position : v)),
        )
      ]!;
    }),
  ];
};

const split: Operator = (op) => {
  const x = op.x();
  const axis = axisOf(op.number("axis", 0), x.dims.length);
  const count = op.node.outputs.length;
  const extent = x.dims[axis]!;
  const share = Math.ceil(extent / op.number("num_outputs", count));
  const parts = op.listOr("split", 1) ?? range(0, count).map((i) => Math.max(0, Math.min(share, extent - i * share)));
  if (op.list("split") === undefined && !op.has(1) && op.opset < 18 && extent % count !== 0)
    throw new Refusal("uneven parts");
  if (parts.length !== count || parts.reduce((a, b) => a + b, 0) !== extent) throw new Refusal(`parts [${parts}]`);
  let start = 0;
  return parts.map((length) => {
    start += length;
    return pick(x, axis, range(start - length, start));
  });
};

/** Python's slice on each axis, but that a start before the axis is its first element also where steps go back. */
const slice: Operator = (op) => {
  let x = op.x();
  const starts = op.listOr("starts", 1)!;
  const ends = op.listOr("ends", 2)!;
  const axes = (op.listOr("axes", 3) ?? starts.map((_, i) => i)).map((a) => axisOf(a, op.x().dims.length));
  const steps = op.numbers(4) ?? starts.map(() => 1);
  if (new Set(axes).size !== axes.length) throw new Refusal("an axis twice");
  if ([ends, axes, steps].some((list) => list.length !== starts.length)) throw new Refusal("lists of unequal length");
  axes.forEach((axis, i) => {
    const [d, step] = [x.dims[axis]!, steps[i]!];
    if (step === 0) throw new Refusal("step 0");
    const place = (at: number, low: number, high: number): number =>
      Math.min(Math.max(at < 0 ? at + d : at, low), high);
    const [from, to] =
      step > 0
        ? [place(starts[i]!, 0, d), place(ends[i]!, 0, d)]
        : [place(starts[i]!, 0, d - 1), place(ends[i]!, -1, d - 1)];
    x = pick(x, axis, range(from, to, step));
  });
  return [x];
};

/** Where position `p` of a padded axis reads from; −1: the constant. */
function padded(p: number, d: number, mode: string): number {
  if (p >= 0 && p < d) return p;
  if (mode === "constant") return -1;
  if (d === 0) throw new Refusal(`pad ${mode} of an empty axis`);
  if (mode === "edge") return p < 0 ? 0 : d - 1;
  if (mode === "wrap") return ((p % d) + d) % d;
  if (mode !== "reflect") throw new Refusal(`pad mode ${mode}`);
  if (d === 1) return 0;
  const period = 2 * (d - 1);
  const at = ((p % period) + period) % period;
  return at < d ? at : period - at;
}

const pad: Operator = (op) => {
  let x = op.x();
  const mode = op.text("mode", "constant");
  const pads = op.list("paddings") ?? op.listOr("pads", 1)!;
  const axes = (op.numbers(3) ?? x.dims.map((_, i) => i)).map((a) => axisOf(a, op.x().dims.length));
  if (new Set(axes).size !== axes.length || pads.length !== 2 * axes.length) throw new Refusal(`pads [${pads}]`);
  const zero: Element = isFloat(x.type) ? 0 : isInteger(x.type) ? 0n : x.type === "bool" ? false : "";
  const fill = op.has(2) ? first(op.x(2))! : op.opset < 11 ? op.number("value", 0) : zero;
  axes.forEach((axis, i) => {
    const [before, after] = [pads[i]!, pads[axes.length + i]!];
    const d = x.dims[axis]!;
    if (d + before + after < 0) throw new Refusal("pads that take more than there is");
    x = pick(
      x,
      axis,
      range(-before, d + after).map((p) => padded(p, d, mode)),
      fill,
    );
  });
  return [x];
};

const expand: Operator = (op) => {
  const x = op.x();
  const dims = broadcastShape(x.dims, op.numbers(1)!);
  return [generate(x.type, dims, (i) => broadcastAt(x, i))];
};

const tile: Operator = (op) => {
  let x = op.x();
  const repeats =
    op.opset < 6 ? x.dims.map((_, i) => (i === op.numbers(2)![0] ? op.numbers(1)![0]! : 1)) : op.numbers(1)!;
  if (repeats.length !== x.dims.length || repeats.some((r) => r < 0)) throw new Refusal(`repeats [${repeats}]`);
  repeats.forEach((count, axis) => {
    const d = x.dims[axis]!;
    x = pick(
      x,
      axis,
      range(0, count * d).map((p) => p % d),
    );
  });
  return [x];
};

const constantOfShape: Operator = (op) => {
  const dims = op.numbers(0)!;
  if (dims.some((d) => d < 0)) throw new Refusal(`shape [${dims}]`);
  const given = op.tensor("value") ?? value("float32", [1], [0]);
  return [value(given.type, dims, new Array<Element>(size(dims)).fill(given.data[0]!))];
};

const ranged: Operator = (op) => {
  const [start, limit, delta] = [first(op.x(0))!, first(op.x(1))!, first(op.x(2))!];
  const { type } = op.x();
  const count = Math.max(0, Math.ceil((Number(limit) - Number(start)) / Number(delta)));
  if (!Number.isFinite(count)) throw new Refusal("a range without end");
  const at = (i: number): Element =>
    typeof start === "bigint" ? start + BigInt(i) * (delta as bigint) : (start as number) + i * (delta as number);
  return [value(type, [count], range(0, count).map(at))];
};

const depthToSpace: Operator = (op) => {
  const x = op.x();
  const [n, c, h, w] = x.dims as [number, number, number, number];
  const b = op.number("blocksize", 0);
  const crd = op.text("mode", "DCR") === "CRD";
  const depth = c / (b * b);
  if (x.dims.length !== 4 || !Number.isInteger(depth)) throw new Refusal("blocksize");
  return [
    generate(x.type, [n, depth, h * b, w * b], ([i, o, y, xx]) => {
      const block = (y! % b) * b + (xx! % b);
      const channel = crd ? o! * b * b + block : block * depth + o!;
      return x.data[flat(x.dims, [i!, channel, Math.floor(y! / b), Math.floor(xx! / b)])]!;
    }),
  ];
};

const spaceToDepth: Operator = (op) => {
  const x = op.x();
  const [n, c, h, w] = x.dims as [number, number, number, number];
  const b = op.number("blocksize", 0);
  if (x.dims.length !== 4 || h % b !== 0 || w % b !== 0) throw new Refusal("blocksize");
  return [
    generate(x.type, [n, c * b * b, h / b, w / b], ([i, o, y, xx]) => {
      const block = Math.floor(o! / c);
      return x.data[flat(x.dims, [i!, o! % c, y! * b + Math.floor(block / b), xx! * b + (block % b)])]!;
    }),
  ];
};

const trilu: Operator = (op) => {
  const x = op.x();
  if (x.dims.length < 2) throw new Refusal("Trilu of rank < 2");
  const k = Number(first(op.inputs[1]) ?? 0);
  const upper = op.number("upper", 1) !== 0;
  const zero: Element = isFloat(x.type) ? 0 : isInteger(x.type) ? 0n : false;
  return [
    generate(x.type, x.dims, (i) => {
      const distance = i.at(-1)! - i.at(-2)!;
      return (upper ? distance >= k : distance <= k) ? x.data[flat(x.dims, i)]! : zero;
    }),
  ];
};

const shape: Operator = (op) => {
  const { dims } = op.x();
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + dims.length : at, 0), dims.length);
  const part = dims.slice(clamp(op.number("start", 0)), clamp(op.number("end", dims.length)));
  return [value("int64", [part.length], part.map(BigInt))];
};

const eyeLike: Operator = (op) => {
  const x = op.x();
  const code = op.number("dtype", 0);
  const type = code === 0 ? x.type : typeOf(code);
  const [zero, one]: Element[] = isFloat(type) ? [0, 1] : isInteger(type) ? [0n, 1n] : [false, true];
  const k = op.number("k", 0);
  return [generate(type, x.dims, ([i, j]) => (j! - i! === k ? one! : zero!))];
};

const constant: Operator = (op) => {
  const tensor = op.tensor("value");
  if (tensor !== undefined) return [tensor];
  const { attributes } = op.node;
  const vector = (type: string, list: readonly Element[]): Value[] => [value(type, [list.length], list)];
  if ("value_float" in attributes) return [value("float32", [], [op.number("value_float", 0)])];
  if ("value_int" in attributes) return [value("int64", [], [BigInt(op.number("value_int", 0))])];
  if ("value_floats" in attributes) return vector("float32", op.list("value_floats")!);
  if ("value_ints" in attributes) return vector("int64", op.list("value_ints")!.map(BigInt));
  throw new Refusal("a constant of another kind");
};

const reverseSequence: Operator = (op) => {
  const x = op.x();
  const lengths = op.numbers(1)!;
  const [batch, time] = [op.number("batch_axis", 1), op.number("time_axis", 0)];
  return [
    generate(x.type, x.dims, (i) => {
      const length = lengths[i[batch]!]!;
      const from = i.map((v, axis) => (axis === time && v < length ? length - 1 - v : v));
      return x.data[flat(x.dims, from)]!;
    }),
  ];
};

const centerCropPad: Operator = (op) => {
  let x = op.x();
  const wanted = op.numbers(1)!;
  const axes = (op.list("axes") ?? x.dims.map((_, i) => i)).map((a) => axisOf(a, op.x().dims.length));
  const zero: Element = isFloat(x.type) ? 0 : isInteger(x.type) ? 0n : false;
  axes.forEach((axis, i) => {
    const [d, to] = [x.dims[axis]!, wanted[i]!];
    const shift = d > to ? Math.floor((d - to) / 2) : -Math.floor((to - d) / 2);
    x = pick(
      x,
      axis,
      range(shift, shift + to).map((p) => (p >= 0 && p < d ? p : -1)),
      zero,
    );
  });
  return [x];
};

const dropout: Operator = (op) => {
  if (op.opset >= 12 ? first(op.inputs[2]) === true : op.opset < 7 && op.number("is_test", 0) === 0)
    throw new Refusal("training mode");
  const x = op.x();
  return [
    x,
    value(
      "bool",
      x.dims,
      x.data.map(() => true),
    ),
  ];
};

export const movement: Operators = {
  Identity: (op: Operation) => [op.x()],
  Dropout: dropout,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: (op) => [transpose(op.x(), op.list("perm") ?? op.x().dims.map((_, i) => op.x().dims.length - 1 - i))],
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Expand: expand,
  Tile: tile,
  ConstantOfShape: constantOfShape,
  Constant: constant,
  Range: ranged,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Trilu: trilu,
  Shape: shape,
  Size: (op) => [value("int64", [], [BigInt(op.x().data.length)])],
  EyeLike: eyeLike,
  ReverseSequence: reverseSequence,
  CenterCropPad: centerCropPad,
};
