/** `value` as an integer in `least…most`; throws the sentence that every function of this folder uses. */
export function integerIn(name: string, value: number, least: number, most: number): number {
  if (typeof value !== "number") throw new TypeError(`"${name}" expected an integer, got ${typeof value}`);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`"${name}" expected integer in ${least}..${most}, got ${value}`);
  }
  return value;
}

/** M = 2^p − 1: the numbers of p bits are the integers −M…M, in units of 1/s (fixed-point.md, section 0). */
export function largest(p: number): number {
  return 2 ** p - 1;
}

export function clamp(value: number, limit: number): number {
  return value > limit ? limit : value < -limit ? -limit : value;
}

/** numerator/denominator to the nearest integer, ties away from zero; exact while 2·|numerator| + denominator < 2^53. */
export function divideRounded(numerator: number, denominator: number): number {
  const magnitude = Math.floor((2 * Math.abs(numerator) + denominator) / (2 * denominator));
  return numerator < 0 && magnitude !== 0 ? -magnitude : magnitude;
}

/** Element `index` of the grid {−M…M}^d in lexicographic order, last coordinate fastest. */
export function gridPoint(index: number, p: number, d: number): number[] {
  const side = 2 * largest(p) + 1;
  const point = new Array<number>(d);
  for (let c = d - 1; c >= 0; c--) {
    point[c] = (index % side) - largest(p);
    index = Math.floor(index / side);
  }
  return point;
}

/** (2^{p+1} − 1)^d, the points of that grid. */
export function gridSize(p: number, d: number): bigint {
  return (2n ** BigInt(p + 1) - 1n) ** BigInt(d);
}
