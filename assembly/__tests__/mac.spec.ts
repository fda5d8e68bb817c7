import { mac__scalar, wordBytes } from "../gemm/mac";

const x: usize = memory.data(16);
const w: usize = memory.data(16);

describe("a word of depth", () => {
  it("is four products of int8 and weights of 7 bits, which wrap as int32 does", () => {
    for (let i: usize = 0; i < 4; i++) {
      store<i8>(x + i, -128);
      store<u8>(w + i, 127);
    }
    expect<i32>(mac__scalar<u8, i32>(5, x, w)).toBe(5 - 4 * 128 * 127);
    expect<i32>(mac__scalar<u8, i32>(i32.MIN_VALUE, x, w)).toBe(i32.MAX_VALUE - 4 * 128 * 127 + 1);
    store<i8>(x + 2, 3);
    store<u8>(w + 3, 0);
    expect<i32>(mac__scalar<u8, i32>(0, x, w)).toBe(-2 * 128 * 127 + 3 * 127);
  });

  it("is two products of int16", () => {
    store<i16>(x, -32768);
    store<i16>(x, 7, 2);
    store<i16>(w, 32767);
    store<i16>(w, -5, 2);
    expect<i32>(mac__scalar<i16, i32>(1, x, w)).toBe(1 - 32768 * 32767 - 35);
    store<i8>(w, -128);
    store<i8>(w, 127, 1);
    expect<i32>(mac__scalar<i8, i32>(0, x, w)).toBe(32768 * 128 + 7 * 127);
  });

  it("has as many bytes in a panel", () => {
    expect<usize>(wordBytes<f32>()).toBe(32);
    expect<usize>(wordBytes<i16>()).toBe(32);
    expect<usize>(wordBytes<u8>()).toBe(32);
    expect<usize>(wordBytes<i8>()).toBe(16);
  });
});
