// Convolutions and pools of any number of spatial axes, channels first.
import { floats, type Operation, type Operator, type Operators } from "./operation.ts";
import { flat, generate, indices, isFloat, Refusal, size, strides, type Value } from "./value.ts";

interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly output: readonly number[];
}

function listOf(op: Operation, name: string, length: number, fallback: number): number[] {
  const list = op.list(name) ?? new Array<number>(length).fill(fallback);
  if (list.length !== length) throw new Refusal(`${name} [${list}] for ${length} axes`);
  return list;
}

function windowOf(op: Operation, spatial: readonly number[], kernel: readonly number[]): Window {
  const n = spatial.length;
  if (kernel.length !== n || kernel.some((k) => k < 1)) throw new Refusal(`kernel [${kernel}] on [${spatial}]`);
  const [strides, dilations] = [listOf(op, "strides", n, 1), listOf(op, "dilations", n, 1)];
  const reach = kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
  const auto = op.text("auto_pad", "NOTSET");
  const pads = auto === "NOTSET" ? listOf(op, "pads", 2 * n, 0) : new Array<number>(2 * n).fill(0);
  if (pads.some((p) => p < 0) || strides.some((s) => s < 1) || dilations.some((d) => d < 1))
    throw new Refusal("negative pads or steps below 1");
  let [before, after] = [pads.slice(0, n), pads.slice(n)];
  if (auto.startsWith("SAME")) {
    const total = spatial.map((d, i) => Math.max(0, (Math.ceil(d / strides[i]!) - 1) * strides[i]! + reach[i]! - d));
    const half = (t: number, up: boolean): number => (up ? Math.ceil(t / 2) : Math.floor(t / 2));
    before = total.map((t) => half(t, auto === "SAME_LOWER"));
    after = total.map((t) => half(t, auto === "SAME_UPPER"));
  }
  const ceil = op.number("ceil_mode", 0) === 1;
  const output = spatial.map((d, i) => {
    const room = (d + before[i]! + after[i]! - reach[i]!) / strides[i]!;
    const count = (ceil ? Math.ceil(room) : Math.floor(room)) + 1;
    // A window that would begin in the trailing pad is left out.
    return ceil && (count - 1) * strides[i]! >= d + before[i]! ? count - 1 : count;
  });
  if (output.some((d) => d < 1)) throw new Refusal("the window is larger than the input");
  return { kernel, strides, dilations, before, output };
}

const conv: Operator = (op) => {
  const [x, w] = [op.x(0), op.x(1)];
  if (x.type !== w.type || !isFloat(x.type)) throw new Refusal(`Conv of ${x.type} and ${w.type}`);
  const group = op.number("group", 1);
  const [n, c] = x.dims as [number, number];
  const [outputs, inGroup] = w.dims as [number, number];
  const kernel = op.list("kernel_shape") ?? w.dims.slice(2);
  if (inGroup * group !== c || outputs % group !== 0 || kernel.join() !== w.dims.slice(2).join())
    throw new Refusal("weights that do not fit");
  const bias = op.has(2) ? op.x(2) : undefined;
  if (bias !== undefined && bias.dims.join() !== `${outputs}`) throw new Refusal("a bias that does not fit");
  const at = windowOf(op, x.dims.slice(2), kernel);
  const taps = [...indices(kernel)];
  const [from, to] = [strides(x.dims), strides(w.dims)];
  const [data, weights] = [Float64Array.from(floats(x)), Float64Array.from(floats(w))];
  return [
    generate(x.type, [n, outputs, ...at.output], ([sample, o, ...place]) => {
      let sum = bias === undefined ? 0 : floats(bias)[o!]!;
      const channel = Math.floor(o! / (outputs / group)) * inGroup;
      for (const [t, tap] of taps.entries()) {
        let start = sample! * from[0]! + channel * from[1]!;
        let inside = true;
        for (let i = 0; i < tap.length; i++) {
          const p = place[i]! * at.strides[i]! - at.before[i]! + tap[i]! * at.dilations[i]!;
          inside &&= p >= 0 && p < x.dims[i + 2]!;
          start += p * from[i + 2]!;
        }
        for (let i = 0; inside && i < inGroup; i++)
          sum += data[start + i * from[1]!]! * weights[o! * to[0]! + i * to[1]! + t]!;
      }
      return sum;
    }),
  ];
};

