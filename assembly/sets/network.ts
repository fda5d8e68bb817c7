// Evaluates a fixed-point network on every input of a range of Q^d and compares it with a table. The record is in src/core/abi/lattice.ts.
import { Batch, LayerRecord, NetworkRecord } from "../../src/core/abi/lattice";

const INPUT_BYTES: usize = 4; // a pair of i16 of one input
const PAIR_BYTES: usize = <usize>Batch.Block * 4; // one pair of neurons, all inputs of a block
const TILE: i32 = 16; // inputs per register tile

/**
 * Inputs `first … first + count − 1` in lexicographic order, the last coordinate fastest. Returns the first input whose outputs differ
 * from the targets, or −1; its outputs are then in the buffer of the last layer, at position (input − first) mod 64.
 */
export function verify(network: usize, first: i32, count: i32): i32 {
  const layers = load<i32>(network, NetworkRecord.Layers << 2);
  for (let done = 0; done < count; done += Batch.Block) {
    const here = min(count - done, <i32>Batch.Block);
    let input = <usize>load<u32>(network, NetworkRecord.Even << 2);
    let output = <usize>load<u32>(network, NetworkRecord.Odd << 2);
    writeInputs(network, first + done, input);
    let layer = network + (<usize>NetworkRecord.length << 2);
    for (let l = 0; l < layers; l++, layer += <usize>LayerRecord.length << 2) {
      evaluateLayer(network, layer, input, output, l + 1 < layers);
      const swap = input;
      input = output;
      output = swap;
    }
    const rows = load<i32>(layer - (<usize>LayerRecord.length << 2), LayerRecord.Rows << 2);
    const targets = <usize>load<u32>(network, NetworkRecord.Targets << 2);
    for (let i = 0; i < here; i++) {
      for (let row = 0; row < rows; row++) {
        const wanted = load<i16>(targets + ((<usize>(first + done + i) * rows + row) << 1));
        if (load<i16>(at(input, row, i)) != wanted) return first + done + i;
      }
    }
  }
  return -1;
}

@inline
function at(buffer: usize, neuron: i32, input: i32): usize {
  return buffer + <usize>(neuron >> 1) * PAIR_BYTES + <usize>input * INPUT_BYTES + (<usize>(neuron & 1) << 1);
}

function writeInputs(network: usize, first: i32, buffer: usize): void {
  const dimensions = load<i32>(network, NetworkRecord.Dimensions << 2);
  const side = load<i32>(network, NetworkRecord.Side << 2);
  const m = load<i32>(network, NetworkRecord.Maximum << 2);
  const pairs = load<i32>(network, (<usize>NetworkRecord.length + LayerRecord.Pairs) << 2);
  memory.fill(buffer, 0, <usize>pairs * PAIR_BYTES);
  for (let i = 0; i < <i32>Batch.Block; i++) {
    let rest = first + i;
    for (let c = dimensions - 1; c >= 0; c--) {
      store<i16>(at(buffer, c, i), <i16>(rest % side - m));
      rest /= side;
    }
  }
}

function evaluateLayer(network: usize, layer: usize, input: usize, output: usize, hidden: bool): void {
  const rows = load<i32>(layer, LayerRecord.Rows << 2);
  const pairs = load<i32>(layer, LayerRecord.Pairs << 2);
  const block = load<i32>(layer, LayerRecord.BlockPairs << 2);
  const biases = <usize>load<u32>(layer, LayerRecord.Biases << 2);
  const sums = <usize>load<u32>(network, NetworkRecord.Sums << 2);
  const table = hidden ? <usize>load<u32>(network, NetworkRecord.Table << 2) : 0;
  const m = <f64>load<i32>(network, NetworkRecord.Maximum << 2);
  const s = <f64>load<i32>(network, NetworkRecord.Scale << 2);
  const stride = <usize>pairs << 2;
  let weights = <usize>load<u32>(layer, LayerRecord.Weights << 2);
  for (let row = 0; row < rows; row += 4, weights += stride << 2) {
    for (let tile = 0; tile < <i32>Batch.Block; tile += TILE) {
      for (let r = 0; r < 4; r++) {
        const bias = f64x2.splat(load<f64>(biases + (<usize>(row + r) << 3)));
        for (let i = 0; i < TILE; i += 2) v128.store(sums + (<usize>(r * TILE + i) << 3), bias);
      }
      const x = input + <usize>tile * INPUT_BYTES;
      for (let pair = 0; pair < pairs; pair += block) {
        addProducts(weights + (<usize>pair << 2), stride, x + <usize>pair * PAIR_BYTES, min(block, pairs - pair), sums);
      }
      for (let r = 0; r < 4; r++) {
        round(sums + (<usize>(r * TILE) << 3), at(output, row + r, tile), s, m, table);
      }
    }
  }
}

