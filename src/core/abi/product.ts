/**
 * Product: [batch, rows, depth] by [batch, depth, columns] → dense [batch, rows, columns] on float64 (summed in order of depth), int32 or int64
 * (exact, wrapping: unsigned types use them as well). Strides are bytes, so that either operand may be transposed or shared by the batch.
 */
export enum ProductStep {
  a = 1,
  b,
  output,
  /** `ElementCode`. */
  type,
  batch,
  rows,
  depth,
  columns,
  batchA,
  rowA,
  depthA,
  batchB,
  depthB,
  columnB,
  length,
}
