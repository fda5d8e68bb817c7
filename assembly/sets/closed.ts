// Closed forms: the two gcds of an activation table, and the values that sums from a coset can round to.

/** Writes g = gcd of the differences and h = gcd of the values of `n` i32 at `table` to `out` (two i32). */
export function gcds(table: usize, n: i32, out: usize): void {
  const first = load<i32>(table);
  let g: i32 = 0;
  let h: i32 = 0;
  for (let i = 0; i < n; i++) {
    const value = load<i32>(table + (<usize>i << 2));
    h = gcd(h, abs(value));
    g = gcd(g, abs(value - first));
  }
  store<i32>(out, g);
  store<i32>(out, h, 4);
}

function gcd(a: i32, b: i32): i32 {
  while (b != 0) {
    const r = a % b;
    a = b;
    b = r;
  }
  return a;
}

/**
 * {clamp(rdiv(T, s)) : T ≡ offset (mod g)} for g ≥ 1, 0 ≤ offset < g: sets byte k + M of `out` (2M + 1 bytes) to 1 or 0 and returns the number of
 * ones. O(M): each value's cell of T is an interval, and an interval of integers meets a residue class or it does not.
 */
export function reach(g: i32, offset: i32, m: i32, s: i32, out: usize): i32 {
  let count = 0;
  for (let k = -m; k <= m; k++) {
    let hit = true;
    // The two outer cells are half-lines, which every class meets.
    if (k > -m && k < m) {
      const a = <i64>abs(k);
      // T ≥ 0 rounds to a when 2sa − s ≤ 2T < 2sa + s; cells of negative k are mirrored, the cell of 0 is open at both ends.
      let low = (2 * a * s - s + 1) >> 1;
      let high = (2 * a * s + s - 1) >> 1;
      if (k == 0) low = -high;
      if (k < 0) {
        const t = low;
        low = -high;
        high = -t;
      }
      // The largest member of the class that is ≤ high.
      const shifted = high - offset;
      let r = shifted % g;
      if (r < 0) r += g;
      hit = high - r >= low;
    }
    store<u8>(out + <usize>(k + m), hit ? 1 : 0);
    count += i32(hit);
  }
  return count;
}
