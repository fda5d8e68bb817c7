/** Inputs that are added in f32 before they are added in f64. */
const BLOCK: i32 = 64;

/**
 * Adds Σ x·xᵀ over the inputs x to `moments`, f64 [n][n], of which the lower triangle and what the last block of eight columns of a row holds beside it are written.
 *
 * @param inputs - f32 [count][stride], the elements from `n` on 0; `stride` is a multiple of 8
 */
export function addMoments(inputs: usize, count: i32, n: i32, stride: i32, moments: usize): void {
  const bytes = <usize>stride << 2;
  for (let from = 0; from < count; from += BLOCK) {
    const block = inputs + <usize>from * bytes;
    const length = min(BLOCK, count - from);
    for (let i = 0; i < n; i += 2) {
      const last = min(i + 2, n);
      for (let j = 0; j < last; j += 8) addTile(block, length, bytes, i, j, n, moments);
    }
  }
}

/** Two rows by eight columns. */
function addTile(block: usize, length: i32, bytes: usize, i: i32, j: i32, n: i32, moments: usize): void {
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  const left = block + (<usize>i << 2);
  const right = block + (<usize>j << 2);
  for (let p: usize = 0, end = <usize>length * bytes; p < end; p += bytes) {
    const y0 = v128.load(right + p);
    const y1 = v128.load(right + p, 16);
    const x0 = v128.load32_splat(left + p);
    const x1 = v128.load32_splat(left + p, 4);
    a0 = f32x4.add(a0, f32x4.mul(x0, y0));
    a1 = f32x4.add(a1, f32x4.mul(x0, y1));
    b0 = f32x4.add(b0, f32x4.mul(x1, y0));
    b1 = f32x4.add(b1, f32x4.mul(x1, y1));
  }
  addRow(a0, a1, moments, i, j, n);
  if (i + 1 < n) addRow(b0, b1, moments, i + 1, j, n);
}

@inline
function addRow(low: v128, high: v128, moments: usize, i: i32, j: i32, n: i32): void {
  const at = moments + ((<usize>i * <usize>n + <usize>j) << 3);
  if (j + 8 <= n) {
    for (let k = 0; k < 2; k++) {
      const four = k == 0 ? low : high;
      const to = at + (<usize>k << 5);
      v128.store(to, f64x2.add(v128.load(to), f64x2.promote_low_f32x4(four)));
      v128.store(to, f64x2.add(v128.load(to, 16), f64x2.promote_low_f32x4(i8x16.shuffle(four, four, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7))), 16);
    }
    return;
  }
  for (let c = 0; j + c < n; c++) {
    const to = at + (<usize>c << 3);
    store<f64>(to, load<f64>(to) + <f64>lane(c < 4 ? low : high, c & 3));
  }
}

function lane(v: v128, i: i32): f32 {
  if (i == 0) return f32x4.extract_lane(v, 0);
  if (i == 1) return f32x4.extract_lane(v, 1);
  return i == 2 ? f32x4.extract_lane(v, 2) : f32x4.extract_lane(v, 3);
}
