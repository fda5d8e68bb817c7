// One layer of a network as several layers of lower precision, equal for all real inputs that are not negative.
// Source: design note A6 (depth for precision); the digits enter least significant first through a leaky accumulator.
//
//   steps 0 … S−2:  (x, y⁺, y⁻) ← (x, 2^-g y⁺ + δ⁺x + β⁺, 2^-g y⁻ + δ⁻x + β⁻)     everything ≥ 0, so ReLU changes nothing
//   step  S−1:      z = 2^-g (y⁺ − y⁻) + δx + β                                    with the layer's own ReLU, if it has one
// Where |w| > 1 the result is still 2^-e of what it should be; doubling e times (two copies of each neuron, or weights of 2^a) mends that.
import { digitsOf, type Recoding } from "./digits.ts";
import { add, type Dyadic, dyadic, multiply, negate, ONE, scaled, subtract, ZERO } from "./dyadic.ts";
import type { Layer, Neuron } from "./network.ts";

export interface LayerOptions {
  /** g: weights of the result are multiples of 2^-g. */
  readonly bits: number;
  /** a: weights of the result are at most 2^a in magnitude. */
  readonly magnitude: number;
  readonly recoding: Recoding;
}

export interface LoweredLayer {
  readonly layers: Layer[];
  /** S, digits per weight. */
  readonly digits: number;
  /** Layers that double. */
  readonly doublings: number;
}

/** A row under construction: index → weight. */
class Row {
  readonly weights = new Map<number, Dyadic>();
  bias: Dyadic = ZERO;

  plus(index: number, weight: Dyadic): this {
    this.weights.set(index, add(this.weights.get(index) ?? ZERO, weight));
    return this;
  }

  neuron(): Neuron {
    const entries = [...this.weights].filter(([, weight]) => weight.numerator !== 0n);
    return { bias: this.bias, indices: entries.map(([index]) => index), weights: entries.map(([, weight]) => weight) };
  }
}

/** @param inputs number of inputs, none of which is ever negative */
export function lowerLayer(layer: Layer, inputs: number, { bits: g, magnitude, recoding }: LayerOptions): LoweredLayer {
  const all = layer.flatMap(({ bias, weights }) => [bias, ...weights]);
  const b = all.reduce((most, { exponent }) => Math.max(most, exponent), 0);
  const grid = Math.ceil(b / g) * g;
  const rows = layer.map(({ bias, indices, weights }) => ({
    indices,
    weights: weights.map((weight) => digitsOf(scaled(weight, grid), g, recoding)),
    bias: digitsOf(scaled(bias, grid), g, recoding),
  }));
  const longest = rows.reduce(
    (most, row) => [row.bias, ...row.weights].reduce((n, { length }) => Math.max(n, length), most),
    1,
  );
  const S = Math.max(longest, grid / g);
  const e = g * S - grid;
  const unit = dyadic(1n, g);
  const digit = (value: number): Dyadic => dyadic(BigInt(value), g);

  const out: Layer[] = [];
  let x: readonly number[] = Array.from({ length: inputs }, (_, j) => j);
  let plus: readonly number[] = [];
  let minus: readonly number[] = [];
  for (let k = 0; k < S; k++) {
    const at = new Map(x.map((j, position) => [j, position]));
    const plusAt = new Map(plus.map((i, position) => [i, x.length + position]));
    const minusAt = new Map(minus.map((i, position) => [i, x.length + plus.length + position]));
    if (k === S - 1 && e === 0) {
      out.push(
        rows.map((row, i) => {
          const sum = new Row();
          row.indices.forEach((j, n) => {
            const value = row.weights[n]![k] ?? 0;
            if (value !== 0) sum.plus(at.get(j)!, digit(value));
          });
          if (plusAt.has(i)) sum.plus(plusAt.get(i)!, unit);
          if (minusAt.has(i)) sum.plus(minusAt.get(i)!, negate(unit));
          sum.bias = digit(row.bias[k] ?? 0);
          return sum.neuron();
        }),
      );
      return { layers: out, digits: S, doublings: 0 };
    }
    const needed = new Set<number>();
    for (const row of rows)
      row.indices.forEach((j, n) => {
        if (row.weights[n]!.length > k + 1) needed.add(j);
      });
    const kept = [...needed].sort((i, j) => i - j);
    const neurons: Neuron[] = kept.map((j) => new Row().plus(at.get(j)!, ONE).neuron());
    const channel = (sign: 1 | -1, before: Map<number, number>): number[] => {
      const present: number[] = [];
      rows.forEach((row, i) => {
        const sum = new Row();
        row.indices.forEach((j, n) => {
          const value = sign * (row.weights[n]![k] ?? 0);
          if (value > 0) sum.plus(at.get(j)!, digit(value));
        });
        const constant = sign * (row.bias[k] ?? 0);
        if (constant > 0) sum.bias = digit(constant);
        if (before.has(i)) sum.plus(before.get(i)!, unit);
        if (sum.weights.size === 0 && constant <= 0) return;
        present.push(i);
        neurons.push(sum.neuron());
      });
      return present;
    };
    plus = channel(1, plusAt);
    minus = channel(-1, minusAt);
    x = kept;
    // All digits so far are 0: a layer must have a neuron, and one of zeros is harmless.
    if (neurons.length === 0) neurons.push(new Row().neuron());
    out.push(neurons);
  }
  return {
    layers: double(out, plus, minus, layer.length, e, magnitude),
    digits: S,
    doublings: doublings(e, magnitude),
  };
}

