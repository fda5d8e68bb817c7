// What the relaxed dot products of this engine give, and how fast they are: a module of its own, a few hundred bytes, so that the relaxed build is
// fetched only where it is right and worth it. src/core/relaxed.ts asks.

/** Least and largest operands first, then a mix: the first operand is a signed byte, the second one of 0…127. */
@inline
function operand(round: i32, lane: i32): i32 {
  if (round < 4) return round & 1 ? -128 : 127;
  return <i32>(<i8>(round * 37 + lane * 101));
}

@inline
function weight(round: i32, lane: i32): i32 {
  if (round < 4) return round & 2 ? 127 : 0;
  return (round * 53 + lane * 29) & 127;
}

/**
 * How many of the dot products of `rounds` rounds are not Σ x·w: 0 wherever the second operand has 7 bits, whatever the engine makes of an eighth. An engine has
 * several compilers, and takes the better one after some calls: ask often.
 */
export function wrong(rounds: i32): i32 {
  let faults = 0;
  for (let round = 0; round < rounds; round++) {
    let x: i32 = 0;
    let w: i32 = 0;
    let first = 0;
    let second = 0;
    for (let lane = 0; lane < 4; lane++) {
      x |= (operand(round, lane) & 255) << (lane << 3);
      w |= weight(round, lane) << (lane << 3);
      const product = operand(round, lane) * weight(round, lane);
      if (lane < 2) first += product;
      else second += product;
    }
    const start = round * 1001;
    const sums = i32x4.relaxed_dot_i8x16_i7x16_add_s(i32x4.splat(x), i32x4.splat(w), i32x4.splat(start));
    const pairs = i16x8.relaxed_dot_i8x16_i7x16_s(i32x4.splat(x), i32x4.splat(w));
    faults += <i32>(i32x4.extract_lane(sums, 0) != start + first + second);
    faults += <i32>(i32x4.extract_lane(sums, 3) != start + first + second);
    faults += <i32>(<i32>i16x8.extract_lane_s(pairs, 0) != first);
    faults += <i32>(<i32>i16x8.extract_lane_s(pairs, 7) != second);
  }
  return faults;
}

/** 127 · 255 four times: 129540 where the second operand has a sign of its own (vpdpbusd), 65534 where pairs stop at 32767 (pmaddubsw), −508 where it is signed (sdot). */
export function kind(): i32 {
  return i32x4.extract_lane(i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(127), i8x16.splat(-1), i32x4.splat(0)), 0);
}

// The inner loop of a tile of 4 × 8 (gemm/gemm_4x8.ts) over `words` words of depth, whose operands are the 8 kB at 0, and the sum of all lanes of its sums. A kernel of its own
// for each way: what an engine makes of an instruction depends on what stands around it (Node 20's doubled sum needs a register of the sum's own).

/** 64 products a word by the dot product of int16, baseline SIMD. */
export function int16(words: i32): i32 {
  return tile<i32>(words);
}

/** 128 products a word by the relaxed dot product into int32. */
export function sums32(words: i32): i32 {
  return tile<u8>(words);
}

/** 128 products a word by the relaxed dot product into int16, which wrap. */
export function sums16(words: i32): i32 {
  return tile<u16>(words);
}

@inline
function mac<T>(sum: v128, x: v128, b: v128): v128 {
  if (sizeof<T>() == 4) return i32x4.add(sum, i32x4.dot_i16x8_s(x, b));
  if (sizeof<T>() == 2) return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(x, b));
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, b, sum);
}

@inline
function tile<T>(words: i32): i32 {
  let c00 = i32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  for (let i = 0; i < words; i++) {
    const at = <usize>((i & 255) << 5);
    const b0 = v128.load(at);
    const b1 = v128.load(at, 16);
    const x0 = v128.load32_splat(at);
    c00 = mac<T>(c00, x0, b0);
    c01 = mac<T>(c01, x0, b1);
    const x1 = v128.load32_splat(at, 4);
    c10 = mac<T>(c10, x1, b0);
    c11 = mac<T>(c11, x1, b1);
    const x2 = v128.load32_splat(at, 8);
    c20 = mac<T>(c20, x2, b0);
    c21 = mac<T>(c21, x2, b1);
    const x3 = v128.load32_splat(at, 12);
    c30 = mac<T>(c30, x3, b0);
    c31 = mac<T>(c31, x3, b1);
  }
  return lanes<T>(c00) + lanes<T>(c01) + lanes<T>(c10) + lanes<T>(c11) + lanes<T>(c20) + lanes<T>(c21) + lanes<T>(c30) + lanes<T>(c31);
}

function lanes<T>(sums: v128): i32 {
  if (sizeof<T>() == 2) sums = i32x4.extadd_pairwise_i16x8_s(sums);
  sums = i32x4.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
  return i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
}
