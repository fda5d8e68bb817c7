/** Pool, channels last: f32 [batch, inHeight, inWidth, channels] → [batch, outHeight, outWidth, channels]; taps in row-major order. */
export enum PoolStep {
  input = 1,
  output,
  batch,
  inHeight,
  inWidth,
  outHeight,
  outWidth,
  channels,
  kernelHeight,
  kernelWidth,
  strideHeight,
  strideWidth,
  dilationHeight,
  dilationWidth,
  padTop,
  padLeft,
  padBottom,
  padRight,
  /** 0: max. 1: average over the taps inside the input. 2: average over those inside input and padding. */
  operation,
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
