import { clamp, maximum } from "../fixed-point/arithmetic.ts";
import { type State, stateCount } from "./accumulator.ts";
import type { AccumulatorCertificate, AccumulatorModel } from "./certificate.ts";
import { integerIn } from "./checks.ts";
import { type Positions, paddingToken, rowsOf, type Step, wordOf } from "./words.ts";

/** Tokens of all strings that `certify` reads to find collisions, and that it reads once more from every state for the exact count of wrong answers. */
const MOST_TOKENS = 2 ** 26;
const EXACT_TOKENS = 2 ** 22;

type Next = (state: State, token: Step, position: number) => State;

/** Prefixes that end in one state. */
interface Class {
  readonly state: State;
  /** Tokens read so far; only where all prefixes have the same length. */
  readonly position: number;
  readonly counts: readonly number[];
  /** A second prefix, once there is one. */
  other?: readonly number[];
  size: number;
}

/** See `certify`; options are checked there. */
export function certifyAccumulator(
  model: AccumulatorModel,
  p: number,
  d: number,
  bits: number,
  positions: Positions,
): AccumulatorCertificate {
  const rows = rowsOf(positions, p, d);
  const states = stateCount(bits, d);
  const next = stepper(model.update, bits, p, d, positions);
  const tokens = Number(rows) * (positions === "free" ? 1 : d * maximum(p));
  if (tokens > MOST_TOKENS) {
    throw new RangeError(`"p" and "d" expected at most ${MOST_TOKENS} tokens to go through, got ${tokens}`);
  }
  const classes = new Map<string, Class>();
  const classOf = new Map<string, Class>();
  const start: State = { numerator: new Array<number>(d).fill(0), denominator: 0 };
  visitWords(next, positions, p, d, start, 0, (counts, state, position) => {
    const key = keyOf(state);
    let own = classes.get(key);
    if (own === undefined) {
      own = { state, position, counts: counts.slice(), size: 0 };
      classes.set(key, own);
    } else own.other ??= counts.slice();
    own.size++;
    classOf.set(String(counts), own);
  });
  const exact = classes.size * tokens <= EXACT_TOKENS;
  const wrong = exact
    ? leastWrong(next, positions, p, d, [...classes.values()], classOf)
    : // In a class of c ≥ 2 prefixes each of the c strings y that cancels one of them gets one answer for all c: an error each.
      [...classes.values()].reduce((sum, { size }) => sum + (size > 1 ? size : 0), 0);
  const collision = collisionIn([...classes.values()], next, positions, p);
  const impossible = rows > states;
  return {
    kind: "accumulator",
    p,
    d,
    bits,
    positions,
    rows,
    states,
    impossible,
    leastWrong: impossible ? rows - states + 1n : 0n,
    ...(collision && { collision }),
    wrong: BigInt(wrong),
    exact,
    argument: accumulatorArgument(rows, states, bits, d, positions),
    caveat:
      (positions === "free"
        ? "The statement is about machines whose update and answer know neither position nor length (positions: free). "
        : "The statement allows update and answer to depend on the position and the length in any way (positions: known), and counts padded strings, which all have one length. ") +
      "Only the state passes from x to y: a numerator of value dimension d and a denominator, rounded after every token. A key-value cache, a wider value dimension, several heads or a second " +
      `layer pass more; a running maximum in the state multiplies the states by at most ${2 * maximum(bits) + 1}. It says nothing about trained models.`,
  };
}

/** Σ over final states of the smaller of its equal and its unequal inputs: the wrong answers of this machine under the best of all readouts. */
function leastWrong(
  next: Next,
  positions: Positions,
  p: number,
  d: number,
  classes: readonly Class[],
  classOf: ReadonlyMap<string, Class>,
): number {
  const finals = new Map<string, { equal: number; all: number }>();
  for (const own of classes) {
    visitWords(next, positions, p, d, own.state, own.position, (counts, state) => {
      const key = keyOf(state);
      const final = finals.get(key) ?? { equal: 0, all: 0 };
      final.all += own.size;
      if (classOf.get(String(counts.map((u) => 0 - u))) === own) final.equal++;
      finals.set(key, final);
    });
  }
  let wrong = 0;
  for (const { equal, all } of finals.values()) wrong += Math.min(equal, all - equal);
  return wrong;
}

/** Two prefixes of one class and the y that cancels the first, run to the end: equal final states are what is claimed. */
function collisionIn(
  classes: readonly Class[],
  next: Next,
  positions: Positions,
  p: number,
): AccumulatorCertificate["collision"] {
  const found = classes.find((own) => own.other !== undefined);
  if (found === undefined) return undefined;
  const { counts, other } = found;
  const [x, second, y] = [counts, other!, counts.map((u) => 0 - u)].map((u) => wordOf(positions, u, p));
  const start: State = { numerator: counts.map(() => 0), denominator: 0 };
  const run = (word: readonly Step[], from: State, at: number) =>
    word.reduce((state, token, i) => next(state, token, at + i), from);
  const middles = [x!, second!].map((word) => run(word, start, 0));
  const [final, otherFinal] = middles.map((state, i) => run(y!, state, [x!, second!][i]!.length));
  if (!middles.every((state) => keyOf(state) === keyOf(found.state)) || keyOf(final!) !== keyOf(otherFinal!)) {
    throw new RangeError('"update" expected to give the same state for the same state, token and position each time');
  }
  return { x: x!, other: second!, y: y!, counts: [counts, other!], state: found.state, final: final! };
}

