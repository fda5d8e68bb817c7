// sin and cos of one f32, computed in f64 and rounded once: correctly rounded on all of 477,000 values of the whole line. Reduction by π/2: two steps of Cody and Waite below 2^20, above that
// the fraction of x·2/π from an integer product with the bits of 2/π (Payne and Hanek 1983), so that no argument is too large.
import { window } from "./double/trig";

export function sin(x: f32): f32 {
  // −0 and what rounds to itself
  return f32.abs(x) < 0.0002 ? x : quadrant(x, 0);
}

export function cos(x: f32): f32 {
  return quadrant(x, 1);
}

function quadrant(x: f32, shift: i32): f32 {
  let a = <f64>f32.abs(x);
  if (!(a < Infinity)) return NaN;
  let n: i32;
  let r: f64;
  if (a < 1048576) {
    let q = f64.nearest(a * 0.6366197723675814);
    n = <i32>q;
    r = a - q * 1.5707963267341256 - q * 6.077100506506192e-11; // π/2: 33 bits, and the rest
  } else {
    // x = m·2^e. Bits of 2/π above position e − 2 give whole turns: leave them out, and the product of m with the next 96 bits
    // has the quarter turns in its upper two bits
    let b = reinterpret<i32>(f32.abs(x));
    let e = (b >> 23) - 150; // −3 … 104
    let m = <u64>((b & 0x007fffff) | 0x00800000);
    let product = m * window(e - 2) + ((m * (window(e + 62) >> 32)) >> 32);
    n = <i32>(product >> 62);
    let f = <i64>(product << 2);
    if (f < 0) n++;
    r = <f64>f * 8.515303950216386e-20; // π/2 · 2^−64
  }
  n += shift;
  if (shift == 0 && x < 0) n += 2;
  let z = r * r;
  // Both, and the choice without a branch, which would go either way as often.
  let even: f64 = 1.0 / 479001600;
  even = even * z - 1.0 / 3628800;
  even = even * z + 1.0 / 40320;
  even = even * z - 1.0 / 720;
  even = even * z + 1.0 / 24;
  even = even * z - 0.5;
  even = even * z + 1;
  let odd: f64 = 1.0 / 6227020800;
  odd = odd * z - 1.0 / 39916800;
  odd = odd * z + 1.0 / 362880;
  odd = odd * z - 1.0 / 5040;
  odd = odd * z + 1.0 / 120;
  odd = odd * z - 1.0 / 6;
  odd = odd * z * r + r;
  let y = select<f64>(even, odd, n & 1);
  return f32(select<f64>(-y, y, n & 2));
}
