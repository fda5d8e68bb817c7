import type { Tensor } from "../tensor/index.ts";

/** How far outputs are from those in float32: one number for each output and record of inputs that can tell. */
export class Judge {
  private readonly used: { readonly record: number; readonly name: string; readonly exact: Float32Array }[] = [];
  private readonly unused = new Map<string, string>();

  constructor(
    expected: readonly ReadonlyMap<string, Tensor>[],
    private readonly largest: boolean,
  ) {
    for (const [record, outputs] of expected.entries()) {
      for (const [name, { type, data }] of outputs) {
        const exact = data as Float32Array;
        const why = type === "float32" ? silence(exact) : type;
        if (why === undefined) this.used.push({ record, name, exact });
        else this.unused.set(name, why);
      }
    }
  }

  get count(): number {
    return this.used.length;
  }

  /** Why there is nothing to judge, for people. */
  get silent(): string {
    const each = [...this.unused].map(([name, why]) => `"${name}" is ${why}`);
    return `no output tells how far it is from float32: ${each.join(", ") || "there are none"}`;
  }

  /** Squared errors of the outputs of one record; the others' stay as they are. */
  squares(outputs: ReadonlyMap<string, Tensor>, record: number, into: Float64Array): void {
    for (const [k, used] of this.used.entries()) {
      if (used.record !== record) continue;
      into[k] = this.square(outputs.get(used.name)!.data as Float32Array, used.exact);
    }
  }

  worst(outputs: readonly ReadonlyMap<string, Tensor>[]): number {
    const squares = new Float64Array(this.count);
    for (const [record, one] of outputs.entries()) this.squares(one, record, squares);
    return Math.sqrt(Math.max(...squares));
  }

  private square(given: Float32Array, exact: Float32Array): number {
    let [missed, energy, most, top] = [0, 0, 0, 0];
    for (let i = 0; i < exact.length; i++) {
      const d = given[i]! - exact[i]!;
      missed += d * d;
      energy += exact[i]! * exact[i]!;
      most = Math.max(most, Math.abs(d));
      top = Math.max(top, Math.abs(exact[i]!));
    }
    const square = Math.max(missed / energy, this.largest ? (most / top) ** 2 : 0);
    return Number.isFinite(square) ? square : 1e6;
  }
}

/** How near to 0 or 1 probabilities are that no error of a layer moves: a softmax of scores far apart, which other inputs need not have. */
const SURE = 1e-6;

/** Why numbers tell nothing of an error; undefined where they do. */
function silence(exact: Float32Array): string | undefined {
  if (exact.length === 0) return "empty";
  if (!exact.every(Number.isFinite)) return "not finite";
  if (exact.every((v) => v === exact[0]) && (exact.length > 1 || exact[0] === 0)) return "constant";
  const isSure = exact.some((v) => v > 0.5) && exact.every((v) => Math.abs(v) < SURE || Math.abs(v - 1) < SURE);
  return isSure ? "nothing but 0 and 1" : undefined;
}

/**
 * The part of all vectors along the last axis, of outputs of rank 2 or more, whose largest element is at the same place: that of the worst output.
 *
 * @returns undefined where no output has such vectors
 */
export function agreementOf(
  outputs: readonly ReadonlyMap<string, Tensor>[],
  expected: readonly ReadonlyMap<string, Tensor>[],
): { readonly share: number; readonly vectors: number } | undefined {
  const counts = new Map<string, { agreeing: number; vectors: number }>();
  for (const [record, own] of expected.entries()) {
    for (const [name, { type, dims, data }] of own) {
      const last = dims.at(-1) ?? 1;
      if (type !== "float32" || dims.length < 2 || last < 2) continue;
      const [exact, given] = [data as Float32Array, outputs[record]!.get(name)!.data as Float32Array];
      const count = counts.get(name) ?? { agreeing: 0, vectors: 0 };
      for (let at = 0; at < exact.length; at += last) {
        count.vectors++;
        if (largestAt(exact, at, last) === largestAt(given, at, last)) count.agreeing++;
      }
      counts.set(name, count);
    }
  }
  const shares = [...counts.values()].filter(({ vectors }) => vectors > 0);
  if (shares.length === 0) return undefined;
  return shares
    .map(({ agreeing, vectors }) => ({ share: agreeing / vectors, vectors }))
    .reduce((worst, one) => (one.share < worst.share ? one : worst));
}

function largestAt(values: Float32Array, at: number, length: number): number {
  let best = 0;
  for (let i = 1; i < length; i++) if (values[at + i]! > values[at + best]!) best = i;
  return best;
}
