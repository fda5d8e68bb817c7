/**
 * Opcodes of the core's virtual machine. This file and its siblings are compiled twice, by TypeScript and by
 * AssemblyScript, so that the two sides cannot disagree: keep to plain enums.
 */
export enum Opcode {
  Range = 1,
  Quantize,
  PackRight,
  ConvI16,
  ConvF32,
  DepthwiseI16,
  DepthwiseF32,
  PackF32,
  Unary,
  Binary,
  Compare,
  Where,
  Cast,
  Pool,
  Reduce,
  Softmax,
  LayerNorm,
  Copy,
  Gather,
  Fill,
  Resize,
  Canonicalize,
  GatherElements,
  Sequence,
  Arg,
  Cumulate,
  TopK,
  Product,
}
