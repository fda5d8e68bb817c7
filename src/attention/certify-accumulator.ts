import { clamp, maximum } from "../fixed-point/arithmetic.ts";
import { canonicalString, type State, type Step, stateCount } from "./accumulator.ts";
import type { AccumulatorCertificate, AccumulatorModel } from "./certify.ts";
import { gridSize, integerIn } from "./checks.ts";

/** See `certify`; options are checked there. */
export function certifyAccumulator(
  model: AccumulatorModel,
  p: number,
  d: number,
  bits: number,
): AccumulatorCertificate {
  const rows = gridSize(p, d);
  const states = stateCount(bits, d);
  const seen = new Map<string, { counts: readonly number[]; state: State; size: number }>();
  let collision: AccumulatorCertificate["collision"];
  visitPrefixes(stepper(model.update, bits, p, d), p, d, (counts, state) => {
    const key = `${state.numerator.map((v) => v + 0).join()};${state.denominator + 0}`;
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, { counts: counts.slice(), state, size: 1 });
      return;
    }
    first.size++;
    collision ??= {
      x: canonicalString(first.counts),
      other: canonicalString(counts),
      y: canonicalString(first.counts.map((v) => -v)),
      counts: [first.counts, counts.slice()],
      state: first.state,
    };
  });
  let wrong = 0n;
  for (const { size } of seen.values()) if (size > 1) wrong += BigInt(size);
  const impossible = rows > states;
  return {
    kind: "accumulator",
    p,
    d,
    bits,
    rows,
    states,
    impossible,
    leastWrong: impossible ? rows - states + 1n : 0n,
    ...(collision && { collision }),
    wrong,
    argument: accumulatorArgument(rows, states, bits, d),
    caveat:
      "The statement is about one head whose state is a numerator of value dimension d and a denominator, rounded after every token; " +
      "a wider value dimension, several heads, a second layer or wider accumulators are outside of it. A running maximum in the state multiplies the states by at most " +
      `${2 * maximum(bits) + 1}.`,
  };
}

function accumulatorArgument(rows: bigint, states: bigint, bits: number, d: number): string[] {
  if (rows <= states) {
    return [`${bits} bits leave ${states} states for ${rows} vectors of counts: counting forbids nothing at d = ${d}.`];
  }
  return [
    `Two prefixes x and x' with different counts must end in different states: followed by a y that cancels x, the answers should be 1 and 0.`,
    `There are ${rows} vectors of counts and (2^${bits + 1} - 1)^${d}·2^${bits} = ${states} states of ${bits} bits, so two of them share a state.`,
    "Scores, values, embeddings, positions and the readout are arbitrary: only the state passes from x to y.",
    `At least ${rows} - ${states} + 1 = ${rows - states + 1n} of the ${rows * rows} canonical inputs are answered wrongly.`,
  ];
}

function stepper(
  update: AccumulatorModel["update"],
  bits: number,
  p: number,
  d: number,
): (state: State, token: Step, position: number) => State {
  const limit = maximum(bits);
  if (typeof update === "function") {
    return (state, token, position) => {
      const next = update(state, token, position);
      if (next.numerator.length !== d) {
        throw new RangeError(`"update" expected ${d} numerators, got ${next.numerator.length}`);
      }
      for (const v of next.numerator) integerIn("update numerator", v, -limit, limit);
      integerIn("update denominator", next.denominator, 0, limit);
      return next;
    };
  }
  if (update.length < d * maximum(p)) {
    throw new RangeError(`"update" expected a table of at least ${d * maximum(p)} positions, got ${update.length}`);
  }
  update.forEach((row, i) => {
    if (row.length !== 2 * d || row.some((entry) => entry.numerator.length !== d)) {
      throw new RangeError(`"update" expected ${2 * d} symbols of ${d} numerators at position ${i}`);
    }
    for (const entry of row)
      for (const v of [...entry.numerator, entry.denominator]) integerIn("update", v, -limit, limit);
  });
  return (state, token, position) => {
    const entry = update[position]![2 * token.axis + (token.sign < 0 ? 1 : 0)]!;
    return {
      numerator: state.numerator.map((n, j) => clamp(n + entry.numerator[j]!, limit)),
      denominator: Math.max(0, clamp(state.denominator + entry.denominator, limit)),
    };
  };
}

/** Runs every canonical string once, sharing prefixes; `visit` must copy `counts` to keep them. */
function visitPrefixes(
  next: (state: State, token: Step, position: number) => State,
  p: number,
  d: number,
  visit: (counts: number[], state: State) => void,
): void {
  const counts = new Array<number>(d).fill(0);
  const walk = (axis: number, start: State, position: number) => {
    if (axis === d) {
      visit(counts, start);
      return;
    }
    for (const sign of [1, -1] as const) {
      let state = start;
      for (let count = sign === 1 ? 0 : 1; count <= maximum(p); count++) {
        if (count > 0) state = next(state, { axis, sign }, position + count - 1);
        counts[axis] = count === 0 ? 0 : sign * count;
        walk(axis + 1, state, position + count);
      }
    }
    counts[axis] = 0;
  };
  walk(0, { numerator: new Array<number>(d).fill(0), denominator: 0 }, 0);
}
