// Lower bounds on the error of a quantized ReLU network over 1-Lipschitz functions [0,1] → [-1,1], with explicit constants.
// Source: "Three Quantization Regimes for ReLU Networks" (arXiv 2405.01952); the constants are those of design note A2.
// Logarithms are to base 2 and come from the host: the bounds are estimates to about 1e-12 relative, never part of an exact result.

/** Widths from the input to the output: [inputs, hidden…, outputs]. */
export type Widths = readonly number[];

/** One affine map of a network: how many values it computes, from how many weights and biases. Shared weights count once. */
export interface LayerSize {
  /** Values that it computes, ≥ 1. */
  readonly width: number;
  /** Weights and biases, shared ones once. */
  readonly parameters: number;
}

/** Widths, or the layers' sizes where weights are shared (a convolution computes many values from few weights). */
export type Architecture = Widths | readonly LayerSize[];

/**
 * Where the outputs of a network lie at the input 0: multiples of 1/D, D = 2^(layers·b)·factor. Affine layers and ReLU alone: layers = depth, factor 1. An average
 * over n elements multiplies D by n, a constant r/t that is not rounded to the format by t. `factor` Infinity: no grid.
 */
export interface OutputGrid {
  /** How often 2^b divides D. */
  readonly layers: number;
  /** The rest of D, ≥ 1; Infinity where outputs lie on no grid. */
  readonly factor: number;
  /** Constants that stay float32: 32 bits of memory each. */
  readonly floats: number;
}

/** Three lower bounds on the best sup error; the largest is a bound on its own. */
export interface LowerBounds {
  /** From the number of networks: 1/(⌊M⌋+1), M = parameters·log2(values of a weight). */
  readonly memory: number;
  /** From the VC dimension of the architecture with real weights: 1/(2V). It holds at every precision. */
  readonly vc: number;
  /** From the grid on which the output lies: 1/(2D), 2^-(depth·b+1) for affine layers and ReLU alone. 0 where there is no grid, or it is finer than doubles. */
  readonly precision: number;
}

/** Widths of a network with one input, one output and `depth` affine maps of at most `width` neurons. */
export function uniformWidths(width: number, depth: number): Widths {
  return [1, ...new Array<number>(depth - 1).fill(width), 1];
}

/** The layers of an architecture. */
export function layerSizes(architecture: Architecture): readonly LayerSize[] {
  if (typeof architecture[0] !== "number") return architecture as readonly LayerSize[];
  const widths = architecture as Widths;
  return widths.slice(1).map((width, l) => ({ width, parameters: width * (widths[l]! + 1) }));
}

/** Weights and biases, zeros included. */
export function parameterCount(architecture: Architecture): number {
  return layerSizes(architecture).reduce((sum, { parameters }) => sum + parameters, 0);
}

/** The grid of affine layers and ReLU alone. */
export function plainGrid(architecture: Architecture): OutputGrid {
  return { layers: layerSizes(architecture).length, factor: 1, floats: 0 };
}

/** Bits that tell the networks apart: parameters·log2(2^(a+b+1)+1), and 32 per constant that stays float32. */
export function memoryBits(architecture: Architecture, a: number, b: number, floats = 0): number {
  // log2(2^k + 1) = k + log2(1 + 2^-k), which cannot overflow.
  const k = a + b + 1;
  return parameterCount(architecture) * (k > 1000 ? k : Math.log2(2 ** k + 1)) + 32 * floats;
}

/**
 * An upper bound V on the VC dimension of {1[net > 0]} with real weights: the largest m that the count of sign patterns allows,
 * layer by layer (Goldberg and Jerrum; Bartlett, Harvey, Liaw, Mehrabian; Anthony and Bartlett, Theorem 8.3). The inequality has a
 * small root too, so the search comes from above.
 */
export function vcUpperBound(architecture: Architecture): number {
  const layers = layerSizes(architecture);
  const allowed = (m: number): boolean => {
    let seen = 0;
    let patterns = 0;
    for (let l = 0; l < layers.length; l++) {
      const { width, parameters } = layers[l]!;
      seen += parameters;
      const count = m * width;
      patterns +=
        count >= seen
          ? Math.min(count, 1 + seen * Math.log2(Math.max((2 * Math.E * count * (l + 1)) / seen, 2)))
          : count;
    }
    return patterns >= m;
  };
  let high = 2;
  while (allowed(high)) high *= 2;
  return border(high / 2, high, (m) => !allowed(m))[0];
}

/** Neighbours `low` and `high` between which `above` becomes true. Beyond 2^53 they are doubles with none in between, and further apart than 1. */
function border(low: number, high: number, above: (value: number) => boolean): [low: number, high: number] {
  const middle = Math.floor((low + high) / 2);
  if (middle <= low || middle >= high) return [low, high];
  return above(middle) ? border(low, middle, above) : border(middle, high, above);
}

/** The three bounds at weights in 2^-b ℤ ∩ [-2^a, 2^a]; `vc` saves computing V again. */
export function lowerBounds(
  architecture: Architecture,
  a: number,
  b: number,
  vc = vcUpperBound(architecture),
  grid: OutputGrid = plainGrid(architecture),
): LowerBounds {
  return {
    memory: 1 / (Math.floor(memoryBits(architecture, a, b, grid.floats)) + 1),
    vc: 1 / (2 * vc),
    precision: 2 ** -(grid.layers * b + 1) / grid.factor,
  };
}

/** The least b ≥ 0 at which the grid of the output is no longer the largest bound. */
export function underThreshold(
  architecture: Architecture,
  a: number,
  vc = vcUpperBound(architecture),
  grid: OutputGrid = plainGrid(architecture),
): number {
  for (let b = 0; ; b++) {
    const { memory, vc: dimension, precision } = lowerBounds(architecture, a, b, vc, grid);
    if (precision <= Math.max(memory, dimension)) return b;
  }
}

/** The least b ≥ 0 from which memory no longer bounds the error more than the architecture does. */
export function overThreshold(
  architecture: Architecture,
  a: number,
  vc = vcUpperBound(architecture),
  grid: OutputGrid = plainGrid(architecture),
): number {
  const over = (b: number): boolean => {
    const bounds = lowerBounds(architecture, a, b, vc, grid);
    return bounds.memory <= bounds.vc;
  };
  if (over(0)) return 0;
  let high = 1;
  while (!over(high)) high *= 2;
  return border(Math.floor(high / 2), high, over)[1];
}
