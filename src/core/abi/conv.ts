/**
 * One step serves convolution and matrix product: a product of M×K by K×N is a 1×1 convolution over one row of M pixels.
 * Implicit GEMM in channels-last layout: the kernel makes a table of row pointers (4 output pixels × taps) and never copies.
 *
 * ConvI16: out[b, p, c] = f32(S) · f32(scale_a[row] · scale_w[c]) + bias[c], then the activation, where
 * S = Σ Q_W·(q − z) = Σ Q_W·q − z·ΣQ_W is exact; when `exactInInt32` is set, |S| < 2^31 has been proved for the layer and
 * int32 may wrap in between; otherwise the sum is cut into blocks of at most `pairsPerBlock` k-pairs, each below 2^31 by proof,
 * and the blocks are added exactly (f64 below 2^53), rounded once to f32.
 * ConvF32: the same addressing on f32; out = ((x0·w0 + x1·w1) + …) in k order, one rounding per operation, then + bias.
 *
 * How weights lie, and the strides of operands, say the core's exports: assembly/layout.ts. Input, i16: pixels of `pixelStride` bytes; group g starts
 * at g·groupStride; C rounded up to pairs, the odd one out holds 0 (its weight is 0); the excess of a depthwise pixel holds 0.
 * Depthwise (groups = C, channels = outChannels = 1; groupStride is not read): column sums, scales and bias per channel.
 */
export enum ConvStep {
  input = 1,
  /** f32 [batch, outDepth, outHeight, outWidth, groups·outChannels]; pixels `outPixelStride` bytes apart. */
  output,
  weights,
  /** f32 bias per output channel (all groups), or 0. */
  bias,
  /** ConvI16: f32 per output channel. */
  scales,
  /** ConvI16: i32 per output channel, ΣQ_W over all taps and channels. */
  columnSums,
  /** ConvI16: activation parameters, see `ActivationParameters`; one entry per `rowsPerParameter` output rows of the whole batch. */
  parameters,
  /** Output rows (pixels, over all samples) that share one entry: outDepth·outHeight·outWidth for Conv, 1 for Gemm. */
  rowsPerParameter,
  /**
   * ConvI16, DepthwiseI16: the `mask` that Quantize wrote, [batch, inDepth, inHeight, inWidth, groups] bytes, read only where an entry of `parameters`
   * says nonFinite; 0 when every output of such an entry sees the non-finite value (Gemm: one entry per row, one group).
   */
  mask,
  batch,
  /** A picture has a depth of 1. */
  inDepth,
  inHeight,
  inWidth,
  outDepth,
  outHeight,
  outWidth,
  kernelDepth,
  kernelHeight,
  kernelWidth,
  strideDepth,
  strideHeight,
  strideWidth,
  dilationDepth,
  dilationHeight,
  dilationWidth,
  /** Negative pads crop. */
  padFront,
  padTop,
  padLeft,
  groups,
  /** Input channels per group. */
  channels,
  /** Output channels per group. */
  outChannels,
  /** Bytes between samples, pixels and groups of the input. */
  batchStride,
  pixelStride,
  groupStride,
  /** Bytes between samples, rows (through all planes) and pixels of the output, of any sign. Depthwise: rows are dense. */
  outBatchStride,
  outRowStride,
  outPixelStride,
  /** Bytes between the weights of two samples: 0 for a layer's own weights, a matrix's panels for MatMul of two activations. */
  weightsBatchStride,
  /** Entries of scales and columnSums between two samples: 0, or N rounded up to 8 for MatMul of two activations. */
  scalesBatchStride,
  /** Bytes between two panels of a group where they have room to grow (`PackKept`); 0: they follow each other. */
  panelStride,
  exactInInt32,
  /** Largest number of k-pairs (DepthwiseI16: of tap pairs) whose raw sum stays below 2^31; used when exactInInt32 is 0. */
  pairsPerBlock,
  /**
   * u8 [panel of all groups][k-pair], or 0: counts of k-pairs whose raw sum stays below 2^31 − 2^16 for the weights that the panel holds and
   * activations of 16 bits (the core's `turns`); used when exactInInt32 is 0. Worst cases of 16-bit weights allow one pair, real ones four and more.
   * ConvU7: u8 [panel of all groups], or 0: words of depth after which sums leave int16, in which they are made where there is such a count.
   */
  turns,
  /** `Activation` applied last, in f32. */
  activation,
  /** f32 bits: bounds of Activation.Clip. */
  activationMin,
  activationMax,
  /** f32 bits: y·factor + shift after the activation, both operations rounded; 1 and −0 where there is nothing to do. Not read under Activation.Sum. */
  factor,
  shift,
  /** f32, laid out as the output, or 0: added after that, and then the sum is clipped as by Activation.Clip. Whole panels of output channels only. */
  addend,
  addendMin,
  addendMax,
  /**
   * 1: a Quantize step with a range of its own follows these words, whose rows are the output's pixels, and what it would make of the output is made while a block of outputs is in the cache. The output
   * then is scratch, `outBatchStride` bytes for each of `slots`, 4 pixels at least, and there is no addend. Integer kernels under a Clip, one entry of `parameters` per sample.
   */
  handsOver,
  /** Scratch of `scratchBytes` per thread (see assembly/layout.ts): what a tile is told, f64 accumulators, a row for padding, pointer tables, and of ConvI8 a panel as int16. */
  scratch,
  scratchBytes,
  /** Threads that scratch has room for; run as more slices than that, the slices must come one after the other, in order. */
  slots,
  length,
}

