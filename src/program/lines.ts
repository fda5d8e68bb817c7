import type { KnownValue } from "../graph/graph.ts";

/** Signatures of inputs that grow together: extent `i` is base[i] + t·direction[i], as past and attention_mask grow with every token. */
export interface Line {
  /** Extents of each input. */
  readonly ranks: readonly number[];
  readonly base: readonly number[];
  /** None is negative, one at least is not 0. */
  readonly direction: readonly number[];
}

/** A line between two sizes, both included. */
export interface Range {
  readonly line: Line;
  readonly low: number;
  readonly high: number;
}

const NONE: ReadonlySet<number> = new Set();

/** Signatures that are remembered: enough for a few kinds of inputs in turn. */
const REMEMBERED = 16;

/** The signatures that came lately, and the lines among them. */
export class Lines {
  private readonly met: { readonly kind: string; readonly extents: readonly number[] }[] = [];

  /** Whether a signature has been met. */
  get any(): boolean {
    return this.met.length > 0;
  }

  /**
   * The lines through the given signature and two others that have been met, the finest first: widths of 64, 96 and 160 may be any widths, or
   * multiples of 32.
   *
   * @param rows - extents that count rows of a state, which come one by one: one other signature is enough then
   */
  through(values: readonly KnownValue[], rows: ReadonlySet<number> = NONE): Line[] {
    const [kind, extents] = [kindOf(values), extentsOf(values)];
    const ranks = values.map(({ shape }) => shape.length);
    const others = this.met.filter((one) => one.kind === kind);
    this.met.push({ kind, extents });
    if (this.met.length > REMEMBERED) this.met.shift();
    for (const [i, a] of others.entries()) {
      const far = minus(extents, a.extents);
      const unit = divisor(far);
      if (unit === 0) continue;
      const direction = far.map((d) => d / unit);
      if (rows.size > 0 && direction.every((d, j) => !rows.has(j) || Math.abs(d) === 1)) {
        const found = lineOf(ranks, extents, direction, 1);
        if (found.length > 0) return found;
      }
      for (const b of others.slice(i + 1)) {
        const near = minus(b.extents, a.extents);
        const varying = direction.findIndex((d) => d !== 0);
        const times = near[varying]! / direction[varying]!;
        if (times === 0 || near.some((d, j) => d !== times * direction[j]!)) continue;
        const coarse = divisor([unit, times]);
        return [...new Set([1, coarse])].flatMap((step) => lineOf(ranks, extents, direction, step));
      }
    }
    return [];
  }
}

/** The line of a state alone: nothing grows but its rows, one by one. */
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

/** Where on the line the signature lies; undefined beside it. Asked at every run. */
export function placeOn({ ranks, base, direction }: Line, values: readonly KnownValue[]): number | undefined {
  if (values.length !== ranks.length) return undefined;
  let t: number | undefined;
  let i = 0;
  for (const [j, { shape }] of values.entries()) {
    if (shape.length !== ranks[j]) return undefined;
    for (const d of shape) {
      const step = direction[i]!;
      const far = d - base[i++]!;
      if (step !== 0) t ??= far / step;
      if (far !== step * (t ?? 0)) return undefined;
    }
  }
  return Number.isInteger(t) ? t : undefined;
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
