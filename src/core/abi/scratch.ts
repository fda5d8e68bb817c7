/** Offsets in the scratch that a linear step (see abi/conv.ts) has for each thread. */
export enum Scratch {
  /** What the kernel is told about its tile: assembly/gemm/tile.ts. */
  tile = 0,
  /** 8 f32, 8 i32, 8 f32: the last panel's scales, sums and bias, padded; and 8 f32 −0, the bias of a layer that has none (x + −0 = x). */
  scales = 64,
  sums = 96,
  bias = 128,
  noBias = 160,
  /** f32 [4][8]: the result of a tile that has fewer than 8 columns. */
  result = 192,
  /** i32 [4][8] and f64 [4][8]: sums of one block and of all blocks. */
  sums32 = 320,
  sums64 = 448,
  /** SIMD, all rows sharing their parameters: i32 −z·Σw of 8 columns and f32 scale_a·scale_w; else zeros and nothing. */
  starts = 704,
  factors = 736,
  /** The row that padded positions read, then the pointer table. */
  padding = 768,
}

/** How much a linear step does at a time; fewer only cost speed. */
export enum Blocking {
  /** Bytes of activations in a block of rows: half of a small second-level cache. */
  bytes = 131072,
  rows = 256,
  /** Output pixels per pointer table of a depthwise step. */
  depthwisePixels = 64,
}