/** Layers that it takes to multiply by 2^e, the merging one included. */
function doublings(e: number, magnitude: number): number {
  return magnitude >= 1 ? Math.ceil(e / magnitude) : e;
}

/** Appends y = 2^e (y⁺ − y⁻) to layers that end with the channels y⁺ and y⁻ alone. */
function double(
  out: Layer[],
  plus: readonly number[],
  minus: readonly number[],
  outputs: number,
  e: number,
  magnitude: number,
): Layer[] {
  const owners = [...plus.map((i) => [i, ONE] as const), ...minus.map((i) => [i, negate(ONE)] as const)];
  const merge = (copies: number, weight: Dyadic): Layer =>
    Array.from({ length: outputs }, (_, i) => {
      const sum = new Row();
      for (let copy = 0; copy < copies; copy++) {
        owners.forEach(([owner, sign], position) => {
          if (owner === i) sum.plus(copy * owners.length + position, multiply(sign, weight));
        });
      }
      return sum.neuron();
    });
  let rest = e;
  if (magnitude >= 1) {
    for (; rest > magnitude; rest -= magnitude)
      out.push(owners.map((_, position) => new Row().plus(position, dyadic(1n, -magnitude)).neuron()));
    out.push(merge(1, dyadic(1n, -rest)));
    return out;
  }
  const last = out.pop()!;
  out.push([...last, ...last]);
  for (; rest > 1; rest--) {
    const one = owners.map((_, position) =>
      new Row()
        .plus(position, ONE)
        .plus(owners.length + position, ONE)
        .neuron(),
    );
    out.push([...one, ...one]);
  }
  out.push(merge(2, ONE));
  return out;
}

/**
 * Proves that lowered layers equal the layer for every real input that is not negative: all but the last have no negative weight or
 * bias, so their ReLUs change nothing, and the product of their affine maps is the layer's own, exactly.
 */
export function provesEqual(layer: Layer, lowered: readonly Layer[], inputs: number): boolean {
  const most = lowered.length - 1;
  let maps: { bias: Dyadic; weights: Map<number, Dyadic> }[] = Array.from({ length: inputs }, (_, j) => ({
    bias: ZERO,
    weights: new Map([[j, ONE]]),
  }));
  for (const [k, step] of lowered.entries()) {
    const next: typeof maps = [];
    for (const { bias, indices, weights } of step) {
      if (k < most && (bias.numerator < 0n || weights.some(({ numerator }) => numerator < 0n))) return false;
      const sum = { bias, weights: new Map<number, Dyadic>() };
      for (const [n, index] of indices.entries()) {
        const source = maps[index]!;
        sum.bias = add(sum.bias, multiply(source.bias, weights[n]!));
        for (const [j, weight] of source.weights)
          sum.weights.set(j, add(sum.weights.get(j) ?? ZERO, multiply(weight, weights[n]!)));
      }
      next.push(sum);
    }
    maps = next;
  }
  if (maps.length !== layer.length) return false;
  return layer.every(({ bias, indices, weights }, i) => {
    const { bias: found, weights: map } = maps[i]!;
    if (subtract(bias, found).numerator !== 0n) return false;
    for (const [n, index] of indices.entries()) map.set(index, subtract(map.get(index) ?? ZERO, weights[n]!));
    return [...map.values()].every(({ numerator }) => numerator === 0n);
  });
}
