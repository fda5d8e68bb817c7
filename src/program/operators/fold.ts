import { Opcode } from "../../core/abi/opcode.ts";
import { FoldStep } from "../../core/abi/spatial.ts";
import { step } from "../../core/index.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower } from "../lowering.ts";
import { volume } from "./conv.ts";
import { inFloat32 } from "./support.ts";

/** Col2Im: the blocks of [N, C·taps, blocks] added up where they lie in the image. */
const lowerCol2Im: Lower = (l) => {
  const kernel = l.constantNumbers(2) ?? [];
  const spatial = kernel.length;
  const axes = (values: readonly number[] | undefined, fallback: number) => volume(l, values, fallback, spatial);
  const [outDepth, outHeight, outWidth] = axes(l.output().shape.slice(2), 1);
  const [kernelDepth, kernelHeight, kernelWidth] = axes(kernel, 1);
  const [strideDepth, strideHeight, strideWidth] = axes(l.integers("strides"), 1);
  const [dilationDepth, dilationHeight, dilationWidth] = axes(l.integers("dilations"), 1);
  const [padFront, padTop, padLeft] = axes(l.integers("pads")?.slice(0, spatial), 0);
  const [padBack, padBottom, padRight] = axes(l.integers("pads")?.slice(spatial), 0);
  const blocks = (extent: number, pads: number, size: number, dilation: number, stride: number): number =>
    Math.floor((extent + pads - dilation * (size - 1) - 1) / stride) + 1;
  inFloat32(l, l.input(0), l.output(), (x, out) => {
    if (sizeOf(out.shape) === 0) return;
    l.emit(
      step(Opcode.Fold, FoldStep, {
        ...{ input: x.at, output: out.at, maps: out.shape[0]! * out.shape[1]!, outDepth, outHeight, outWidth },
        blocksDepth: blocks(outDepth, padFront + padBack, kernelDepth, dilationDepth, strideDepth),
        blocksHeight: blocks(outHeight, padTop + padBottom, kernelHeight, dilationHeight, strideHeight),
        blocksWidth: blocks(outWidth, padLeft + padRight, kernelWidth, dilationWidth, strideWidth),
        ...{ kernelDepth, kernelHeight, kernelWidth, strideDepth, strideHeight, strideWidth },
        ...{ dilationDepth, dilationHeight, dilationWidth, padFront, padTop, padLeft },
      }),
      // every output looks at all taps, of which few may have written to it
      { kernel: "fold", bytes: 4 * (sizeOf(x.shape) + sizeOf(out.shape) * (sizeOf(kernel) + 1)) },
    );
  });
};

export const FOLD = { "/Col2Im": lowerCol2Im } satisfies Readonly<Record<string, Lower>>;
