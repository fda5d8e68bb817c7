/**
 * Floats of 16 bits and less: sign, exponent, mantissa. A code without its sign is a magnitude, and magnitudes are in the order of their codes.
 * Sources: IEEE 754 (float16), https://onnx.ai/onnx/technical/float8.html, float4.html. float8e8m0 is no such float: it has an exponent only.
 */

export enum MantissaBits {
  float16 = 10,
  bfloat16 = 7,
  float8e4m3fn = 3,
  float8e4m3fnuz = 3,
  float8e5m2 = 2,
  float8e5m2fnuz = 2,
  float4e2m1 = 1,
}

export enum ExponentBias {
  float16 = 15,
  bfloat16 = 127,
  float8e4m3fn = 7,
  float8e4m3fnuz = 8,
  float8e5m2 = 15,
  float8e5m2fnuz = 16,
  float4e2m1 = 1,
}

/** The code of the sign bit. */
export enum SignBit {
  float16 = 0x8000,
  bfloat16 = 0x8000,
  float8e4m3fn = 0x80,
  float8e4m3fnuz = 0x80,
  float8e5m2 = 0x80,
  float8e5m2fnuz = 0x80,
  float4e2m1 = 8,
}

/** The code of the largest finite number. */
export enum Largest {
  float16 = 0x7bff,
  bfloat16 = 0x7f7f,
  float8e4m3fn = 0x7e,
  float8e4m3fnuz = 0x7f,
  float8e5m2 = 0x7b,
  float8e5m2fnuz = 0x7f,
  float4e2m1 = 7,
}

/** What is larger than the largest number becomes where a Cast does not saturate: infinity, or NaN where there is none. */
export enum Overflow {
  float16 = 0x7c00,
  bfloat16 = 0x7f80,
  float8e4m3fn = 0x7f,
  float8e4m3fnuz = 0x80,
  float8e5m2 = 0x7c,
  float8e5m2fnuz = 0x80,
  float4e2m1 = 7,
}

/** Our code of NaN. float4e2m1 has none: as in ONNX's test cases, NaN becomes −0. */
export enum NotANumber {
  float16 = 0x7e00,
  bfloat16 = 0x7fc0,
  float8e4m3fn = 0x7f,
  float8e4m3fnuz = 0x80,
  float8e5m2 = 0x7f,
  float8e5m2fnuz = 0x80,
  float4e2m1 = 8,
}

/** How a Cast to float8e8m0, which holds powers of two only, rounds a magnitude. */
export enum PowerRounding {
  /** To the next power of two that is not smaller. */
  up,
  /** To the next one that is not larger. */
  down,
  /** To the nearer one, from the middle up. */
  nearest,
}
