import { BitbasisError } from "../core/index.ts";
import type { Node } from "../graph/index.ts";
import { blocksIn, blocksOf, unpackBits, weightBytes, zeroBytes } from "../graph/operators/blocks.ts";
import { Tensor } from "../tensor/index.ts";
import type { Emitter } from "./emitter.ts";

/**
 * The weights of a bitbasis/MatMulBlocks, [K, N], as a DequantizeLinear in blocks makes them.
 *
 * @param constant - the elements of an initializer
 * @throws BitbasisError UNSUPPORTED for weights that are computed
 */
export function blockWeights(node: Node, constant: (name: string) => Tensor | undefined, to: Emitter): string {
  const [, w = "", scales = "", zeros = ""] = node.inputs;
  const [bytes, steps, points] = [constant(w), constant(scales), constant(zeros)];
  if (bytes === undefined || steps === undefined || (zeros !== "" && points === undefined)) {
    const why = "weights in blocks that are computed have no export to standard ONNX";
    throw new BitbasisError("UNSUPPORTED", `node "${node.name}" (${node.op}): ${why}`);
  }
  const b = blocksIn(node.attributes);
  const { columns, depth, bits, size } = b;
  const blocks = blocksOf(b);
  const type = bits === 8 ? "uint8" : "uint4";
  const stride = weightBytes(b) / columns;
  const numbers = unpackBits(bytes.data as Uint8Array, columns, depth, stride, bits);
  const own =
    points === undefined
      ? new Uint8Array(columns * blocks).fill(2 ** (bits - 1))
      : unpackBits(points.data as Uint8Array, columns, blocks, zeroBytes(b), bits);
  const operands = [
    to.constant(`${w}/numbers`, new Tensor(type, numbers, [columns, depth])),
    to.constant(scales, steps.reshape([columns, blocks]) as Tensor),
    to.constant(`${w}/zeros`, new Tensor(type, own, [columns, blocks])),
  ];
  return to.emit("Transpose", [to.emit("DequantizeLinear", operands, { axis: 1, block_size: size })], { perm: [1, 0] });
}
