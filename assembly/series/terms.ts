// Adds one digit plane of a weight series into the operands of the integer kernels: builds fused operands term by term, and refines in place.
// A plane packs digits of `bits` bits (2…8) little-endian within bytes, in order [row][tap][channel]; two's complement, or unsigned when
// `unsigned` is not 0. Panels and column sums must be 0 before the first term. For load time; the caller proves that sums of terms fit i16.

/** Digit `index` of a plane. */
@inline
function digit(plane: usize, index: u32, bits: i32, unsigned: i32): i32 {
  const bit = <u64>index * bits;
  const at = plane + <usize>(bit >> 3);
  const low = <i32>(bit & 7);
  let word = <i32>load<u8>(at);
  if (low + bits > 8) word |= <i32>load<u8>(at, 1) << 8;
  const rest = 32 - bits;
  const top = (word >> low) << rest;
  return unsigned ? <i32>(<u32>top >> rest) : top >> rest;
}

/** Adds digit · weight to ConvI16's panels [group][ceil(N/8)][tap][pair][8][2] and the sum of each row to `columnSums`. */
export function addTerm(
  plane: usize, bits: i32, weight: i32, groups: i32, rowsPerGroup: i32, taps: i32, channels: i32, panels: usize, columnSums: usize, unsigned: i32,
): void {
  const pairs = (channels + 1) >> 1;
  const panelBytes = <usize>(taps * pairs) << 5;
  const perGroup = (rowsPerGroup + 7) >> 3;
  let index: u32 = 0;
  for (let row = 0; row < groups * rowsPerGroup; row++) {
    const group = row / rowsPerGroup;
    const r = row - group * rowsPerGroup;
    let to = panels + <usize>(group * perGroup + (r >> 3)) * panelBytes + (<usize>(r & 7) << 2);
    let sum = 0;
    for (let t = 0; t < taps; t++, to += <usize>pairs << 5) {
      for (let c = 0; c < channels; c++, index++) {
        const d = digit(plane, index, bits, unsigned) * weight;
        const at = to + (<usize>(c >> 1) << 5) + (<usize>(c & 1) << 1);
        store<i16>(at, load<i16>(at) + <i16>d);
        sum += d;
      }
    }
    const total = columnSums + (<usize>row << 2);
    store<i32>(total, load<i32>(total) + sum);
  }
}

/** Adds digit · weight to DepthwiseI16's weights [ceil(C/8)][ceil(taps/2)][8][2]; the plane is [channel][tap]. */
export function addTermDepthwise(
  plane: usize, bits: i32, weight: i32, channels: i32, taps: i32, panels: usize, columnSums: usize, unsigned: i32,
): void {
  const blockBytes = <usize>((taps + 1) >> 1) << 5;
  let index: u32 = 0;
  for (let c = 0; c < channels; c++) {
    const to = panels + <usize>(c >> 3) * blockBytes + (<usize>(c & 7) << 2);
    let sum = 0;
    for (let t = 0; t < taps; t++, index++) {
      const d = digit(plane, index, bits, unsigned) * weight;
      const at = to + (<usize>(t >> 1) << 5) + (<usize>(t & 1) << 1);
      store<i16>(at, load<i16>(at) + <i16>d);
      sum += d;
    }
    const total = columnSums + (<usize>c << 2);
    store<i32>(total, load<i32>(total) + sum);
  }
}
