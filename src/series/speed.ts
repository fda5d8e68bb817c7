/** How often the operands of a linear layer are used: what decides which kernel is the faster one. */
export interface LayerShape {
  /** Products of one sum: input channels of a group × positions of the kernel. */
  readonly depth: number;
  /** Products of one activation: output channels of a group × positions of the kernel. */
  readonly uses: number;
  /** Whether it is a convolution that WinogradF32 computes. */
  readonly tiled?: boolean;
}

/** The reason of a layer whose activations stay in float32. */
export const UNROUNDED = "activations not rounded since integers are slower";

/** Sums of wider weights leave int32 after two k-pairs, those of narrower ones after eight or more. */
const NARROW = 14;

/** Tiles of integers hold activations of so many bits. */
const TILED = 9;

/** Integers must be clearly faster: float32 costs no bytes, since the weights stay as small as they are, and rounds nothing. */
const MOST_TIME = 0.95;

/** An int32 sum has so many bits for those of an activation, those of a weight, and how many there are. */
const SUM_BITS = 32;

/**
 * Whether a layer whose operands are int16 is no faster than in float32. Its time in units of float32's is about
 *
 *     0.8 + 24 / depth + 6 / uses for weights of 15 and 16 bits, 0.57 + 24 / depth + 6 / uses for fewer, 0.48 + 3.4 / depth + 5 / uses where sums stay within int32:
 *
 * the sums themselves, what every sum costs, more so one that leaves int32, and rounding the activations. Medians of ratios of 36 convolutions at 12, 14 and 16
 * bits on one core without VNNI: 1 × 1 at 16 bits 2.3 at depth 16, 1.56 at 32, 1.25 at 64, 1.0 at 128, 0.86 at 256, 0.85 at 512; at 14 bits 1.05 at 64, 0.79 at 128,
 * 0.61 at 512; with 16 rows at depth 256 1.3 and 1.0; 3 × 3 at 16 bits 1.6 at depth 27, 1.16 at 72, 1.03 at 144, 0.89 at 576. In eight whole networks, processor
 * time, the least of 14 runs: weights on a grid of eight bits 0.75 at depth 16, 0.67 at 24, 0.63 at 32, 0.57 at 64, 0.52 at 160, with 16 rows at depth 32 0.85.
 */
export function isSlowOnIntegers({ depth, uses, tiled }: LayerShape, weightBits: number, activationBits = 16): boolean {
  if (tiled && activationBits > TILED) return true;
  if (depth * 2 ** (weightBits + activationBits) <= 2 ** SUM_BITS) return 0.48 + 3.4 / depth + 5 / uses > MOST_TIME;
  return (weightBits > NARROW ? 0.8 : 0.57) + 24 / depth + 6 / uses > MOST_TIME;
}
