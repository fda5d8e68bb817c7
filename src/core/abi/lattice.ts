/**
 * Records of the lattice module, in 32-bit words. Compiled twice, by TypeScript and by AssemblyScript: plain enums only.
 *
 * A network record is a header followed by one layer record per layer. Values are integers k meaning k/s. Activations of a block of
 * `Block` inputs are i16 at `[neuron >> 1][input][neuron & 1]`, so that one 32-bit load of weights meets four inputs per vector.
 */
export enum NetworkRecord {
  Dimensions,
  /** Values per coordinate, 2M + 1. */
  Side,
  /** M = 2^p − 1, p ≤ 15. */
  Maximum,
  Scale,
  Layers,
  /** Two activation buffers, each for the widest layer. */
  Even,
  Odd,
  /** 4 × 16 sums in f64. */
  Sums,
  /** Activation table: i16 × Side. */
  Table,
  /** Wanted outputs: i16, input-major, outputs of one input together. */
  Targets,
  length,
}

export enum LayerRecord {
  /** Neurons, before padding to a multiple of 4. */
  Rows,
  /** Pairs of inputs, after padding to a multiple of 4 inputs. */
  Pairs,
  /** i16 × (rows padded to 4) × 2·Pairs, row-major, zero-padded. */
  Weights,
  /** f64 × rows padded to 4: s·B. */
  Biases,
  /** Pairs whose products cannot overflow i32; sums of such blocks are added in f64, which stays below 2^53. */
  BlockPairs,
  length,
}

/** Inputs that are evaluated together. */
export enum Batch {
  Block = 64,
}
