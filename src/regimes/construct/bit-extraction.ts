// Construction C2, "bit extraction": width 9; m slope bits travel in one weight, which trades precision for depth.
// Source: design note A4. Words use guard digits (0 or 2 in base 4), so that a bit is read with a slope of 3 instead of 2^m.
import { type Form, fraction, NetworkBuilder, plus, times } from "../builder.ts";
import { type Dyadic, dyadic, subtract, trailingZeros } from "../dyadic.ts";
import type { Path } from "../encode.ts";
import type { DyadicNetwork } from "../network.ts";
import { enterCells, type Format, leaveCells } from "./common.ts";

/** Bits as digits 0 or 2 in base 4, most significant first: Σ 2·bit_j·4^-(j+1), at most 2/3. */
export function guardedWord(bits: readonly (0 | 1)[]): Dyadic {
  let word = 0n;
  for (const bit of bits) word = 4n * word + 2n * BigInt(bit);
  return dyadic(word, 2 * bits.length);
}

/**
 * Blocks of m = 2^q cells. While T passes a block's border, its word replaces the last one in w; then m layers take the bits out of w
 * one by one and add the ramp of their cell. In the one cell after a border the word is garbage; clamping the correction to the
 * distance d from the border keeps what that costs at 4 units.
 *
 * Error at most 5 units beyond the path's data. Width 9, depth about 2^(n−q) + 2^q, b = 2^(q+1) − 1.
 *
 * @param q 1 ≤ q < n
 * @param a magnitude of the weights, at least q + 1
 */
export function bitExtractionNetwork(path: Path, q: number, a = Math.max(4, q + 1)): DyadicNetwork {
  const { n, p, bits } = path;
  const m = 2 ** q;
  const blocks = 2 ** (n - q);
  const words: Dyadic[] = [];
  const ups: number[] = [];
  for (let k = 0; k < blocks; k++) {
    const block = bits.slice(k * m, (k + 1) * m);
    words.push(guardedWord(block));
    ups.push(block.reduce<number>((sum, bit) => sum + bit, 0));
  }
  const net = new NetworkBuilder();
  const { T, B } = enterCells(net, n, a, path.start + 2 * 2 ** n);
  net.add({ t: T, t1: { ...T, _: -1 }, th: { ...T, _: -m / 2 }, v: T, B });
  for (let k = 0; k < blocks; k++) {
    const step = blockForms(k, m, words, ups);
    if (k < blocks - 1) {
      const next = { t: { t: 1, _: -m }, t1: { t: 1, _: -m - 1 }, th: { t: 1, _: -m - m / 2 } };
      net.add({ ...next, ...step });
    } else {
      const { w, rho, v, d } = step;
      net.add({
        w,
        ...threshold(w),
        v,
        v1: plus(v, { _: -1 }),
        R: plus(times(rho, -1), { _: m }),
        d,
        B: step.B,
      });
    }
  }
  extract(net, m);
  net.add({ c: { R: 1, prod: 1, d: 1, _: -m }, d: { d: 1 }, B: { B: 1 } });
  net.add({ e: { d: 2, c: -1 }, d: { d: 1 }, B: { B: 1 } });
  const format: Format = { a, b: 2 * m - 1 };
  leaveCells(net, { B: 1, d: 1, e: -1 }, 1 - p, subtract(dyadic(1n, p - n - 1), path.offset), format);
  return net.build();
}

/** The bit on top of word w is ReLU(3w − 1/2) − ReLU(3w − 3/2). */
function threshold(w: Form): { p: Form; q: Form } {
  return { p: plus(times(w, 3), { _: -0.5 }), q: plus(times(w, 3), { _: -1.5 }) };
}

/** Entering block k: the word w, the position v in the block, the line ρ through the block's ends, the base B, the tent d. */
function blockForms(k: number, m: number, words: readonly Dyadic[], ups: readonly number[]) {
  const q = trailingZeros(BigInt(m));
  const slope = fraction(ups[k]!, q);
  if (k === 0) {
    return {
      w: { _: words[0]! },
      rho: { t: slope },
      v: { v: 1 },
      B: { B: 1, t: subtract(slope, fraction(1, 1)) },
      d: { t: 1, th: -2 },
    } satisfies Record<string, Form>;
  }
  const before = ups[k - 1]!;
  const change = subtract(slope, fraction(before, q));
  const word = subtract(words[k]!, words[k - 1]!);
  return {
    w: { w: 1, t: word, t1: times({ t: word }, -1)["t"] },
    rho: { rho: 1, t: subtract(change, fraction(before, 0)), t1: before },
    v: { v: 1, t: -m, t1: m },
    B: { B: 1, t: change },
    d: { d: 1, t: 1, th: -2 },
  } satisfies Record<string, Form>;
}

/** m layers; afterwards R + prod − m is the sum of the block's rising cells up to x, less ρ. */
function extract(net: NetworkBuilder, m: number): void {
  for (let j = 0; j < m; j++) {
    const layer: Record<string, Form> = {
      B: { B: 1 },
      d: { d: 1 },
      R: j === 0 ? { R: 1 } : { R: 1, prod: 1 },
      prod: { v: 1, v1: -1, p: 1, q: -1, _: -1 },
    };
    if (j < m - 1) {
      const w: Form = { w: 4, p: -2, q: 2 };
      Object.assign(layer, { w, ...threshold(w), v: { v1: 1 }, v1: { v1: 1, _: -1 } });
    }
    net.add(layer);
  }
}