const convTranspose: Operator = (op) => {
  const [x, w] = [op.x(0), op.x(1)];
  if (x.type !== w.type) throw new Refusal(`ConvTranspose of ${x.type} and ${w.type}`);
  const group = op.number("group", 1);
  const [n, c, ...spatial] = x.dims as [number, number, ...number[]];
  const [inputs, outGroup, ...kernel] = w.dims as [number, number, ...number[]];
  if (inputs !== c || c % group !== 0) throw new Refusal("weights that do not fit");
  const bias = op.has(2) ? op.x(2) : undefined;
  if (bias !== undefined && bias.data.length !== outGroup * group) throw new Refusal("a bias that does not fit");
  const axes = spatial.length;
  const [steps, dilations] = [listOf(op, "strides", axes, 1), listOf(op, "dilations", axes, 1)];
  const extra = listOf(op, "output_padding", axes, 0);
  if (extra.some((e) => e < 0)) throw new Refusal("negative output_padding");
  const auto = op.text("auto_pad", "NOTSET");
  const pads = auto === "NOTSET" ? listOf(op, "pads", 2 * axes, 0) : new Array<number>(2 * axes).fill(0);
  const full = spatial.map((d, i) => steps[i]! * (d - 1) + extra[i]! + (kernel[i]! - 1) * dilations[i]! + 1);
  const asked = op.list("output_shape")?.slice(-axes);
  const wanted = asked ?? (auto.startsWith("SAME") ? spatial.map((d, i) => d * steps[i]!) : undefined);
  let [before, after] = [pads.slice(0, axes), pads.slice(axes)];
  if (wanted !== undefined) {
    const total = full.map((d, i) => Math.max(0, d - wanted[i]!));
    const upper = auto === "SAME_UPPER";
    before = total.map((t) => (upper ? Math.floor(t / 2) : t - Math.floor(t / 2)));
    after = total.map((t) => (upper ? t - Math.floor(t / 2) : Math.floor(t / 2)));
  }
  // The standard says input times stride, onnxruntime what the kernel reaches: where that is less, nobody knows.
  if (asked === undefined && wanted?.some((d, i) => d > full[i]!))
    throw new Refusal("auto_pad asks for more than there is");
  const output = wanted ?? full.map((d, i) => d - before[i]! - after[i]!);
  if (output.some((d) => d < 1)) throw new Refusal("pads larger than the output");
  const taps = [...indices(kernel)];
  const inGroup = c / group;
  const [from, to] = [strides(x.dims), strides(w.dims)];
  const [data, weights] = [Float64Array.from(floats(x)), Float64Array.from(floats(w))];
  return [
    generate(x.type, [n, outGroup * group, ...output], ([sample, o, ...place]) => {
      let sum = bias === undefined ? 0 : floats(bias)[o!]!;
      const channel = Math.floor(o! / outGroup) * inGroup;
      for (const [t, tap] of taps.entries()) {
        let start = sample! * from[0]! + channel * from[1]!;
        let inside = true;
        for (let i = 0; i < tap.length; i++) {
          const p = (place[i]! + before[i]! - tap[i]! * dilations[i]!) / steps[i]!;
          inside &&= Number.isInteger(p) && p >= 0 && p < spatial[i]!;
          start += p * from[i + 2]!;
        }
        for (let i = 0; inside && i < inGroup; i++)
          sum += data[start + i * from[1]!]! * weights[(channel + i) * to[0]! + (o! % outGroup) * to[1]! + t]!;
      }
      return sum;
    }),
  ];
};

/** Calls `f` with the elements that each window covers and how many places it has inside the padded input. */
function pooled(
  op: Operation,
  f: (seen: { v: number | bigint; at: number }[], places: number) => number | bigint,
): Value {
  const x = op.x();
  const kernel = op.list("kernel_shape")!;
  const spatial = x.dims.slice(2);
  const w = windowOf(op, spatial, kernel);
  const auto = op.text("auto_pad", "NOTSET");
  const after =
    auto === "NOTSET"
      ? (op.list("pads")?.slice(kernel.length) ?? kernel.map(() => 0))
      : spatial.map((d, i) =>
          // VALID has no pads; what ceil_mode lets a window reach beyond the end counts no more than beside explicit ones.
          auto === "VALID"
            ? 0
            : Math.max(
                0,
                (w.output[i]! - 1) * w.strides[i]! + (kernel[i]! - 1) * w.dilations[i]! + 1 - d - w.before[i]!,
              ),
        );
  const taps = [...indices(kernel)];
  return generate(x.type, [...x.dims.slice(0, 2), ...w.output], ([n, c, ...place]) => {
    const seen: { v: number | bigint; at: number }[] = [];
    let places = 0;
    for (const tap of taps) {
      const position = tap.map((k, i) => place[i]! * w.strides[i]! - w.before[i]! + k * w.dilations[i]!);
      if (position.every((p, i) => p < spatial[i]! + after[i]!)) places++;
      if (position.some((p, i) => p < 0 || p >= spatial[i]!)) continue;
      const at = flat(x.dims, [n!, c!, ...position]);
      seen.push({ v: x.data[at] as number | bigint, at });
    }
    return f(seen, places);
  });
}

