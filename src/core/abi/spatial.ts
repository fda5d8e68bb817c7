/** Bytes of the taps along one axis: up to four pairs of i32 index and f32 weight. */
export enum TapTable {
  bytes = 32,
}

/** How a coordinate outside of an axis is answered. */
export enum SamplePadding {
  Zeros = 0,
  Border,
  Reflection,
}

export enum SampleMode {
  Nearest = 0,
  Linear,
  Cubic,
}

/**
 * GridSample, channels last: input f32 [batch, inDepth, inHeight, inWidth, channels], grid f32 [batch, points, 2 or 3] of (x, y(, z)) in −1…1, output
 * f32 [batch, points, channels] = Σ_z w_z·(Σ_y w_y·(Σ_x w_x·input)). A picture has a depth of 1 and grids of 2. A coordinate that is no number has
 * no taps inside under zeros, and makes NaN otherwise.
 */
export enum GridSampleStep {
  input = 1,
  grid,
  output,
  batch,
  points,
  /** 2 or 3. */
  axes,
  inDepth,
  inHeight,
  inWidth,
  channels,
  /** `SampleMode`. */
  mode,
  /** `SamplePadding`. */
  padding,
  /** 1: −1 and 1 are the centres of the corners, not their outer edges. */
  aligned,
  /** Three `TapTable`s for each of `slots` threads. */
  scratch,
  slots,
  length,
}

/**
 * RoiAlign, channels last: input f32 [batch, inHeight, inWidth, channels], regions f32 [regions, 4] of x1, y1, x2, y2, output
 * f32 [regions, outHeight, outWidth, channels]. A batch index outside of 0…batch − 1 makes `run` return `Status.BadIndex`.
 */
export enum RoiAlignStep {
  input = 1,
  regions,
  /** int64 [regions]. */
  batchIndices,
  output,
  batch,
  count,
  inHeight,
  inWidth,
  outHeight,
  outWidth,
  channels,
  /** f32 bits. */
  spatialScale,
  /** f32 bits: what is subtracted from the scaled corners, ½ for half_pixel. */
  offset,
  /** Points per bin and axis; 0: as many as the bin has pixels, rounded up. */
  samples,
  /** 1: the largest of the weighted pixels instead of the average of the points. */
  maximum,
  length,
}

/** MaxRoiPool, channels last: regions f32 [count, 5] of batch index, x1, y1, x2, y2. An empty bin gives 0. Batch indices as in RoiAlign. */
export enum MaxRoiPoolStep {
  input = 1,
  regions,
  output,
  batch,
  count,
  inHeight,
  inWidth,
  outHeight,
  outWidth,
  channels,
  /** f32 bits. */
  spatialScale,
  length,
}

/**
 * DeformColumns: what a deformable convolution multiplies: input f32 [batch, inHeight, inWidth, groups·channels], offsets
 * f32 [batch, offsetGroups, taps, 2 (y, x), outHeight, outWidth], mask f32 [batch, offsetGroups, taps, outHeight, outWidth] or 0, output
 * f32 [batch, outHeight, outWidth, groups, taps, channels]: the input at the moved place of each tap, linear, 0 outside, times the mask.
 */
export enum DeformColumnsStep {
  input = 1,
  offsets,
  mask,
  output,
  batch,
  inHeight,
  inWidth,
  outHeight,
  outWidth,
  groups,
  /** Per group. */
  channels,
  offsetGroups,
  kernelHeight,
  kernelWidth,
  strideHeight,
  strideWidth,
  dilationHeight,
  dilationWidth,
  padTop,
  padLeft,
  /** As in GridSample. */
  scratch,
  slots,
  length,
}

/**
 * Fold (Col2Im): input f32 [maps, kernel taps, blocks] → output f32 [maps, outDepth, outHeight, outWidth], the sum of what the taps put at each
 * place, in tap order. Blocks in row-major order: `blocksDepth`·`blocksHeight`·`blocksWidth`.
 */
export enum FoldStep {
  input = 1,
  output,
  maps,
  outDepth,
  outHeight,
  outWidth,
  blocksDepth,
  blocksHeight,
  blocksWidth,
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

/** Det: f32 [count, size, size] → f32 [count], by elimination with partial pivoting in f64; the largest pivot, the first of equals. */
export enum DeterminantStep {
  input = 1,
  output,
  count,
  size,
  /** For each of `slots` threads f64 [size, size], then f64 [2]: the product of the pivots so far, and 1 once it is the result. */
  scratch,
  slots,
  length,
}
