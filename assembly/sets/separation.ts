// Separation from the definition: which inputs can some neuron x → a(clamp(rdiv(sB + wx, s))) tell apart?
import { clamp, rdiv } from "./arithmetic";

/**
 * Tries every weight |w| ≤ M and every bias that matters. `table` is i32 × n, n = 2M + 1; `values` is scratch of n i32; byte x·n + y of
 * `apart` (zeroed by the caller) becomes 1 when x and y are told apart. Returns the number of pairs x < y that stay together.
 */
export function separate(table: usize, m: i32, s: i32, values: usize, apart: usize): i32 {
  const n = 2 * m + 1;
  let together = (n * (n - 1)) / 2;
  for (let w = 0; w <= m && together > 0; w++) {
    const reach = (w * m) / s + m + 2;
    for (let sign = -1; sign <= 1; sign += 2) {
      for (let bias = -reach; bias <= reach; bias++) {
        for (let x = 0; x < n; x++) {
          const z = clamp(rdiv(<i64>s * bias + <i64>sign * w * (x - m), s), m);
          store<i32>(values + (<usize>x << 2), load<i32>(table + (<usize>(z + m) << 2)));
        }
        for (let x = 0; x < n; x++) {
          const value = load<i32>(values + (<usize>x << 2));
          for (let y = x + 1; y < n; y++) {
            const at = apart + <usize>(x * n + y);
            if (value != load<i32>(values + (<usize>y << 2)) && load<u8>(at) == 0) {
              store<u8>(at, 1);
              together--;
            }
          }
        }
      }
    }
  }
  return together;
}