const maxPool: Operator = (op) => {
  const best = (seen: { v: number | bigint; at: number }[]): { v: number | bigint; at: number } => {
    if (seen.length === 0) throw new Refusal("a window of pads only");
    return seen.reduce((a, b) => (Number.isNaN(a.v) ? a : Number.isNaN(b.v) || b.v > a.v ? b : a));
  };
  const y = pooled(op, (seen) => best(seen).v);
  if (!op.wants(1)) return [y];
  const x = op.x();
  const plane = size(x.dims.slice(2));
  const column = op.number("storage_order", 0) === 1;
  // Positions are computed as elements of an integer tensor of the same shape.
  const positions = pooled(op, (seen) => best(seen).at);
  const data = positions.data.map((at) => {
    const index = Number(at);
    if (!column) return BigInt(index);
    const inside = index % plane;
    const spatial = x.dims.slice(2);
    const coordinates: number[] = [];
    let rest = inside;
    for (let a = spatial.length - 1; a >= 0; a--) {
      coordinates.unshift(rest % spatial[a]!);
      rest = Math.floor(rest / spatial[a]!);
    }
    return BigInt(index - inside + flat([...spatial].reverse(), [...coordinates].reverse()));
  });
  return [y, { type: "int64", dims: y.dims, data }];
};

const averagePool: Operator = (op) => {
  const include = op.number("count_include_pad", 0) === 1;
  return [
    pooled(op, (seen, places) => {
      const total = seen.reduce((a, b) => a + (b.v as number), 0);
      const count = include ? places : seen.length;
      if (count === 0) throw new Refusal("a window of pads only");
      return total / count;
    }),
  ];
};

const lpPool: Operator = (op) => {
  const p = op.number("p", 2);
  return [pooled(op, (seen) => seen.reduce((a, b) => a + Math.abs(b.v as number) ** p, 0) ** (1 / p))];
};

const globalPool =
  (f: (line: number[], op: Operation) => number): Operator =>
  (op) => {
    const x = op.x();
    const plane = size(x.dims.slice(2));
    return [
      generate(
        x.type,
        x.dims.map((d, i) => (i < 2 ? d : 1)),
        ([n, c]) => {
          const start = (n! * x.dims[1]! + c!) * plane;
          return f(floats(x).slice(start, start + plane), op);
        },
      ),
    ];
  };

const lrn: Operator = (op) => {
  const x = op.x();
  const length = op.number("size", Number.NaN);
  const [alpha, beta, bias] = [op.number("alpha", 1e-4), op.number("beta", 0.75), op.number("bias", 1)];
  return [
    generate(x.type, x.dims, ([n, c, ...place]) => {
      let square = 0;
      const last = Math.min(x.dims[1]! - 1, c! + Math.ceil((length - 1) / 2));
      for (let i = Math.max(0, c! - Math.floor((length - 1) / 2)); i <= last; i++)
        square += floats(x)[flat(x.dims, [n!, i, ...place])]! ** 2;
      return floats(x)[flat(x.dims, [n!, c!, ...place])]! / (bias + (alpha / length) * square) ** beta;
    }),
  ];
};

export const windows: Operators = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  AveragePool: averagePool,
  LpPool: lpPool,
  GlobalAveragePool: globalPool((line) => line.reduce((a, b) => a + b, 0) / line.length),
  GlobalMaxPool: globalPool((line) => (line.some(Number.isNaN) ? Number.NaN : Math.max(...line))),
  GlobalLpPool: globalPool((line, op) => {
    const p = op.number("p", 2);
    return line.reduce((a, b) => a + Math.abs(b) ** p, 0) ** (1 / p);
  }),
  LRN: lrn,
};
