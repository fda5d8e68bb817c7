import { erf } from "../math/erf";
import { exp, sigmoid, tanh } from "../math/exp";
import { log } from "../math/log";

/** Values where polynomials, range reductions and special cases meet: steps of 0.37, the edges of overflow, signed zeros, infinities, NaN. */
function sample(i: i32): f32 {
  if (i < 600) return <f32>(i - 300) * 0.37;
  if (i == 600) return -0.0;
  if (i == 601) return Infinity;
  if (i == 602) return -Infinity;
  if (i == 603) return NaN;
  if (i == 604) return 88.72283;
  if (i == 605) return -103.97208;
  return reinterpret<f32>(1 << (i - 606));
}

const SAMPLES: i32 = 606 + 31;

function bitsOf(x: f32): u32 {
  return x == x ? reinterpret<u32>(x) : 0x7fc00000;
}

describe("a function of one variable", () => {
  it("has the same bits in a lane as alone", () => {
    for (let i = 0; i < SAMPLES; i++) {
      const x = sample(i);
      const v = f32x4.splat(x);
      expect<u32>(bitsOf(f32x4.extract_lane(exp<v128>(v), 1))).toBe(bitsOf(exp<f32>(x)));
      expect<u32>(bitsOf(f32x4.extract_lane(log<v128>(v), 2))).toBe(bitsOf(log<f32>(x)));
      expect<u32>(bitsOf(f32x4.extract_lane(tanh<v128>(v), 3))).toBe(bitsOf(tanh<f32>(x)));
      expect<u32>(bitsOf(f32x4.extract_lane(sigmoid<v128>(v), 0))).toBe(bitsOf(sigmoid<f32>(x)));
      expect<u32>(bitsOf(f32x4.extract_lane(erf<v128>(v), 1))).toBe(bitsOf(erf<f32>(x)));
    }
  });

  it("is exact where it can be", () => {
    expect<f32>(exp<f32>(0)).toBe(1);
    expect<f32>(exp<f32>(-Infinity)).toBe(0);
    expect<f32>(exp<f32>(89)).toBe(Infinity);
    expect<f32>(log<f32>(1)).toBe(0);
    expect<f32>(log<f32>(0)).toBe(-Infinity);
    expect<f32>(tanh<f32>(20)).toBe(1);
    expect<f32>(erf<f32>(-10)).toBe(-1);
    expect<f32>(sigmoid<f32>(0)).toBe(0.5);
    expect<bool>(isNaN(log<f32>(-1))).toBe(true);
  });
});
