// Fixed-point numbers: everything is an integer k meaning k/s, M = 2^p − 1.

/** t/s to the nearest integer, ties away from zero. |t| < 2^61, 0 < s < 2^31. */
@inline
export function rdiv(t: i64, s: i64): i64 {
  const a = t < 0 ? -t : t;
  const q = (2 * a + s) / (2 * s);
  return t < 0 ? -q : q;
}

@inline
export function clamp(k: i64, m: i64): i64 {
  return k > m ? m : k < -m ? -m : k;
}
