import { floats, type Operation, type Operator, type Operators } from "./operation.ts";
import { Refusal, type Value, value } from "./value.ts";

type Activation = (x: number) => number;

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

function activation(name: string, alpha: number | undefined, beta: number | undefined): Activation {
  switch (name.toLowerCase()) {
    case "sigmoid":
      return (x) => 1 / (1 + Math.exp(-x));
    case "tanh":
      return Math.tanh;
    case "relu":
      return (x) => Math.max(x, 0);
    case "affine":
      return (x) => (alpha ?? 1) * x + (beta ?? 0);
    case "leakyrelu":
      return (x) => (x < 0 ? (alpha ?? 0.01) * x : x);
    case "thresholdedrelu":
      return (x) => (x > (alpha ?? 1) ? x : 0);
    case "scaledtanh":
      return (x) => (alpha ?? 1) * Math.tanh((beta ?? 1) * x);
    case "hardsigmoid":
      return (x) => clamp((alpha ?? 0.2) * x + (beta ?? 0.5), 0, 1);
    case "elu":
      return (x) => (x < 0 ? (alpha ?? 1) * Math.expm1(x) : x);
    case "softsign":
      return (x) => x / (1 + Math.abs(x));
    case "softplus":
      return (x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0);
    default:
      throw new Refusal(`activation ${name}`);
  }
}

interface Cell {
  /** Weight rows per hidden unit. */
  readonly gates: number;
  readonly defaults: readonly string[];
  /** One step: gates of the input and of the state → the new state [h, c]. */
  step(a: StepInput): { h: number[]; c: number[] };
}

interface StepInput {
  /** Row `g·H + i` of W·x plus its bias. */
  readonly x: readonly number[];
  /** The same of R·h, with and without its bias. */
  readonly r: readonly number[];
  readonly rBias: readonly number[];
  /** R·v for rows of gate g. */
  readonly recur: (gate: number, v: readonly number[]) => number[];
  readonly h: readonly number[];
  readonly c: readonly number[];
  readonly peephole: readonly number[] | undefined;
  readonly f: readonly Activation[];
  readonly clip: Activation;
  readonly linearBeforeReset: boolean;
  readonly forget: boolean;
}

const rnn: Cell = {
  gates: 1,
  defaults: ["Tanh"],
  step: ({ x, r, rBias, f, clip }) => ({ h: x.map((v, i) => f[0]!(clip(v + r[i]! + rBias[i]!))), c: [] }),
};

const gru: Cell = {
  gates: 3,
  defaults: ["Sigmoid", "Tanh"],
  step: ({ x, r, rBias, recur, h, f, clip, linearBeforeReset }) => {
    const n = h.length;
    const gate = (g: number): number[] =>
      h.map((_, i) => f[0]!(clip(x[g * n + i]! + r[g * n + i]! + rBias[g * n + i]!)));
    const [z, reset] = [gate(0), gate(1)];
    const inner = linearBeforeReset
      ? h.map((_, i) => reset[i]! * (r[2 * n + i]! + rBias[2 * n + i]!))
      : recur(
          2,
          h.map((v, i) => v * reset[i]!),
        ).map((v, i) => v + rBias[2 * n + i]!);
    const candidate = inner.map((v, i) => f[1]!(clip(x[2 * n + i]! + v)));
    return { h: candidate.map((v, i) => (1 - z[i]!) * v + z[i]! * h[i]!), c: [] };
  },
};

const lstm: Cell = {
  gates: 4,
  defaults: ["Sigmoid", "Tanh", "Tanh"],
  step: ({ x, r, rBias, h, c, peephole, f, clip, forget }) => {
    const n = h.length;
    const row = (g: number, i: number): number => x[g * n + i]! + r[g * n + i]! + rBias[g * n + i]!;
    // Rows of W are i, o, f, c; peepholes are i, o, f.
    const p = (g: number, i: number): number => peephole?.[g * n + i] ?? 0;
    const input = h.map((_, i) => f[0]!(clip(row(0, i) + p(0, i) * c[i]!)));
    const kept = forget ? input.map((v) => 1 - v) : h.map((_, i) => f[0]!(clip(row(2, i) + p(2, i) * c[i]!)));
    const cell = h.map((_, i) => kept[i]! * c[i]! + input[i]! * f[1]!(clip(row(3, i))));
    const output = h.map((_, i) => f[0]!(clip(row(1, i) + p(1, i) * cell[i]!)));
    return { h: output.map((v, i) => v * f[2]!(cell[i]!)), c: cell };
  },
};

