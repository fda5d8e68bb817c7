// Fold: Col2Im; see FoldStep. Threads share the output.
import { FoldStep } from "../../src/core/abi/spatial";
import { address, argument, share } from "../step";

export function fold(step: usize, thread: i32, threads: i32): void {
  const depth = argument(step, FoldStep.outDepth);
  const height = argument(step, FoldStep.outHeight);
  const width = argument(step, FoldStep.outWidth);
  const blocksHeight = argument(step, FoldStep.blocksHeight);
  const blocksWidth = argument(step, FoldStep.blocksWidth);
  const kernelDepth = argument(step, FoldStep.kernelDepth);
  const kernelHeight = argument(step, FoldStep.kernelHeight);
  const kernelWidth = argument(step, FoldStep.kernelWidth);
  const blocks = argument(step, FoldStep.blocksDepth) * blocksHeight * blocksWidth;
  const taps = kernelDepth * kernelHeight * kernelWidth;
  const count = argument(step, FoldStep.maps) * depth * height * width;
  const end = share(count, thread + 1, threads);
  for (let i = share(count, thread, threads); i < end; i++) {
    const row = i / width;
    const plane = row / height;
    const map = plane / depth;
    const z = plane - map * depth + argument(step, FoldStep.padFront);
    const y = row - plane * height + argument(step, FoldStep.padTop);
    const x = i - row * width + argument(step, FoldStep.padLeft);
    let sum: f32 = 0;
    for (let h = 0; h < kernelDepth; h++) {
      const bz = blockOf(z - h * argument(step, FoldStep.dilationDepth), argument(step, FoldStep.strideDepth), argument(step, FoldStep.blocksDepth));
      if (bz < 0) continue;
      for (let v = 0; v < kernelHeight; v++) {
        const by = blockOf(y - v * argument(step, FoldStep.dilationHeight), argument(step, FoldStep.strideHeight), blocksHeight);
        if (by < 0) continue;
        for (let u = 0; u < kernelWidth; u++) {
          const bx = blockOf(x - u * argument(step, FoldStep.dilationWidth), argument(step, FoldStep.strideWidth), blocksWidth);
          if (bx < 0) continue;
          const tap = (h * kernelHeight + v) * kernelWidth + u;
          const at = (map * taps + tap) * blocks + (bz * blocksHeight + by) * blocksWidth + bx;
          sum += load<f32>(address(step, FoldStep.input) + (<usize>at << 2));
        }
      }
    }
    store<f32>(address(step, FoldStep.output) + (<usize>i << 2), sum);
  }
}

/** The block that begins at `start`; −1 when none does. */
@inline
function blockOf(start: i32, stride: i32, blocks: i32): i32 {
  if (start < 0 || start % stride != 0) return -1;
  const block = start / stride;
  return block < blocks ? block : -1;
}
