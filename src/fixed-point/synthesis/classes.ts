import { clamp, rdiv } from "../arithmetic.ts";
import { inputAt } from "../targets.ts";
import { addOrdered } from "./ordered.ts";
import { type Format, Sketch } from "./sketch.ts";
import type { Steps } from "./steps.ts";

/** Neurons times inputs that are gone through at most: about two seconds. */
const MOST = 2 ** 28;

/** Inputs that first-layer neurons cannot tell apart, whatever their weights and bias; no deeper network can either. */
export interface JointClasses {
  /** Number of the class of every input, in the order of the table. */
  readonly labels: Int32Array;
  readonly count: number;
  /** Neurons that together tell all classes apart, with their outputs on every input. */
  readonly neurons: readonly {
    readonly weights: readonly number[];
    readonly bias: number;
    readonly outputs: Int32Array;
  }[];
}

/**
 * The classes of Q^d by going through all neurons a(clamp(round(B + Σ w·x/s))). For d ≥ 2 they are finer than those of the coordinates: at p = 1, s = 3 one
 * input tells nothing apart, but weights (1, 1) tell (0, 0) from (1, 1), because 2/3 rounds to 1.
 *
 * @returns undefined where that would take too long
 */
export function* jointClasses(d: number, { p, m, s, table }: Format): Steps<JointClasses | undefined> {
  const inputs = (2 * m + 1) ** d;
  // Beyond these biases the neuron saturates on every input.
  const reach = Math.ceil((d * m * m) / s) + m + 1;
  if (inputs * inputs * (2 * reach + 1) > MOST) return undefined;
  const points = Array.from({ length: inputs }, (_, i) => inputAt(i, p, d));
  let labels = new Int32Array(inputs);
  let count = 1;
  const neurons: JointClasses["neurons"][number][] = [];
  for (const weights of points) {
    const sums = points.map((x) => x.reduce((sum, k, i) => sum + weights[i]! * k, 0));
    for (let bias = -reach; bias <= reach && count < inputs; bias++) {
      yield;
      const outputs = Int32Array.from(sums, (sum) => table[clamp(rdiv(s * bias + sum, s), m) + m]!);
      const refined = new Map<number, number>();
      const next = labels.map((label, i) => {
        const key = label * (4 * m + 2) + outputs[i]! + m;
        if (!refined.has(key)) refined.set(key, refined.size);
        return refined.get(key)!;
      });
      if (refined.size === count) continue;
      labels = next;
      count = refined.size;
      neurons.push({ weights, bias, outputs });
    }
  }
  return { labels, count, neurons };
}

/** The table on classes: an integer combination of the neurons that tells all classes apart, and the construction of theorem 2 on its values. */
export function* onClasses(f: ArrayLike<number>, d: number, format: Format): Steps<Sketch | undefined> {
  const classes = yield* jointClasses(d, format);
  if (classes === undefined || classes.count === 1) return undefined;
  const sketch = new Sketch(d);
  let sums = new Array<number>(f.length).fill(0);
  const terms: [number, number][] = [];
  for (const { weights, bias, outputs } of classes.neurons) {
    // Pairs of old sum and output must stay apart: a coefficient beyond the range of the sums always does that.
    const pairs = new Set(sums.map((sum, i) => `${sum} ${outputs[i]}`)).size;
    for (let coefficient = 1; ; coefficient++) {
      yield;
      const next = sums.map((sum, i) => sum + coefficient * outputs[i]!);
      if (new Set(next).size < pairs) continue;
      const neuron = sketch.add(
        0,
        weights.map((w, i) => [i, w] as const),
        bias,
      );
      terms.push([neuron, coefficient]);
      sums = next;
      break;
    }
  }
  const byLevel = new Map(sums.map((sum, i) => [sum, f[i]!]));
  const levels = [...byLevel.keys()].sort((a, b) => a - b);
  const axis = { layer: 0, terms, values: levels };
  const values = levels.map((level) => byLevel.get(level)!);
  return (yield* addOrdered(sketch, [axis], values, format, false, axis)) ? sketch : undefined;
}
