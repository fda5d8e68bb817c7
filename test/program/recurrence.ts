// RNN, GRU and LSTM from their formulas, in float64, one element after the other: what the kernels are compared with.

export interface Recurrence {
  readonly kind: "RNN" | "GRU" | "LSTM";
  readonly time: number;
  readonly batch: number;
  readonly hidden: number;
  readonly reverse: boolean;
  /** LSTM: f = 1 − i. */
  readonly coupled: boolean;
  /** GRU: the reset comes before the product. */
  readonly resetFirst: boolean;
  /** [time, batch, gates·hidden], biases included. */
  readonly x: readonly number[];
  /** [gates·hidden, hidden]. */
  readonly r: readonly number[];
  readonly clip: number;
  readonly activations: readonly Activation[];
  readonly lengths: readonly number[] | undefined;
  readonly state: readonly number[] | undefined;
  readonly cell: readonly number[] | undefined;
  /** Peepholes of i, o, f; the bias inside of a GRU's reset. */
  readonly extra: readonly number[] | undefined;
}

export interface Activation {
  readonly name: string;
  readonly alpha: number;
  readonly beta: number;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

export function activated({ name, alpha, beta }: Activation, x: number): number {
  switch (name) {
    case "Relu":
      return Math.max(0, x);
    case "Tanh":
      return Math.tanh(x);
    case "Sigmoid":
      return sigmoid(x);
    case "Affine":
      return alpha * x + beta;
    case "LeakyRelu":
      return x < 0 ? alpha * x : x;
    case "ThresholdedRelu":
      return x > alpha ? x : 0;
    case "ScaledTanh":
      return alpha * Math.tanh(beta * x);
    case "HardSigmoid":
      return Math.min(1, Math.max(0, alpha * x + beta));
    case "Elu":
      return x < 0 ? alpha * Math.expm1(x) : x;
    case "Softsign":
      return x / (1 + Math.abs(x));
    case "Softplus":
      return Math.log1p(Math.exp(-Math.abs(x))) + Math.max(0, x);
    default:
      throw new Error(name);
  }
}

const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const;

export function recurrence(c: Recurrence): { outputs: number[]; state: number[]; cell: number[] } {
  const { time, batch, hidden: n } = c;
  const gates = GATES[c.kind];
  const outputs = new Array<number>(time * batch * n).fill(0);
  const state = [...(c.state ?? new Array<number>(batch * n).fill(0))];
  const cell = [...(c.cell ?? new Array<number>(batch * n).fill(0))];
  const f = (i: number, x: number): number => activated(c.activations[i]!, Math.min(c.clip, Math.max(-c.clip, x)));
  const peephole = (gate: number, j: number): number => (c.kind === "LSTM" ? (c.extra?.[gate * n + j] ?? 0) : 0);
  for (let b = 0; b < batch; b++) {
    const length = c.lengths?.[b] ?? time;
    for (let t = 0; t < length; t++) {
      const at = (c.reverse ? length - 1 - t : t) * batch + b;
      const h = state.slice(b * n, (b + 1) * n);
      const x = (gate: number, j: number): number => c.x[at * gates * n + gate * n + j]!;
      const dot = (gate: number, j: number, left: readonly number[]): number =>
        left.reduce((sum, v, k) => sum + v * c.r[(gate * n + j) * n + k]!, 0);
      const r = h.map((v, j) => (c.kind === "GRU" ? f(0, x(1, j) + dot(1, j, h)) * v : 0));
      for (let j = 0; j < n; j++) {
        const i = b * n + j;
        if (c.kind === "RNN") {
          state[i] = f(0, x(0, j) + dot(0, j, h));
        } else if (c.kind === "GRU") {
          const z = f(0, x(0, j) + dot(0, j, h));
          const reset = f(0, x(1, j) + dot(1, j, h));
          const inner = c.resetFirst ? dot(2, j, r) : reset * (dot(2, j, h) + (c.extra?.[j] ?? 0));
          state[i] = (1 - z) * f(1, x(2, j) + inner) + z * h[j]!;
        } else {
          const input = f(0, x(0, j) + dot(0, j, h) + peephole(0, j) * cell[i]!);
          const forget = c.coupled ? 1 - input : f(0, x(2, j) + dot(2, j, h) + peephole(2, j) * cell[i]!);
          cell[i] = forget * cell[i]! + input * f(1, x(3, j) + dot(3, j, h));
          const output = f(0, x(1, j) + dot(1, j, h) + peephole(1, j) * cell[i]!);
          state[i] = output * f(2, cell[i]!);
        }
      }
      for (let j = 0; j < n; j++) outputs[at * n + j] = state[b * n + j]!;
    }
  }
  return { outputs, state, cell };
}
