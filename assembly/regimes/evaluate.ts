// Exact evaluation of a dyadic ReLU network at many points, in 64-bit integers.
//
// `network` is a record of i64 words: inputs, layers, then per layer: rows, then per row: entries, bias, entries × (index, weight).
// All values of a neuron are multiples of one power of two that src/regimes/grid.ts chose per neuron, so that weights, biases and
// values are integers. ReLU after every layer but the last.
// `inputs` and `outputs` hold i64[neuron][points]; `front` and `back` are two i64[widest layer][POINTS] planes and
// `most` two f64[widest layer] arrays of scratch. `points` is at most POINTS and even. Every pointer is 16-aligned.
//
// Returns 0, or 1 when an intermediate could have left ±2^62. The test is sound: Σ|weight|·max|value| is computed beside the integers
// in f64 from magnitudes that the same test has already found good, and its rounding is far below the factor 2 to spare.

@inline const LIMIT: f64 = 4611686018427387904.0; // 2^62

export function evaluateDyadic(
  network: usize,
  points: i32,
  inputs: usize,
  front: usize,
  back: usize,
  most: usize,
  outputs: usize,
  widest: i32,
): i32 {
  const count = <i32>load<i64>(network);
  const layers = <i32>load<i64>(network, 8);
  const stride = <usize>points << 3;
  let at = network + 16;
  let from = inputs;
  let into = front;
  let mostFrom = most;
  let mostInto = most + (<usize>widest << 3);
  for (let j = 0; j < count; j++) store<f64>(mostFrom + (<usize>j << 3), largest(from + <usize>j * stride, points));
  for (let l = 0; l < layers; l++) {
    const last = l == layers - 1;
    const rows = <i32>load<i64>(at);
    at += 8;
    if (last) into = outputs;
    for (let i = 0; i < rows; i++) {
      const entries = <i32>load<i64>(at);
      const bias = load<i64>(at, 8);
      const row = into + <usize>i * stride;
      at += 16;
      fill(row, points, bias);
      let bound = Math.abs(<f64>bias);
      for (let k = 0; k < entries; k++, at += 16) {
        const index = <usize>load<i64>(at);
        const weight = load<i64>(at, 8);
        bound += Math.abs(<f64>weight) * load<f64>(mostFrom + (index << 3));
        addScaled(row, from + index * stride, points, weight);
      }
      if (bound >= LIMIT) return 1;
      if (!last) rectify(row, points);
      store<f64>(mostInto + (<usize>i << 3), largest(row, points));
    }
    from = into;
    into = into == front ? back : front;
    const swap = mostFrom;
    mostFrom = mostInto;
    mostInto = swap;
  }
  return 0;
}

@inline
function fill(row: usize, points: i32, value: i64): void {
  for (let p = 0; p < points; p++) store<i64>(row + (<usize>p << 3), value);
}

/** row += weight·source; the lattice module is always built with SIMD. */
function addScaled(row: usize, source: usize, points: i32, weight: i64): void {
  const factor = i64x2.splat(weight);
  for (let end = row + (<usize>points << 3); row < end; row += 16, source += 16) {
    v128.store(row, i64x2.add(v128.load(row), i64x2.mul(v128.load(source), factor)));
  }
}

function rectify(row: usize, points: i32): void {
  for (let end = row + (<usize>points << 3); row < end; row += 8) {
    const value = load<i64>(row);
    store<i64>(row, value & ~(value >> 63));
  }
}

/** The largest magnitude of a row. */
function largest(row: usize, points: i32): f64 {
  let high: i64 = 0;
  let low: i64 = 0;
  for (let end = row + (<usize>points << 3); row < end; row += 8) {
    const value = load<i64>(row);
    high = max(high, value);
    low = min(low, value);
  }
  return Math.max(<f64>high, -<f64>low);
}