function keyOf({ numerator, denominator }: State): string {
  return `${numerator.map((v) => v + 0).join()};${denominator + 0}`;
}

function accumulatorArgument(rows: bigint, states: bigint, bits: number, d: number, positions: Positions): string[] {
  if (rows <= states) {
    return [
      `${bits} bits leave ${states} states for ${rows} vectors of counts${positions === "known" ? " at one length" : ""}: counting forbids nothing at d = ${d}.`,
    ];
  }
  return [
    positions === "free"
      ? "Update and answer know the state only. If two prefixes x and x' with different counts end in one state, then x|y and x'|y end in one state for every y, and get one answer."
      : "Padded strings all have the same length, so that x|y and x'|y are at the same position throughout. If x and x' with different counts end in one state, so do x|y and x'|y for every y: one answer.",
    "For the y that cancels x the answers should be 1 and 0.",
    `There are ${rows} vectors of counts and (2^${bits + 1} - 1)^${d}·2^${bits} = ${states} states of ${bits} bits, so two of them share a state.`,
    `Scores, values, embeddings${positions === "free" ? "" : ", positions"} and the readout are arbitrary: only the state passes from x to y.`,
    `At least ${rows} - ${states} + 1 = ${rows - states + 1n} of the ${rows * rows} inputs are answered wrongly.`,
  ];
}

function stepper(update: AccumulatorModel["update"], bits: number, p: number, d: number, positions: Positions): Next {
  const limit = maximum(bits);
  const free = positions === "free";
  if (typeof update === "function") {
    return (state, token, position) => {
      // A position-free machine is not told the position: one that asks for it all the same gets no number.
      const next = free
        ? (update as (state: State, token: Step) => State)(state, token)
        : update(state, token, position);
      if (next.numerator.length !== d) {
        throw new RangeError(`"update" expected ${d} numerators, got ${next.numerator.length}`);
      }
      for (const v of next.numerator) integerIn("update numerator", v, -limit, limit);
      integerIn("update denominator", next.denominator, 0, limit);
      return next;
    };
  }
  const least = free ? 1 : 2 * d * maximum(p);
  if (free ? update.length !== 1 : update.length < least) {
    throw new RangeError(
      free
        ? `"update" expected a table of one row, the same at every position, for positions "free", got ${update.length}; positions "known" takes a row per position`
        : `"update" expected a table of at least ${least} positions, the length of x|y, got ${update.length}`,
    );
  }
  update.forEach((row, i) => {
    if (row.length !== 2 * d || row.some((entry) => entry.numerator.length !== d)) {
      throw new RangeError(`"update" expected ${2 * d} symbols of ${d} numerators at position ${i}`);
    }
    for (const entry of row)
      for (const v of [...entry.numerator, entry.denominator]) integerIn("update", v, -limit, limit);
  });
  return (state, token, position) => {
    const entry = update[free ? 0 : position]![2 * token.axis + (token.sign < 0 ? 1 : 0)]!;
    return {
      numerator: state.numerator.map((n, j) => clamp(n + entry.numerator[j]!, limit)),
      denominator: Math.max(0, clamp(state.denominator + entry.denominator, limit)),
    };
  };
}

/** Runs every string of a class once from a state, sharing what canonical strings share; `visit` must copy `counts` to keep them. */
function visitWords(
  next: Next,
  positions: Positions,
  p: number,
  d: number,
  start: State,
  first: number,
  visit: (counts: number[], state: State, position: number) => void,
): void {
  const counts = new Array<number>(d).fill(0);
  const end = first + d * maximum(p);
  const leaf = (state: State, position: number): void => {
    if (positions === "free") {
      visit(counts, state, 0);
      return;
    }
    if ((end - position) % 2 !== 0) return;
    for (let i = 0; position + i < end; i++) state = next(state, paddingToken(counts, i), position + i);
    visit(counts, state, end);
  };
  const walk = (axis: number, from: State, position: number): void => {
    if (axis === d) {
      leaf(from, position);
      return;
    }
    for (const sign of [1, -1] as const) {
      let state = from;
      for (let count = sign === 1 ? 0 : 1; count <= maximum(p); count++) {
        if (count > 0) state = next(state, { axis, sign }, position + count - 1);
        counts[axis] = count === 0 ? 0 : sign * count;
        walk(axis + 1, state, position + count);
      }
    }
    counts[axis] = 0;
  };
  walk(0, start, first);
}
