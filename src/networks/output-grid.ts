// On which grid the outputs of a network lie whose weights are multiples of 2^-b (docs/regimes.md, "Where the precision bound comes from").
import type { Node } from "../graph/graph.ts";
import { fromNumber } from "../regimes/index.ts";
import type { Shape } from "../tensor/index.ts";

/**
 * At the input 0 a value is a multiple of 1/D, D = 2^(layers·b)·factor. `factor` 0n: there is no such grid, because a constant that may be anything
 * (a float scale or shift that is trained) has been multiplied or added on the way.
 */
export interface ValueGrid {
  readonly layers: number;
  readonly factor: bigint;
}

export const UNIT: ValueGrid = { layers: 0, factor: 1n };

/** The grid that holds values of both. */
export function joinGrids(x: ValueGrid, y: ValueGrid): ValueGrid {
  const layers = Math.max(x.layers, y.layers);
  return { layers, factor: x.factor === 0n || y.factor === 0n ? 0n : lcm(x.factor, y.factor) };
}

/** Values times, or plus, multiples of 1/divisor. */
export function refine(grid: ValueGrid, divisor: bigint): ValueGrid {
  return { layers: grid.layers, factor: grid.factor * divisor };
}

/** The least power of two of which `value` is a multiple of the reciprocal; float32 needs up to 2^149. */
export function denominator(value: number): bigint {
  const { exponent } = fromNumber(value);
  return 1n << BigInt(Math.max(exponent, 0));
}

/** Least common multiple of the numbers of elements that an average divides by; undefined for other operators. */
export function averagedOver(node: Node, input: Shape, output: Shape): bigint | undefined {
  const spatial = input.slice(2);
  switch (node.op) {
    case "GlobalAveragePool":
      return BigInt(spatial.reduce((product, n) => product * n, 1));
    case "ReduceMean": {
      const volume = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);
      return BigInt(Math.max(1, Math.round(volume(input) / Math.max(volume(output), 1))));
    }
    case "Mean":
      return BigInt(node.inputs.length);
    case "AveragePool":
      return windowSizes(node, spatial, output.slice(2));
  }
  return undefined;
}

/** Windows at the border have fewer elements where padding is not counted. */
function windowSizes(node: Node, size: Shape, output: Shape): bigint {
  const list = (name: string, otherwise: number): readonly number[] =>
    (node.attributes[name] as readonly number[] | undefined) ?? new Array<number>(2 * size.length).fill(otherwise);
  const [kernel, strides, dilations, pads] = [
    list("kernel_shape", 1),
    list("strides", 1),
    list("dilations", 1),
    list("pads", 0),
  ];
  const counted = node.attributes["count_include_pad"] === 1;
  let sizes = [1];
  size.forEach((extent, k) => {
    const own = new Set<number>();
    const end = counted ? extent + pads[k + size.length]! : extent;
    for (let o = 0; o < output[k]!; o++) {
      const start = o * strides[k]! - pads[k]!;
      let count = 0;
      for (let t = 0; t < kernel[k]!; t++) {
        const at = start + t * dilations[k]!;
        if ((counted || at >= 0) && at < end) count++;
      }
      own.add(Math.max(count, 1));
    }
    sizes = [...new Set(sizes.flatMap((n) => [...own].map((count) => n * count)))];
  });
  return sizes.map(BigInt).reduce(lcm, 1n);
}

function lcm(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return (a / x) * b;
}