function recurrent(cell: Cell): Operator {
  return (op) => {
    const batchFirst = op.number("layout", 0) === 1;
    const [x, w, r] = [op.x(0), op.x(1), op.x(2)];
    const [steps, batch] = batchFirst ? [x.dims[1]!, x.dims[0]!] : [x.dims[0]!, x.dims[1]!];
    const [width, hidden, directions] = [x.dims[2]!, r.dims[2]!, w.dims[0]!];
    const lengths = op.numbers(4) ?? new Array<number>(batch).fill(steps);
    const direction = op.text("direction", "forward");
    const names = op.texts("activations") ?? Array.from({ length: directions }, () => cell.defaults).flat();
    const limit = op.number("clip", Number.POSITIVE_INFINITY);
    const y = new Array<number>(steps * directions * batch * hidden).fill(0);
    const last = { h: new Array<number>(directions * batch * hidden).fill(0), c: [] as number[] };
    last.c = [...last.h];
    const place = (a: number, b: number, t: number): number =>
      batchFirst ? ((b * steps + t) * directions + a) * hidden : ((t * directions + a) * batch + b) * hidden;
    const state = (d: number, b: number): number => (batchFirst ? b * directions + d : d * batch + b) * hidden;
    for (let d = 0; d < directions; d++) {
      const f = activations(op, names, d, cell);
      const rows = cell.gates * hidden;
      const matrix = (m: Value, row: number, n: number): number[] =>
        floats(m).slice((d * rows + row) * n, (d * rows + row) * n + n);
      const dot = (m: Value, row: number, v: readonly number[]): number =>
        matrix(m, row, v.length).reduce((sum, a, i) => sum + a * v[i]!, 0);
      const bias = op.has(3)
        ? floats(op.x(3)).slice(d * 2 * rows, (d + 1) * 2 * rows)
        : new Array<number>(2 * rows).fill(0);
      const reverse = direction === "reverse" || d === 1;
      for (let b = 0; b < batch; b++) {
        const initial = (i: number): number[] =>
          op.has(i) ? floats(op.x(i)).slice(state(d, b), state(d, b) + hidden) : new Array<number>(hidden).fill(0);
        let [h, c] = [initial(5), cell === lstm ? initial(6) : []];
        for (let s = 0; s < lengths[b]!; s++) {
          const t = reverse ? lengths[b]! - 1 - s : s;
          const from = (batchFirst ? b * steps + t : t * batch + b) * width;
          const input = floats(x).slice(from, from + width);
          const before = h;
          ({ h, c } = cell.step({
            x: Array.from({ length: rows }, (_, row) => dot(w, row, input) + bias[row]!),
            r: Array.from({ length: rows }, (_, row) => dot(r, row, before)),
            rBias: bias.slice(rows),
            recur: (gate, v) => Array.from({ length: hidden }, (_, i) => dot(r, gate * hidden + i, v)),
            h,
            c,
            peephole:
              cell === lstm && op.has(7) ? floats(op.x(7)).slice(d * 3 * hidden, (d + 1) * 3 * hidden) : undefined,
            f,
            clip: (v) => clamp(v, -limit, limit),
            linearBeforeReset: op.number("linear_before_reset", 0) === 1,
            forget: op.number("input_forget", 0) === 1,
          }));
          h.forEach((v, i) => {
            y[place(d, b, t) + i] = v;
          });
        }
        h.forEach((v, i) => {
          last.h[state(d, b) + i] = v;
        });
        c.forEach((v, i) => {
          last.c[state(d, b) + i] = v;
        });
      }
    }
    const all = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden];
    const end = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
    const results = [value(x.type, all, y), value(x.type, end, last.h)];
    return cell === lstm ? [...results, value(x.type, end, last.c)] : results;
  };
}

const WITH_ALPHA = ["affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu"];
const WITH_BETA = ["affine", "scaledtanh", "hardsigmoid"];

/** Alpha and beta are handed out in order to the activations that have them, those of all directions. */
function activations(op: Operation, names: readonly string[], d: number, cell: Cell): Activation[] {
  const [alphas, betas] = [[...(op.list("activation_alpha") ?? [])], [...(op.list("activation_beta") ?? [])]];
  const per = cell.defaults.length;
  const all = names.map((name) => {
    const has = (list: readonly string[]): boolean => list.includes(name.toLowerCase());
    return activation(name, has(WITH_ALPHA) ? alphas.shift() : undefined, has(WITH_BETA) ? betas.shift() : undefined);
  });
  return all.slice(d * per, (d + 1) * per);
}

export const recurrents: Operators = { RNN: recurrent(rnn), GRU: recurrent(gru), LSTM: recurrent(lstm) };
