/**
 * Copy: strided to strided over `rank` ≥ 1 extents. After the named words follow three lists of `rank` words: extents, byte strides of the
 * input, byte strides of the output (any sign, 0 in the input repeats). The order of the extents is free; the kernel is fast when
 * the last has unit strides on both sides, or when the output's unit stride is last and the input's unit stride second to last.
 * Input and output elements must not overlap.
 */
export enum CopyStep {
  input = 1,
  output,
  /** 1, 2, 4 or 8. */
  elementBytes,
  rank,
  length,
}

/** Fill: `count` elements of 1, 2, 4 or 8 bytes; the value's bytes in two words. */
export enum FillStep {
  output = 1,
  elementBytes,
  count,
  low,
  high,
  length,
}

/**
 * Gather: output[b][t] = the `sliceBytes` at data + b·dataStride + Σ_j index[b][t][j]·stride_j; after the named words follow
 * `tuple` pairs of words (extent_j, byte stride_j). Negative indices count from the end; one outside −extent…extent−1 ends the run with
 * `Status.BadIndex`. Serves Gather (tuple of 1) and GatherND.
 * Scatter: data[…] ⟵ updates, the same addressing, `data` already holding the copy; tuples in order, parts of the step one after the other, so the last wins.
 */
export enum GatherStep {
  data = 1,
  indices,
  /** Gather: where the slices go; Scatter: the updates. Dense. */
  output,
  /** 4 or 8: int32 or int64. */
  indexBytes,
  batch,
  dataStride,
  /** Bytes between the indices of two batches; 0 when they share them. */
  indexStride,
  /** Tuples of each batch. */
  count,
  tuple,
  /** The axis of the data that the first of a tuple selects from, for messages. */
  axis,
  sliceBytes,
  /** 0: Gather. 1: Scatter. */
  scatter,
  /** Scatter: `BinaryFunction` to combine with, on `type` elements, or −1 to replace. */
  operation,
  type,
  length,
}

/**
 * GatherElements: output[i] = data[i with coordinate `axis` replaced by index[i]]; ScatterElements writes the other way. After the named
 * words follow two lists of `rank` words: extents of the indices, byte strides of the data. Indices as in Gather.
 */
export enum GatherElementsStep {
  data = 1,
  indices,
  output,
  indexBytes,
  elementBytes,
  /** Extent of the data along the axis. */
  extent,
  axis,
  rank,
  scatter,
  operation,
  type,
  length,
}

/** Trilu: [batch, rows, columns] with zeros below the diagonal (column − row < diagonal) or, of the lower triangle, above it. */
export enum TriluStep {
  input = 1,
  output,
  elementBytes,
  batch,
  rows,
  columns,
  /** Between −2^30 and 2^30. */
  diagonal,
  /** 1: keeps the upper triangle, 0: the lower one. */
  upper,
  length,
}

/** Range: output[i] = start + i·delta on float32, int32 or int64; start and delta are read from memory. */
export enum SequenceStep {
  start = 1,
  delta,
  output,
  count,
  /** `ElementCode`. */
  type,
  length,
}
