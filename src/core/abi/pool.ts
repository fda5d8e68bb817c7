/**
 * Pool, channels last: f32 [batch, inDepth, inHeight, inWidth, channels] → [batch, outDepth, outHeight, outWidth, channels]; taps in row-major
 * order. A picture has a depth of 1.
 */
export enum PoolStep {
  input = 1,
  output,
  batch,
  inDepth,
  inHeight,
  inWidth,
  outDepth,
  outHeight,
  outWidth,
  channels,
  kernelDepth,
  kernelHeight,
  kernelWidth,
  strideDepth,
  strideHeight,
  strideWidth,
  dilationDepth,
  dilationHeight,
  dilationWidth,
  padFront,
  padTop,
  padLeft,
  padBack,
  padBottom,
  padRight,
  /** `PoolFunction`. */
  operation,
  length,
}

export enum PoolFunction {
  Max = 0,
  /** Over the taps inside the input. */
  Average,
  /** Over those inside input and padding. */
  AveragePadded,
  Sum,
}

/**
 * MaxPool of elements of any type, with the places of the maxima: input [batch, channels, inDepth, inHeight, inWidth] with `channelStride` and
 * `pixelStride` elements between channels and pixels, output the same with its own extents and `outChannelStride`, `outPixelStride`. The first of equals
 * wins, a NaN counts as larger than everything; a window that has no tap inside gives the least value and place 0.
 */
export enum MaxPoolStep {
  input = 1,
  output,
  /** int64 [batch, channels, outDepth, outHeight, outWidth], dense, or 0: the index of the maximum in a dense input. */
  indices,
  /** `ElementCode`. */
  type,
  /** 1: the index counts the spatial axes from the first on (column-major). */
  columnMajor,
  batch,
  channels,
  channelStride,
  pixelStride,
  outChannelStride,
  outPixelStride,
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
  padFront,
  padTop,
  padLeft,
  length,
}

/**
 * Resize, channels last: separable, out[y, x] = Σ_i wy[y, i]·(Σ_j wx[x, j]·in[iy[y, i], ix[x, j]]) in this order.
 * `rows` and `columns` are tables, per output coordinate `tapsY` (`tapsX`) pairs of {i32 index, f32 weight}, indices inside the input.
 */
export enum ResizeStep {
  input = 1,
  output,
  batch,
  inHeight,
  inWidth,
  outHeight,
  outWidth,
  channels,
  rows,
  columns,
  tapsY,
  tapsX,
  length,
}
