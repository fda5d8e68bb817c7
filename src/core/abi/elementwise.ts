/** Unary: out[i] = f(x[i]; alpha, beta) on f32 or f64; input and output may be the same memory. */
export enum UnaryStep {
  input = 1,
  output,
  /** Elements. */
  count,
  /** `UnaryFunction`. */
  operation,
  /** f32 bits, also for f64: an attribute of ONNX is an f32. */
  alpha,
  beta,
  /** `ElementCode`: float32 or float64. */
  type,
  length,
}

/** a and b are the step's alpha and beta. */
export enum UnaryFunction {
  Abs = 0,
  Neg,
  Ceil,
  Floor,
  /** Half to even. */
  Round,
  Sqrt,
  Reciprocal,
  /** −1, 0, 1; 0 for NaN-free zero of either sign, NaN for NaN. */
  Sign,
  Exp,
  Log,
  Tanh,
  Sigmoid,
  Erf,
  Softplus,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Asinh,
  Acosh,
  Atanh,
  /** x, or the bound that it exceeds; NaN and −0 stay. */
  Clip,
  /** max(0, min(1, a·x + b)). */
  HardSigmoid,
  /** x·(min(max(x + 3, 0), 6)·(1/6)). */
  HardSwish,
  /** x < 0 ? a·x : x. */
  LeakyRelu,
  /** x < 0 ? a·(e^x − 1) : b·x; Elu has b = 1, Selu a = alpha·gamma and b = gamma. */
  Elu,
  /** x < 0 ? a·(e^(x/a) − 1) : x. */
  Celu,
  /** x > a ? x : 0, which is 0 for NaN. */
  ThresholdedRelu,
  Softsign,
  Mish,
  /** x·sigmoid(a·x). */
  Swish,
  /** ½x·(1 + erf(x/√2)). */
  Gelu,
  /** ½x·(1 + tanh(√(2/π)·(x + 0.044715x³))), computed as x·sigmoid(2u). */
  GeluTanh,
  /** x < −b ? x + a : x > b ? x − a : 0 (NaN: 0), ONNX's Shrink with bias a and lambd b. */
  Shrink,
  /** a·x + b. */
  Affine,
  /** a·tanh(b·x). */
  ScaledTanh,
}

/**
 * Binary, Compare: out = f(a, b) over `rank` ≥ 1 extents; the output is dense. After the named words follow three lists of `rank` words:
 * extents (outermost first), byte strides of a, byte strides of b. Innermost strides are 0 or one element.
 * Compare writes one byte, 0 or 1, per element.
 */
export enum BinaryStep {
  a = 1,
  b,
  output,
  /** `BinaryFunction`, or `CompareFunction`. */
  operation,
  /** `ElementCode` of a and b: float32, float64, int32, int64, uint64, uint8 or bool. */
  type,
  rank,
  length,
}

/** Integers wrap. Integer x / 0 and x mod 0 are 0; the least integer divided by −1 is itself. */
export enum BinaryFunction {
  Add = 0,
  Sub,
  Mul,
  /** Integers: towards zero. */
  Div,
  Min,
  Max,
  /** Integers: by squaring; a negative exponent gives 0, except for base ±1. float64: 1.2 ulp. */
  Pow,
  /** float64 to the power of an int64, whose bits stand where b's would. */
  PowInteger,
  /** The sign of the divisor, as in Python. */
  Mod,
  /** The sign of the dividend, as in C. */
  Fmod,
  /** a < 0 ? a·b : a. */
  PRelu,
  /** a < b ? b : a, and b < a ? b : a: where Max and Min would turn −0 into +0, or let a NaN of b pass, the bounds of a Clip do not. */
  AtLeast,
  AtMost,
  /** Integers and bool only, bit by bit. */
  And,
  Or,
  Xor,
  /** Integers only; a shift by the width or more gives 0. */
  ShiftLeft,
  ShiftRight,
}

export enum CompareFunction {
  Equal = 0,
  Less,
  LessOrEqual,
  /** Equal(a, a) is false for NaN only: IsNaN. */
  NotEqual,
}

/**
 * Where: out = condition ? a : b for elements of 1, 2, 4 or 8 bytes. After the named words follow four lists of `rank` ≥ 1 words: extents,
 * byte strides of condition (u8), a and b. The output is dense.
 */
export enum WhereStep {
  condition = 1,
  a,
  b,
  output,
  elementBytes,
  rank,
  length,
}

/**
 * Cast: float → integer truncates and saturates, NaN gives 0; integer → narrower integer, and anything → 4 or 2 bits, keeps the low bits;
 * anything → bool is x ≠ 0; to a narrower float rounds half to even, once, from the source's own value. float16 and bfloat16 overflow to infinity,
 * the 8-bit floats to what `saturate` says, float4e2m1 to its largest number.
 */
export enum CastStep {
  input = 1,
  output,
  count,
  /** `ElementCode`s. */
  from,
  to,
  /** 8-bit floats: 1 when what is too large becomes the largest number, infinity included; 0: infinity or NaN. */
  saturate,
  /** `PowerRounding`, to float8e8m0. */
  rounding,
  length,
}

/** Canonicalize: every NaN of `count` f32 becomes 7fc00000, of f64 7ff80000_00000000, in place, so that outputs do not depend on the CPU. */
export enum CanonicalizeStep {
  data = 1,
  count,
  /** Of an element: 4 or 8. */
  bytes,
  length,
}