/** sums[r][i] += Σ w[r]·x[i] over `pairs` pairs, for 4 rows and 16 inputs; exact because the caller bounds `pairs`. */
function addProducts(w: usize, stride: usize, x: usize, pairs: i32, sums: usize): void {
  let a0 = i32x4.splat(0), a1 = i32x4.splat(0), a2 = i32x4.splat(0), a3 = i32x4.splat(0);
  let b0 = i32x4.splat(0), b1 = i32x4.splat(0), b2 = i32x4.splat(0), b3 = i32x4.splat(0);
  let c0 = i32x4.splat(0), c1 = i32x4.splat(0), c2 = i32x4.splat(0), c3 = i32x4.splat(0);
  let d0 = i32x4.splat(0), d1 = i32x4.splat(0), d2 = i32x4.splat(0), d3 = i32x4.splat(0);
  const end = w + (<usize>pairs << 2);
  const w1 = stride, w2 = stride << 1, w3 = w1 + w2;
  for (; w < end; w += 4, x += PAIR_BYTES) {
    const x0 = v128.load(x), x1 = v128.load(x, 16), x2 = v128.load(x, 32), x3 = v128.load(x, 48);
    let v = v128.load32_splat(w);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(v, x0));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(v, x1));
    a2 = i32x4.add(a2, i32x4.dot_i16x8_s(v, x2));
    a3 = i32x4.add(a3, i32x4.dot_i16x8_s(v, x3));
    v = v128.load32_splat(w + w1);
    b0 = i32x4.add(b0, i32x4.dot_i16x8_s(v, x0));
    b1 = i32x4.add(b1, i32x4.dot_i16x8_s(v, x1));
    b2 = i32x4.add(b2, i32x4.dot_i16x8_s(v, x2));
    b3 = i32x4.add(b3, i32x4.dot_i16x8_s(v, x3));
    v = v128.load32_splat(w + w2);
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(v, x0));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(v, x1));
    c2 = i32x4.add(c2, i32x4.dot_i16x8_s(v, x2));
    c3 = i32x4.add(c3, i32x4.dot_i16x8_s(v, x3));
    v = v128.load32_splat(w + w3);
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(v, x0));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(v, x1));
    d2 = i32x4.add(d2, i32x4.dot_i16x8_s(v, x2));
    d3 = i32x4.add(d3, i32x4.dot_i16x8_s(v, x3));
  }
  addRow(sums, a0, a1, a2, a3);
  addRow(sums + 128, b0, b1, b2, b3);
  addRow(sums + 256, c0, c1, c2, c3);
  addRow(sums + 384, d0, d1, d2, d3);
}

@inline
function addRow(sums: usize, v0: v128, v1: v128, v2: v128, v3: v128): void {
  addFour(sums, v0);
  addFour(sums + 32, v1);
  addFour(sums + 64, v2);
  addFour(sums + 96, v3);
}

@inline
function addFour(sums: usize, v: v128): void {
  v128.store(sums, f64x2.add(v128.load(sums), f64x2.convert_low_i32x4_s(v)));
  const high = i64x2.shuffle(v, v, 1, 1);
  v128.store(sums, f64x2.add(v128.load(sums, 16), f64x2.convert_low_i32x4_s(high)), 16);
}

/**
 * 16 sums T become clamp(rdiv(T, s)), then the activation, at stride 4 bytes from `out`. Clamping T to s(M + 1) first keeps
 * (2|T| + s) / 2s small: its distance to the integer above is at least 1/2s, far more than the rounding of the division, so floor is exact.
 */
function round(sums: usize, out: usize, s: f64, m: f64, table: usize): void {
  const limit = f64x2.splat(s * (m + 1));
  const top = f64x2.splat(m);
  const half = f64x2.splat(s);
  const double = f64x2.splat(2 * s);
  for (let i = 0; i < TILE; i += 2, sums += 16, out += 8) {
    const t = v128.load(sums);
    const size = f64x2.min(f64x2.abs(t), limit);
    const rounded = f64x2.floor(f64x2.div(f64x2.add(f64x2.add(size, size), half), double));
    const sign = v128.and(t, f64x2.splat(-0.0));
    const z = i32x4.trunc_sat_f64x2_s_zero(v128.or(f64x2.min(rounded, top), sign));
    const z0 = i32x4.extract_lane(z, 0);
    const z1 = i32x4.extract_lane(z, 1);
    if (table != 0) {
      const middle = table + (<usize>m << 1);
      store<i16>(out, load<i16>(middle + (<isize>z0 << 1)));
      store<i16>(out, load<i16>(middle + (<isize>z1 << 1)), 4);
    } else {
      store<i16>(out, <i16>z0);
      store<i16>(out, <i16>z1, 4);
    }
  }
}
