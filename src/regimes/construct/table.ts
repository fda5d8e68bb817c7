// Construction C3, "table": constant depth; the slope bits are a matrix with entries 0 and ±1. Source: design note A4.
import { exact, type Form, fraction, NetworkBuilder, type Value } from "../builder.ts";
import { add, compare, type Dyadic, dyadic, multiply, negate, subtract, ZERO } from "../dyadic.ts";
import type { Path } from "../encode.ts";
import type { DyadicNetwork } from "../network.ts";
import { type Format, leaveCells } from "./common.ts";

/**
 * K = 2^⌈n/2⌉ blocks of J = 2^⌊n/2⌋ cells. Row j of the table gives bit j of the block that x lies in, all J of them at once; each
 * gates the ramp of its cell. The clamp to the distance from the block's border is that of bit extraction.
 *
 * Error at most 5 units beyond the path's data. Depth 7 + ⌈(p−1)/b⌉ − 1 or so, width about 3·2^(n/2).
 *
 * @param format a and b, both at least n/4 and ⌈n/2⌉ respectively for the depth to stay constant
 */
export function tableNetwork(path: Path, format: Format = tableFormat(path.n)): DyadicNetwork {
  const { n, p, bits, start } = path;
  const { a } = format;
  const cells = 2 ** n;
  const J = 2 ** Math.floor(n / 2);
  const K = cells / J;
  const ups = Array.from({ length: K }, (_, k) =>
    bits.slice(k * J, (k + 1) * J).reduce<number>((sum, bit) => sum + bit, 0),
  );
  const net = new NetworkBuilder();
  const { first, position, constant } = inputCopies(n, a);
  net.add(first);

  const layer: Record<string, Form> = {};
  for (let k = 0; k < K; k++) {
    layer[`t${k}`] = position(k * J);
    layer[`th${k}`] = position(k * J + J / 2);
    if (k > 0) layer[`s${k}`] = position(k * J + 1);
  }
  layer["B"] = constant(fraction(start + 2 * cells, 1));
  net.add(layer);

  const second: Record<string, Form> = {};
  for (let j = 0; j < J; j++) {
    const row: Record<string, Value> = { _: bits[j]! };
    for (let k = 1; k < K; k++) {
      const change = bits[k * J + j]! - bits[(k - 1) * J + j]!;
      if (change !== 0) Object.assign(row, { [`t${k}`]: change, [`s${k}`]: -change });
    }
    second[`S${j}`] = row;
  }
  for (let j = 0; j <= J; j++) {
    const row: Record<string, Value> = { t0: 1, _: -j };
    for (let k = 1; k < K; k++) Object.assign(row, { [`t${k}`]: -J, [`s${k}`]: J });
    second[`r${j}`] = row;
  }
  const q = Math.log2(J);
  const d: Record<string, Value> = {};
  const rho: Record<string, Value> = { t0: fraction(ups[0]!, q) };
  const B: Record<string, Value> = { B: 1, t0: subtract(fraction(ups[0]!, q), fraction(1, 1)) };
  for (let k = 0; k < K; k++) {
    d[`t${k}`] = k === 0 ? 1 : 2;
    d[`th${k}`] = -2;
    if (k === 0) continue;
    const change = fraction(ups[k]! - ups[k - 1]!, q);
    rho[`t${k}`] = subtract(change, fraction(ups[k - 1]!, 0));
    rho[`s${k}`] = ups[k - 1]!;
    B[`t${k}`] = change;
  }
  net.add({ ...second, d, rho, B });

  const gated: Record<string, Form> = {};
  const sum: Record<string, Value> = { rho: -1, d: 1 };
  for (let j = 0; j < J; j++) {
    gated[`p${j}`] = { [`r${j}`]: 1, [`r${j + 1}`]: -1, [`S${j}`]: 1, _: -1 };
    sum[`p${j}`] = 1;
  }
  net.add({ ...gated, rho: { rho: 1 }, d: { d: 1 }, B: { B: 1 } });
  net.add({ c: sum, d: { d: 1 }, B: { B: 1 } });
  net.add({ e: { d: 2, c: -1 }, d: { d: 1 }, B: { B: 1 } });
  leaveCells(net, { B: 1, d: 1, e: -1 }, 1 - p, subtract(dyadic(1n, p - n - 1), path.offset), format);
  return net.build();
}

/** A format that keeps the depth at 8 or 9 and the weights few: a ≥ the block's size in bits. */
export function tableFormat(n: number): Format {
  const least = Math.max(4, Math.ceil(n / 2) + 1);
  return { a: least, b: least };
}

/** Copies of x and of a constant, each at most 2^a, so that one further layer reaches 2^n·x − offset with weights up to 2^a. */
export function inputCopies(n: number, a: number) {
  const cells = 2 ** n;
  const A = 2 ** a;
  const copies = Math.max(1, Math.ceil(cells / (A * A)));
  const constants = Math.max(1, Math.ceil((1.5 * cells + 2) / (A * A)));
  const first: Record<string, Form> = {};
  for (let i = 0; i < copies; i++) first[`x${i}`] = { x: A };
  for (let i = 0; i < constants; i++) first[`c${i}`] = { _: A };
  const constant = (value: Value): Form => {
    let rest: Dyadic = exact(value);
    const negative = rest.numerator < 0n;
    if (negative) rest = negate(rest);
    const form: Record<string, Value> = {};
    for (let i = 0; rest.numerator !== 0n; i++) {
      const most = fraction(1, -2 * a);
      const part = compare(rest, most) > 0 ? most : rest;
      form[`c${i}`] = multiply(negative ? negate(part) : part, fraction(1, a));
      rest = add(rest, negate(part));
    }
    return form;
  };
  const weight = multiply(fraction(cells, a), fraction(1, Math.log2(copies)));
  const position = (offset: number): Form => ({
    ...Object.fromEntries(Array.from({ length: copies }, (_, i) => [`x${i}`, weight])),
    ...(offset === 0 ? {} : constant(subtract(ZERO, exact(offset)))),
  });
  return { first, position, constant };
}
