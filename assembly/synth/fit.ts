/** Times that every element is looked at again. */
const PASSES: i32 = 2;

/**
 * Rounds rows to q so that Σ (x·(w − ŵ))² is small over the inputs x whose second moments H are given: in the order of `order` each element takes up what the errors of those
 * before it ask for (GPTQ), then each in turn moves to where all others want it (coordinate descent). Stores q + `offset` as i32 in `wide`.
 *
 * @param data - f32 [rows][n]
 * @param h - f32 [n][n] in the order of `order`, symmetric; @param unit - of `factor`
 * @param order - i32 [n]: column of the element that comes i-th
 * @param scratch - 32·n bytes
 * @param errors - f64 [rows][3]: Σ(w − ŵ)², Σw², largest |w − ŵ|
 */
export function fitRows(
  data: usize, scales: usize, zeros: usize, rows: i32, n: i32, steps: i32, offset: i32, h: usize, unit: usize, order: usize, wide: usize, scratch: usize, errors: usize,
): void {
  // Four rows at a time, a lane each: x = w/s, r = q − x, both [n][4].
  const bytes = <usize>n << 4;
  const targets = scratch;
  const residuals = scratch + bytes;
  for (let r = 0; r < rows; r += 4) {
    const some = min(4, rows - r);
    let low = f32x4.splat(0);
    let high = f32x4.splat(0);
    for (let lane = 0; lane < 4; lane++) {
      const row = r + min(lane, some - 1);
      const scale = load<f32>(scales + (<usize>row << 2));
      const inverse = scale > 0 ? 1.0 / <f64>scale : 0;
      const zero = load<i32>(zeros + (<usize>row << 2));
      low = replace(low, lane, <f32>-zero);
      high = replace(high, lane, <f32>(steps - zero));
      const from = data + ((<usize>row * <usize>n) << 2);
      for (let i: usize = 0; i < <usize>n; i++) {
        const w = <f64>load<f32>(from + (<usize>load<i32>(order + (i << 2)) << 2));
        store<f32>(targets + (i << 4) + (<usize>lane << 2), <f32>(w * inverse));
      }
    }
    for (let j = 0; j < n; j++) {
      const asked = f32x4.sub(v128.load(targets + (<usize>j << 4)), product(unit + ((<usize>j * <usize>n) << 2), residuals, j));
      take(targets, residuals, j, asked, low, high);
    }
    for (let pass = 0; pass < PASSES; pass++) {
      for (let j = 0; j < n; j++) {
        const row = h + ((<usize>j * <usize>n) << 2);
        const own = load<f32>(row + (<usize>j << 2));
        const residual = v128.load(residuals + (<usize>j << 4));
        const gradient = product(row, residuals, n);
        // The element where the sums err least, all others as they are.
        const best = f32x4.sub(f32x4.add(v128.load(targets + (<usize>j << 4)), residual), f32x4.div(gradient, f32x4.splat(own)));
        take(targets, residuals, j, best, low, high);
      }
    }
    for (let lane = 0; lane < some; lane++) {
      const row = r + lane;
      const scale = <f64>load<f32>(scales + (<usize>row << 2));
      finish(data, row, n, scale, load<i32>(zeros + (<usize>row << 2)), steps, offset, order, targets + (<usize>lane << 2), bytes, wide, errors + <usize>row * 24);
    }
  }
}

/** Σ a[i]·r[i] over the first elements, one sum per row. */
function product(a: usize, residuals: usize, count: i32): v128 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let i: usize = 0;
  const fours = <usize>(count & ~3);
  for (; i < fours; i += 4) {
    const at = residuals + (i << 4);
    const row = a + (i << 2);
    s0 = f32x4.add(s0, f32x4.mul(v128.load32_splat(row), v128.load(at)));
    s1 = f32x4.add(s1, f32x4.mul(v128.load32_splat(row, 4), v128.load(at, 16)));
    s2 = f32x4.add(s2, f32x4.mul(v128.load32_splat(row, 8), v128.load(at, 32)));
    s3 = f32x4.add(s3, f32x4.mul(v128.load32_splat(row, 12), v128.load(at, 48)));
  }
  for (; i < <usize>count; i++) s0 = f32x4.add(s0, f32x4.mul(v128.load32_splat(a + (i << 2)), v128.load(residuals + (i << 4))));
  return f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
}

@inline
function take(targets: usize, residuals: usize, j: i32, asked: v128, low: v128, high: v128): void {
  const q = f32x4.min(f32x4.max(f32x4.nearest(asked), low), high);
  v128.store(residuals + (<usize>j << 4), f32x4.sub(q, v128.load(targets + (<usize>j << 4))));
}

/** q of one row in the order of its columns, and its errors. */
function finish(
  data: usize, row: i32, n: i32, scale: f64, zero: i32, steps: i32, offset: i32, order: usize, targets: usize, bytes: usize, wide: usize, errors: usize,
): void {
  let missed = 0.0;
  let energy = 0.0;
  let largest = 0.0;
  for (let i: usize = 0; i < <usize>n; i++) {
    const column = <usize>(row * n + load<i32>(order + (i << 2))) << 2;
    const w = <f64>load<f32>(data + column);
    const x = load<f32>(targets + (i << 4));
    // x + (q − x) is q but for the last bits.
    const q = min(max(<i32>nearest<f32>(x + load<f32>(targets + bytes + (i << 4))) + zero, 0), steps);
    const d = w - scale * <f64>(q - zero);
    missed += d * d;
    energy += w * w;
    largest = max(largest, abs(d));
    store<i32>(wide + column, q + offset);
  }
  store<f64>(errors, missed);
  store<f64>(errors, energy, 8);
  store<f64>(errors, largest, 16);
}

@inline
function replace(v: v128, lane: i32, value: f32): v128 {
  if (lane == 0) return f32x4.replace_lane(v, 0, value);
  if (lane == 1) return f32x4.replace_lane(v, 1, value);
  return lane == 2 ? f32x4.replace_lane(v, 2, value) : f32x4.replace_lane(v, 3, value);
}
