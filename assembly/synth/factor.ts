/**
 * The lower triangular L with H = LᵀL, in f64 and in place, from the last row to the first; H is symmetric, positive definite, and given by its lower triangle.
 *
 * With it ‖L·r‖² = rᵀHr, and row j of L says what the errors of the elements before j ask of element j. GPTQ (Frantar et al., ICLR 2023) takes the same from the factor U of
 * the inverse, H⁻¹ = UᵀU: L = U⁻¹ read the other way, so that no inverse is needed.
 *
 * @param h - f64 [n][n]
 * @param unit - f32 [n][n]: L[j][i]/L[j][j] for i < j, else 0
 */
export function factor(h: usize, n: i32, unit: usize): void {
  const bytes = <usize>n << 3;
  for (let k = n - 1; k >= 0; k--) {
    const row = h + <usize>k * bytes;
    let m = k + 1;
    for (; m + 4 <= n; m += 4) {
      const at = h + <usize>m * bytes;
      subtract4(row, at, bytes, k);
    }
    for (; m < n; m++) subtract1(row, h + <usize>m * bytes, k);
    const diagonal = sqrt(max(load<f64>(row + (<usize>k << 3)), 1e-300));
    const inverse = 1.0 / diagonal;
    store<f64>(row + (<usize>k << 3), diagonal);
    const out = unit + <usize>k * <usize>n * 4;
    for (let i: usize = 0; i < <usize>n; i++) {
      let value = 0.0;
      if (i < <usize>k) {
        value = load<f64>(row + (i << 3)) * inverse;
        store<f64>(row + (i << 3), value);
      }
      store<f32>(out + (i << 2), <f32>(value * inverse));
    }
  }
}

/** Elements 0…k of a row less those of four others, each times its own element k. */
function subtract4(row: usize, at: usize, bytes: usize, k: i32): void {
  const end = <usize>(k + 1) << 3;
  const c0 = load<f64>(at + (<usize>k << 3));
  const c1 = load<f64>(at + bytes + (<usize>k << 3));
  const c2 = load<f64>(at + 2 * bytes + (<usize>k << 3));
  const c3 = load<f64>(at + 3 * bytes + (<usize>k << 3));
  const s0 = f64x2.splat(c0);
  const s1 = f64x2.splat(c1);
  const s2 = f64x2.splat(c2);
  const s3 = f64x2.splat(c3);
  let i: usize = 0;
  for (; i + 16 <= end; i += 16) {
    const from = at + i;
    const a = f64x2.add(f64x2.mul(s0, v128.load(from)), f64x2.mul(s1, v128.load(from + bytes)));
    const b = f64x2.add(f64x2.mul(s2, v128.load(from + 2 * bytes)), f64x2.mul(s3, v128.load(from + 3 * bytes)));
    v128.store(row + i, f64x2.sub(v128.load(row + i), f64x2.add(a, b)));
  }
  for (; i < end; i += 8) {
    const from = at + i;
    const a = c0 * load<f64>(from) + c1 * load<f64>(from + bytes);
    const b = c2 * load<f64>(from + 2 * bytes) + c3 * load<f64>(from + 3 * bytes);
    store<f64>(row + i, load<f64>(row + i) - (a + b));
  }
}

function subtract1(row: usize, at: usize, k: i32): void {
  const c = load<f64>(at + (<usize>k << 3));
  for (let i: usize = 0, end = <usize>(k + 1) << 3; i < end; i += 8) store<f64>(row + i, load<f64>(row + i) - c * load<f64>(at + i));
}
