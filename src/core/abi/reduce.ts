/**
 * Reduce: [outer, extent, inner] → [outer, inner] on float32, float64, int32, int64 or uint64. Sums of float32 are kept as 4 partial sums, element k in
 * partial k mod 4 (inner > 1) or as 16, k mod 16 (inner = 1), and joined by halving: fixed by the shape alone. float64 is summed in order. An empty
 * extent gives the neutral element of the type (Max: its least value; the mean of no float is NaN, of no integer 0).
 */
export enum ReduceStep {
  input = 1,
  output,
  outer,
  extent,
  inner,
  /** `ReduceFunction`. */
  operation,
  /** `ElementCode`. */
  type,
  length,
}

export enum ReduceFunction {
  Sum = 0,
  /** Sum, then one division by the extent. */
  Mean,
  Max,
  Min,
  Prod,
  L1,
  SumSquare,
  /** Square root of SumSquare; floats only. */
  L2,
}

/** Arg: index (int64) of the largest element of [outer, extent, inner]; a NaN counts as larger than everything. */
export enum ArgStep {
  input = 1,
  output,
  outer,
  extent,
  inner,
  type,
  /** 1: the least instead (NaN still wins). */
  least,
  /** 1: the last of equals instead of the first. */
  last,
  length,
}

/** Softmax over rows of `extent` f32: e^(x − max) over their sum (4 partials, k mod 4). Log: x − max − ln Σ. */
export enum SoftmaxStep {
  input = 1,
  output,
  rows,
  extent,
  log,
  length,
}

/**
 * LayerNorm over rows of `extent` f32: (((x − mean) − rest)·(1/√(variance + epsilon)))·scale + bias. `rest` is the mean of x − mean: what the
 * rounding of the mean leaves, which is most of a row of small deviation far from 0 (rows of mean 10,000 and deviation 1: error 3e-7 instead of 4e-4).
 * Mean, rest and variance by 4 partials, k mod 4, each with one division. A row of −inf or with a NaN gives NaN.
 */
export enum LayerNormStep {
  input = 1,
  output,
  rows,
  extent,
  /** f32 [extent] or 0. */
  scale,
  bias,
  /** f32 bits. */
  epsilon,
  /** 1: root mean square: the mean is taken as 0. */
  rms,
  /** f32 [rows] or 0: where mean and 1/√(…) go. */
  mean,
  inverse,
  length,
}

/** Cumulate: running sum or product along the middle of [outer, extent, inner] on float32, float64, int32 or int64, in order. */
export enum CumulateStep {
  input = 1,
  output,
  outer,
  extent,
  inner,
  type,
  /** 1: without the element itself. */
  exclusive,
  /** 1: from the end. */
  reverse,
  /** 1: the product instead of the sum. */
  product,
  length,
}

/** TopK over rows of `extent` elements (float32, float64, int32, int64 or uint64), sorted; equal values in order of index, NaN first among the largest. */
export enum TopKStep {
  input = 1,
  values,
  /** int64. */
  indices,
  rows,
  extent,
  k,
  /** 1: the smallest. */
  least,
  /** `ElementCode`. */
  type,
  length,
}
