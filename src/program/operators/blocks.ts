import { BlockProductStep, ZeroType } from "../../core/abi/blocks.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { step } from "../../core/index.ts";
import { blocksIn } from "../../graph/operators/blocks.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";

/** bitbasis/MatMulBlocks: [batch…, K] by N columns of K weights in blocks. */
function lowerBlocks(l: Lowering): void {
  const [x, weights, scales, y] = [l.input(0), l.input(1), l.input(2), l.output()];
  const [zeros, bias] = [l.optional(3), l.optional(4)];
  const { columns, depth, size: blockSize, bits } = blocksIn(l.node.attributes);
  const rows = sizeOf(x.shape.slice(0, -1));
  if (rows === 0) return;
  l.emit(
    step(Opcode.BlockProduct, BlockProductStep, {
      ...{ input: x.at, weights: weights.at, scales: scales.at, zeros: zeros?.at ?? 0, bias: bias?.at ?? 0 },
      ...{ output: y.at, rows, depth, columns, blockSize, bits },
      zeroType: zeros?.type === "float32" ? ZeroType.float : ZeroType.packed,
    }),
    {
      kernel: `gemm_i${bits}_f32_blocks`,
      macs: rows * depth * columns,
      bytes: sizeOf(weights.shape) + 4 * (sizeOf(x.shape) + sizeOf(y.shape) + sizeOf(scales.shape)),
    },
  );
}

export const BLOCKS = { "bitbasis/MatMulBlocks": lowerBlocks } as const satisfies Readonly<Record<string, Lower>>;
