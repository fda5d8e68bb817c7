import { maximum } from "../fixed-point/arithmetic.ts";
import { integerIn } from "./checks.ts";

/**
 * The most keys of width 2 and p bits that can all be returned: a key is the strict maximum of q·k for some query exactly when it is a vertex of the
 * convex hull of the keys, so that this is the most vertices of a convex polygon on the grid {−M…M}². Far below the number of distinct keys, which
 * is (2M + 1)²; the nearest-key score returns all of them.
 *
 * @param p 1…3
 * @throws RangeError for other p
 * @example
 * retrievalCapacity(2); // 12 of 49
 */
export function retrievalCapacity(p: number): number {
  const side = 2 * maximum(integerIn("p", p, 1, 3));
  // The edges of a convex polygon have different directions, each a multiple of a primitive vector, and sum up to 0; any such set, ordered by angle,
  // is a polygon. best[right][left][up][down]: the most edges whose steps sum up to these, none above the side of the grid.
  const radix = side + 1;
  const index = (right: number, left: number, up: number, down: number) =>
    ((right * radix + left) * radix + up) * radix + down;
  let best = new Int16Array(radix ** 4).fill(-1);
  best[0] = 0;
  for (const [x, y] of primitiveVectors(side)) {
    const next = best.slice();
    for (let right = 0; right <= side; right++) {
      for (let left = 0; left <= side; left++) {
        for (let up = 0; up <= side; up++) {
          for (let down = 0; down <= side; down++) {
            const edges = best[index(right, left, up, down)]!;
            if (edges < 0) continue;
            for (let times = 1; ; times++) {
              const [r, l] = [right + times * Math.max(x, 0), left + times * Math.max(-x, 0)];
              const [u, d] = [up + times * Math.max(y, 0), down + times * Math.max(-y, 0)];
              if (r > side || l > side || u > side || d > side) break;
              const at = index(r, l, u, d);
              if (next[at]! <= edges) next[at] = edges + 1;
            }
          }
        }
      }
    }
    best = next;
  }
  let most = 0;
  for (let a = 0; a <= side; a++) for (let b = 0; b <= side; b++) most = Math.max(most, best[index(a, a, b, b)]!);
  return most;
}

function primitiveVectors(most: number): [number, number][] {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  const vectors: [number, number][] = [];
  for (let x = -most; x <= most; x++) {
    for (let y = -most; y <= most; y++) if (gcd(Math.abs(x), Math.abs(y)) === 1) vectors.push([x, y]);
  }
  return vectors;
}