/** Fused into the end of a linear step. Sum: the integer sum itself as i32, of ConvI16, ConvI8 and DepthwiseI16 where `exactInInt32` is 1. Relu is Clip(0, +inf); in Clip NaN and −0 stay. HardSwish is x·clip(x/6 + 1/2, 0, 1), computed as x·(clip(x + 3, 0, 6)·(1/6)). */
export enum Activation {
  None = 0,
  Clip = 1,
  HardSwish = 2,
  Sum = 3,
}

/** 16 bytes per entry: what the quantize step writes and the linear step reads. */
export enum ActivationParameters {
  /** f32: the scale; 0 for a constant-zero row. */
  scale = 0,
  /** i32: the zero point. */
  zero = 4,
  /** i32: not 0 when the row holds NaN or infinity; the linear step then writes canonical NaN to the outputs that see one. */
  nonFinite = 8,
  bytes = 16,
}

/** What Range knows of a sample. */
export enum Partial {
  low = 0,
  high = 4,
  nonFinite = 8,
  bytes = 16,
}

/**
 * Range: least and largest finite value (0 included) of each sample or row, per thread into `partials`
 * ([slot][sample] of {f32 lo, f32 hi, i32 nonFinite, 0}, `Partial`). Quantize: joins the partials of all slots, writes the parameters, then
 * q = clamp(nearestEven(x·(1/s)) + z, −2^(n−1), 2^(n−1)−1) as i16. Formulas: assembly/tensor/quantize.ts.
 */
export enum QuantizeStep {
  /** f32 [samples, rowsPerSample, groups·channels], dense. */
  input = 1,
  /** i16, laid out as ConvStep wants it. Not used by Range. */
  output,
  /** Quantize, where a sample is one row without a border: 0, and each row finds its own range. */
  partials,
  parameters,
  samples,
  rowsPerSample,
  channels,
  groups,
  /** Bytes per pixel and per group of the output. */
  pixelStride,
  groupStride,
  /** n = terms × bits of one term, 2…16. */
  bits,
  /**
   * Bytes [samples, rowsPerSample, groups·channels / maskChannels], or 0: for samples that hold NaN or infinity (and only for those)
   * 1 where one of `maskChannels` neighbouring channels is not finite, else 0. maskChannels: channels of a group for Conv, 1 for depthwise.
   * A value that is not finite becomes z. Not used by Range.
   */
  mask,
  maskChannels,
  /**
   * A border of z around the pixels of a sample, which the linear step then takes for an input without pads: pixels of a line of the input (0: no
   * border, and the next four are not read), pixels of a line of the output, its lines, and where the first pixel of the input lies in it. `mask`
   * has the border too. Not used by Range.
   */
  lineWidth,
  outWidth,
  outHeight,
  padTop,
  padLeft,
  /** f32 bits: the range where it is known without the values, in which they lie; both 0: it is that of the partials. A sample that is one row has none. Not used by Range. */
  low,
  high,
  /** Entries of `partials` per sample: as many as threads may run Range at the same time. More slices than that must run in order. */
  slots,
  length,
}

/**
 * PackRight: the right operand of a MatMul of two activations, quantized per matrix: reads f32 [batch, K, N] (or [batch, N, K] when
 * `transposed`) and parameters from a Range/Quantize pair with `rowsPerSample` = K·N, writes panels of q − z as ConvI16 wants them, with
 * column sums, and the scale repeated per column. Columns that hold NaN or infinity get scale NaN. PackF32 is the f32 twin (panels only).
 * `bits` is 2…15: q − z needs one bit more than q. Sizes of panels, `scales` and
 * `columnSums`: assembly/layout.ts.
 */
export enum PackRightStep {
  /** f32, dense. */
  input = 1,
  output,
  scales,
  columnSums,
  partials,
  batch,
  rows,
  columns,
  transposed,
  bits,
  /** As in QuantizeStep. */
  slots,
  length,
}

/**
 * PackKept: what PackRight, or PackF32 where `bits` is 0, makes of f32 [batch, rows, columns] times `factor`, for a matrix whose rows or columns become more from run to
 * run while those that were there stay: panels, scales, sums and what is known of the values are kept from run to run. Only what is new is packed as long as
 * the range of the whole matrix stays, so that the integers are those of PackRight, always. `record` says per matrix what is kept; nothing is where its count is not `before`.
 */
export enum KeptStep {
  /** f32, any strides. */
  input = 1,
  output,
  /** As PackRight writes them, `scalesBatchStride` entries between two matrices; not used for f32. */
  scales,
  columnSums,
  /** `KeptRecord` per matrix; all 0 at first. */
  record,
  batch,
  rows,
  columns,
  /** Bytes of the input between two matrices, rows and columns. */
  batchStride,
  downStride,
  rightStride,
  /** Bytes of the output between two matrices and two panels. */
  outBatchStride,
  panelStride,
  scalesBatchStride,
  /** 1: rows are added, 0: columns. */
  growsDown,
  /** Rows, or columns, that the run before this one has left. */
  before,
  bits,
  /** f32 bits. */
  factor,
  length,
}

/** What is known of a kept matrix. */
export enum KeptRecord {
  /** f32: least and largest finite value, 0 included. */
  low = 0,
  high = 4,
  nonFinite = 8,
  /** Rows, or columns, that are packed. */
  count = 12,
  bytes = 16,
}
