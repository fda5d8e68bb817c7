import { BlockProductStep, QuantizeBlocksStep } from "../../core/abi/blocks.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { step } from "../../core/index.ts";
import { blocksIn } from "../../graph/operators/blocks.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";

/** Inputs that have a scale in common: sums of 128 8-bit weights times 16 bits stay in int32. */
const PART = 128;

/** Columns of a panel, and bytes of what a thread keeps besides: a bias for each, and sums of four vectors, twice. */
const COLUMNS = 8;
const SUMS = 4 * COLUMNS * (1 + 2 * 4);

/** The part for blocks of `size` weights, a multiple of 16: whole blocks of at most 128, or a part of one. */
function partOf(size: number): number {
  if (PART % size === 0) return PART;
  let part = PART;
  while (size % part !== 0) part /= 2;
  return part;
}

/** bitbasis/MatMulBlocks: [batch…, K] by N columns of K weights in blocks. */
function lowerBlocks(l: Lowering): void {
  const [x, weights, scales, y] = [l.input(0), l.input(1), l.input(2), l.output()];
  const [zeros, bias] = [l.optional(3), l.optional(4)];
  const { columns, depth, size: blockSize, bits } = blocksIn(l.node.attributes);
  const rows = sizeOf(x.shape.slice(0, -1));
  if (rows === 0) return;
  const planes = l.attribute("planes", 2);
  const part = partOf(blockSize);
  const width = 2 * 16 * Math.ceil(depth / 16);
  const stride = width + 4 * Math.ceil(depth / part);
  const scratchBytes = COLUMNS * (2 * width + 4 * Math.ceil(depth / blockSize)) + SUMS;
  const input = l.once(`blocks:${x.name}:${part}:${planes}:${bits}`, () => {
    const output = l.allocate(rows * planes * stride);
    l.emit(
      step(Opcode.QuantizeBlocks, QuantizeBlocksStep, { input: x.at, output, rows, depth, part, planes, bits, stride }),
      {
        kernel: "quantize_f32_i16_blocks",
        bytes: rows * (4 * depth + planes * stride),
      },
    );
    return output;
  });
  l.emit(
    step(Opcode.BlockProduct, BlockProductStep, {
      ...{ input, weights: weights.at, scales: scales.at, zeros: zeros?.at ?? 0, bias: bias?.at ?? 0 },
      ...{ output: y.at, rows, planes, depth, columns, blockSize, part, bits, stride },
      ...{ scratch: l.allocate(l.threads * scratchBytes), scratchBytes, slots: l.threads },
    }),
    {
      kernel: `gemm_i${bits}_i16_blocks`,
      macs: rows * planes * depth * columns,
      bytes: sizeOf(weights.shape) + 4 * sizeOf(scales.shape) + rows * (planes * stride + 4 * columns),
    },
  );
}

export const BLOCKS = { "bitbasis/MatMulBlocks": lowerBlocks } as const satisfies Readonly<Record<string, Lower>>;
