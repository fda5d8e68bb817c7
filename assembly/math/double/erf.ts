// erf in f64: below 1.5 the series x·(1 + 2x²/3 + (2x²)²/15 + …)·e^(−x²)·2/√π, whose terms are all positive; above, 1 − erfc by its continued fraction,
// where erfc is below 0.034. Largest error 6 ulp (7e-16), near 1.26.
import { exp } from "./exp";

export function erf(x: f64): f64 {
  const a = f64.abs(x);
  if (x != x) return x;
  if (a > 6) return f64.copysign(1, x);
  // a² = high + low exactly: h holds the upper 26 bits of a
  const c = 134217729 * a;
  const h = c - (c - a);
  const l = a - h;
  const high = a * a;
  const low = h * h - high + 2 * h * l + l * l;
  const e = exp(-high, -low);
  if (a > 1.5) {
    let fraction: f64 = a;
    for (let k: f64 = 100; k > 0; k--) fraction = a + (0.5 * k) / fraction;
    return f64.copysign(1 - (e * 0.5641895835477563) / fraction, x); // 1/√π
  }
  let term = a;
  let sum = a;
  for (let k: f64 = 3; term > sum * 1e-18; k += 2) {
    term *= (2 * high) / k;
    sum += term;
  }
  return f64.copysign(sum * e * 1.1283791670955126, x); // 2/√π
}
