/** Offsets in the scratch that a linear step (see abi/conv.ts) has for each thread. */
export enum Scratch {
  /** What the kernel is told about its tile: assembly/gemm/tile.ts. */
  tile = 0,
  /** 16 f32, 16 i32, 16 f32: the last panel's scales, sums and bias, padded; and 16 f32 −0, the bias of a layer that has none (x + −0 = x). */
  scales = 64,
  sums = 128,
  bias = 192,
  noBias = 256,
  /** f32 [4][16]: the result of a tile that has fewer columns than a panel. */
  result = 320,
  /** ConvU7: the last panel's offsets, padded; no other sums are there then. */
  offsets = 576,
  /** i32 [4][8] and f64 [4][8]: sums of one block and of all blocks. */
  sums32 = 576,
  sums64 = 704,
  /** SIMD, all rows sharing their parameters: i32 −z·Σw of 8 columns and f32 scale_a·scale_w; else zeros and nothing. */
  starts = 960,
  factors = 992,
  /** What is done to finished outputs: f32 factor and shift; bytes from an output to what is added to it, and f32 bounds of the sum. */
  factor = 1024,
  shift = 1028,
  addend = 1032,
  addendMin = 1036,
  addendMax = 1040,
  /** Address of the outputs of the block's first pixel. */
  block = 1044,
  /**
   * Tiles that write integers for the next layer (gemm/hand-over.ts): pixels of a line of them, 0 where tiles write f32; pixels that are left of the line, and bytes from its end to the next line; f32 r and
   * 1.5·2^23, what is taken from the bits of a product to which that has been added, so that z is added, and the largest integer.
   */
  linePixels = 1048,
  lineLeft = 1052,
  lineGap = 1056,
  inverse = 1060,
  rounder = 1064,
  zeroShift = 1068,
  most = 1072,
  /** The row that padded positions read, then the pointer table. */
  padding = 1088,
}

/** How much a linear step does at a time; fewer only cost speed. */
export enum Blocking {
  /** Bytes of activations in a block of rows: half of a small second-level cache. */
  bytes = 131072,
  rows = 256,
  /** Tiles of 4 × 4 outputs of a Winograd kernel, and bytes that they take: half of a second-level cache that holds a panel beside them. */
  tiles = 16,
  tileBytes = 262144,
  /** Output pixels per pointer table of a depthwise step. */
  depthwisePixels = 64,
}
