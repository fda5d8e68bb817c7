// Which lines the sizes of a model lie on: found once two or three have come, and not needed for a model that is given one size.
import type { KnownValue } from "../graph/graph.ts";
import type { Line } from "./lines.ts";

const NONE: ReadonlySet<number> = new Set();

/**
 * The lines through the given signature and two others that have been met, the finest first: widths of 64, 96 and 160 may be any widths, or
 * multiples of 32.
 *
 * @param met - signatures before this one
 * @param rows - extents that count rows of a state, which come one by one: one other signature is enough then
 */
export function linesThrough(
  met: readonly (readonly KnownValue[])[],
  values: readonly KnownValue[],
  rows: ReadonlySet<number> = NONE,
): Line[] {
  const [kind, extents] = [kindOf(values), extentsOf(values)];
  const ranks = values.map(({ shape }) => shape.length);
  const others = met.filter((one) => kindOf(one) === kind).map(extentsOf);
  for (const [i, a] of others.entries()) {
    const far = minus(extents, a);
    const unit = divisor(far);
    if (unit === 0) continue;
    const direction = far.map((d) => d / unit);
    if (rows.size > 0 && direction.every((d, j) => !rows.has(j) || Math.abs(d) === 1)) {
      const found = lineOf(ranks, extents, direction, 1);
      if (found.length > 0) return found;
    }
    for (const b of others.slice(i + 1)) {
      const near = minus(b, a);
      const varying = direction.findIndex((d) => d !== 0);
      const times = near[varying]! / direction[varying]!;
      if (times === 0 || near.some((d, j) => d !== times * direction[j]!)) continue;
      const coarse = divisor([unit, times]);
      return [...new Set([1, coarse])].flatMap((step) => lineOf(ranks, extents, direction, step));
    }
  }
  return [];
}

/** The line on which these extents, counted through, grow one by one and nothing else. */
export function lineOfRows(values: readonly KnownValue[], rows: ReadonlySet<number>): Line[] {
  const extents = extentsOf(values);
  return lineOf(
    values.map(({ shape }) => shape.length),
    extents,
    extents.map((_, i) => (rows.has(i) ? 1 : 0)),
    1,
  );
}

function lineOf(
  ranks: readonly number[],
  through: readonly number[],
  direction: readonly number[],
  step: number,
): Line[] {
  const sign = direction.some((d) => d < 0) ? -step : step;
  const wide = direction.map((d) => (d === 0 ? 0 : d * sign));
  if (wide.some((d) => d < 0)) return [];
  const t = sizeOn({ base: through.map(() => 0), direction: wide }, through);
  return [
    {
      ranks,
      base: minus(
        through,
        wide.map((d) => d * t),
      ),
      direction: wide,
    },
  ];
}

/** The largest t at which no extent is beyond its own. */
function sizeOn({ base, direction }: Pick<Line, "base" | "direction">, extents: readonly number[]): number {
  return Math.min(...direction.flatMap((d, i) => (d === 0 ? [] : [Math.floor((extents[i]! - base[i]!) / d)])));
}

/** The values at t, which are those given but for their shapes. */
export function valuesAt(line: Line, values: readonly KnownValue[], t: number): KnownValue[] {
  let at = 0;
  return values.map(({ type, shape }) => ({
    type,
    shape: shape.map(() => {
      const i = at++;
      return line.base[i]! + t * line.direction[i]!;
    }),
  }));
}

/**
 * From where on no extent that varies is 0 or 1: those broadcast and vanish, and have programs of their own. A single row of a state does not: operators
 * read it behind others or as a copy.
 *
 * @param fewest - rows of a state that are no case of their own
 */
export function genericFrom({ base, direction }: Line, rows: ReadonlySet<number> = NONE, fewest = 1): number {
  const least = (i: number): number => (rows.has(i) ? fewest : 2);
  return Math.max(0, ...direction.flatMap((d, i) => (d === 0 ? [] : [Math.ceil((least(i) - base[i]!) / d)])));
}

function kindOf(values: readonly KnownValue[]): string {
  return values.map(({ type, shape }) => `${type}${shape.length}`).join();
}

function extentsOf(values: readonly KnownValue[]): number[] {
  return values.flatMap(({ shape }) => shape);
}

function minus(a: readonly number[], b: readonly number[]): number[] {
  return a.map((d, i) => d - b[i]!);
}

/** Greatest common divisor, not negative. */
function divisor(values: readonly number[]): number {
  let result = 0;
  for (const value of values) {
    let rest = Math.abs(value);
    while (rest !== 0) [result, rest] = [rest, result % rest];
  }
  return result;
}
