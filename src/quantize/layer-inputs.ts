import type { KnownValue, Node } from "../graph/graph.ts";
import { type Shape, sizeOf, type Tensor } from "../tensor/index.ts";

/** A layer whose output elements are products of its rows of weights with rows of inputs. */
export interface LayerRows {
  /** Of elements that a row of weights has. */
  readonly depth: number;
  /** Groups of output channels, each with inputs of its own. */
  readonly groups: number;
  /** Rows of inputs that a run gives for each group. */
  readonly positions: number;
  /** Writes the inputs of one row of one group, in the order of the weights. */
  read(position: number, group: number, into: Float32Array, at: number): void;
}

/**
 * How the inputs of a convolution or a matrix product lie in what it reads; undefined for other operators, and for kernels of more than two axes.
 *
 * @param node - of a stage, so that its pads are numbers
 * @param weights - [O, k…, I/g] of a convolution, [K, N] of a product
 */
export function layerRows(node: Node, x: Tensor, weights: Shape, output: KnownValue): LayerRows | undefined {
  if (node.op === "MatMul" && weights.length === 2) return rowsOfProduct(x, weights[0]!);
  if (node.op !== "Conv" || node.domain !== "bitbasis" || weights.length > 4) return undefined;
  return rowsOfConvolution(node, x, weights, output.shape);
}

function rowsOfProduct({ data, dims }: Tensor, depth: number): LayerRows | undefined {
  if (dims.at(-1) !== depth || depth === 0) return undefined;
  const values = data as Float32Array;
  return {
    ...{ depth, groups: 1, positions: values.length / depth },
    read: (position, _, into, at) => into.set(values.subarray(position * depth, (position + 1) * depth), at),
  };
}

/** [N, H, W, C] or [N, W, C]. Elements outside of the picture are 0. */
function rowsOfConvolution(node: Node, x: Tensor, weights: Shape, output: Shape): LayerRows {
  const flat = weights.length === 3;
  const pair = (values: readonly number[], fallback: number): readonly [number, number] =>
    flat ? [fallback, values[0]!] : [values[0]!, values[1]!];
  const listed = (name: string, fallback: number): readonly [number, number] =>
    pair((node.attributes[name] as readonly number[] | undefined) ?? [fallback, fallback], fallback);
  const [height, width] = pair(x.dims.slice(1), 1);
  const [outHeight, outWidth] = pair(output.slice(1), 1);
  const [kernelHeight, kernelWidth] = pair(weights.slice(1), 1);
  const [strideY, strideX] = listed("strides", 1);
  const [dilationY, dilationX] = listed("dilations", 1);
  const [top, left] = listed("pads", 0);
  const groups = (node.attributes["group"] as number | undefined) ?? 1;
  const channels = x.dims.at(-1)!;
  const own = weights.at(-1)!;
  const values = x.data as Float32Array;
  return {
    ...{ depth: sizeOf(weights.slice(1)), groups, positions: output[0]! * outHeight * outWidth },
    read: (position, group, into, at) => {
      const column = position % outWidth;
      const row = Math.floor(position / outWidth) % outHeight;
      const picture = Math.floor(position / (outWidth * outHeight));
      let to = at;
      for (let ky = 0; ky < kernelHeight; ky++) {
        const iy = row * strideY + ky * dilationY - top;
        for (let kx = 0; kx < kernelWidth; kx++, to += own) {
          const ix = column * strideX + kx * dilationX - left;
          if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
          const from = ((picture * height + iy) * width + ix) * channels + group * own;
          for (let c = 0; c < own; c++) into[to + c] = values[from + c]!;
        }
      }
    },
  };
}
