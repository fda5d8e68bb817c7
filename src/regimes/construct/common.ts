// What the constructions share: bringing the input to cells, and the result from units back to real values.
import { type Form, fraction, type NetworkBuilder, plus, times } from "../builder.ts";
import { absolute, add, bitLength, type Dyadic, dyadic, negate, scaled, shift } from "../dyadic.ts";
import { magnitude } from "../network.ts";

/** Weight format that a construction may use: |w| ≤ 2^a, multiples of 2^-b. */
export interface Format {
  readonly a: number;
  readonly b: number;
}

/** The forms that leave `enterCells`: T = 2^n·x and the level B, over the neurons of the last layer. */
export interface Cells {
  readonly T: Form;
  readonly B: Form;
}

/**
 * Brings x to T = 2^n·x in ⌈n/a⌉ steps of at most a doublings, and builds the constant level B by Horner's rule beside it.
 * The last step is not added as a layer but returned as forms, so that the caller can take what it needs of T in one layer.
 *
 * @param halves the level in halves: B = halves/2 ≥ 0
 */
export function enterCells(net: NetworkBuilder, n: number, a: number, halves: number): Cells {
  const steps: number[] = [];
  for (let rest = n; rest > 0; rest -= a) steps.push(Math.min(a, rest));
  const digits: number[] = [];
  let rest = halves / 2;
  for (const step of [...steps].reverse()) {
    const high = Math.floor(rest / 2 ** step);
    digits.unshift(rest - high * 2 ** step);
    rest = high;
  }
  let T: Form = { x: 1 };
  let B: Form = { _: rest };
  steps.forEach((step, i) => {
    const factor = 2 ** step;
    if (i > 0) {
      net.add({ T, B });
      T = { T: 1 };
      B = { B: 1 };
    }
    T = times(T, factor);
    B = { ...times(B, factor) };
    const constant = i === 0 ? rest * factor + digits[0]! : digits[i]!;
    B = { ...B, _: constant };
  });
  return { T, B };
}

/**
 * Ends the network with y = 2^power·form − offset. Scaling takes as many layers as the format asks for. An offset that is no single
 * weight is built by Horner's rule in a neuron of its own once the rest of the network is done.
 *
 * @param form not negative on the domain
 * @param offset a multiple of 2^(power−b)
 */
export function leaveCells(net: NetworkBuilder, form: Form, power: number, offset: Dyadic, format: Format): void {
  const { a, b } = format;
  const direct = offset.exponent <= b && magnitude(offset) <= a;
  let B = form;
  let C: Form | undefined;
  if (!direct) {
    const inUnits = absolute(shift(offset, -power));
    const fractional = Math.max(inUnits.exponent, 0);
    const numerator = scaled(inUnits, fractional);
    const size = numerator >> BigInt(fractional);
    const rest = dyadic(numerator - (size << BigInt(fractional)), fractional);
    let position = Math.max(bitLength(size) - a, 0);
    C = { _: position === 0 ? add(dyadic(size), rest) : dyadic(size >> BigInt(position)) };
    while (position > 0) {
      const step = Math.min(a, position);
      position -= step;
      const digit = dyadic((size >> BigInt(position)) & ((1n << BigInt(step)) - 1n));
      net.add({ B, C });
      B = { B: 1 };
      C = { C: 2 ** step, _: position === 0 ? add(digit, rest) : digit };
    }
    net.add({ B, C });
    B = { B: 1 };
    C = { C: 1 };
  }
  let rest = power;
  while (rest < -b || rest > a) {
    const by = rest < -b ? -b : a;
    const factor = fraction(1, -by);
    net.add(C === undefined ? { B: times(B, factor) } : { B: times(B, factor), C: times(C, factor) });
    B = { B: 1 };
    if (C !== undefined) C = { C: 1 };
    rest -= by;
  }
  const factor = fraction(1, -rest);
  const subtracted =
    C === undefined ? { _: negate(offset) } : times(C, offset.numerator < 0n ? factor : negate(factor));
  net.add({ y: plus(times(B, factor), subtracted) });
}
