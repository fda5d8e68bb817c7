import { maximum } from "../fixed-point/arithmetic.ts";

/** `value` as an integer in `least…most`; throws the sentence that every function of this folder uses. */
export function integerIn(name: string, value: number, least: number, most: number): number {
  if (typeof value !== "number") throw new TypeError(`"${name}" expected an integer, got ${typeof value}`);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`"${name}" expected integer in ${least}..${most}, got ${value}`);
  }
  return value;
}

/** Element `index` of the grid {−M…M}^d in lexicographic order, last coordinate fastest. */
export function gridPoint(index: number, p: number, d: number): number[] {
  const side = 2 * maximum(p) + 1;
  const point = new Array<number>(d);
  for (let c = d - 1; c >= 0; c--) {
    point[c] = (index % side) - maximum(p);
    index = Math.floor(index / side);
  }
  return point;
}

/** (2^{p+1} − 1)^d, the points of that grid. */
export function gridSize(p: number, d: number): bigint {
  return (2n ** BigInt(p + 1) - 1n) ** BigInt(d);
}
