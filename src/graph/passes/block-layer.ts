import { elementBits, kindOf, type NumericType, Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { type Blocks, blocksOf, packBits, weightBytes, zeroBytes } from "../operators/blocks.ts";
import { type Editor, key, type Rule } from "./editor.ts";
import { transposed } from "./layout.ts";

/** Constant weights that are dequantized in blocks of their depth, output channels first. */
interface Weights {
  readonly blocks: Blocks;
  /** [columns, depth] */
  readonly numbers: Tensor;
  /** [columns, blocks] */
  readonly scales: Tensor;
  readonly zeros: Tensor | undefined;
}

/**
 * A matrix product with weights of at most 8 bits that a DequantizeLinear scales in blocks is the product with the weights as they are: they stay small in memory, and no
 * preset rounds them again.
 */
export const blockLayer: Rule = (node, editor) => {
  const layer = key(node);
  if (layer !== "MatMul" && layer !== "Gemm") return false;
  const [x = "", w, bias = ""] = node.inputs;
  const { alpha = 1, beta = 1, transA = 0, transB = 0 } = node.attributes;
  if (layer === "Gemm" && (alpha !== 1 || beta !== 1 || transA !== 0 || editor.rank(x) !== 2)) return false;
  const turned = layer === "MatMul" ? editor.madeBy(w, "Transpose") : undefined;
  const isTurned = turned?.attributes["perm"]?.toString() === "1,0";
  const weights = weightsOf(isTurned ? turned.inputs[0] : w, isTurned || transB === 1, editor);
  if (weights === undefined) return false;
  const { columns: N, depth: K, size, bits } = weights.blocks;
  const attributes = { K, N, bits, block_size: size };
  const inputs = [x, ...packed(node, weights, editor)];
  const made: Node = { ...node, domain: "bitbasis", op: "MatMulBlocks", inputs, attributes };
  if (bias === "") editor.replace(node, made);
  else {
    const product = editor.newValue(`${node.outputs[0]}/product`);
    const add = { ...node, name: `${node.name}/bias`, op: "Add", inputs: [product, bias], attributes: {} };
    editor.replace(node, { ...made, outputs: [product] }, add);
  }
  return true;
};

/** @param rowsFirst - the matrix is [columns, depth] */
function weightsOf(value: string | undefined, rowsFirst: boolean, editor: Editor): Weights | undefined {
  const node = editor.madeBy(value, "DequantizeLinear");
  if (node === undefined) return undefined;
  const { axis: given = 1, block_size: size = 0, output_dtype: type = 1 } = node.attributes as Record<string, number>;
  const [bytes, steps, zeros] = node.inputs.map((name) => editor.constant(name));
  const isKnown = bytes?.dims.length === 2 && steps?.type === "float32" && type === 1 && bytes.size > 0;
  if (!isKnown || size < 16 || size % 16 !== 0 || ((node.inputs[2] ?? "") !== "" && zeros === undefined))
    return undefined;
  if (!["signed", "unsigned"].includes(kindOf(bytes.type))) return undefined;
  const bits = elementBits(bytes.type as NumericType);
  if (bits > 8 || (given < 0 ? given + 2 : given) !== (rowsFirst ? 1 : 0)) return undefined;
  const first = (tensor: Tensor): Tensor => (rowsFirst ? tensor : transposed(tensor, [1, 0]));
  const numbers = first(bytes);
  const [columns, depth] = numbers.dims as [number, number];
  const blocks = { columns, depth, size, bits };
  const expected = [columns, blocksOf(blocks)].join();
  // Whatever else is wrong with a node is for its own rule to say.
  const fits = [steps, zeros].every(
    (one) => one === undefined || (one.dims.length === 2 && first(one).dims.join() === expected),
  );
  if (!fits || (zeros !== undefined && zeros.type !== bytes.type)) return undefined;
  return { blocks, numbers, scales: first(steps), zeros: zeros && first(zeros) };
}

/** Weights, scales and zero points as MatMulBlocks has them, in numbers without a sign. */
function packed({ name }: Node, { blocks: b, numbers, scales, zeros }: Weights, editor: Editor): string[] {
  const isSigned = kindOf(numbers.type) === "signed";
  const half = isSigned ? 2 ** (b.bits - 1) : 0;
  const unsigned = ({ data }: Tensor): Uint8Array => Uint8Array.from(data as Int8Array, (value) => value + half);
  const count = blocksOf(b);
  const stride = weightBytes(b) / b.columns;
  const bytes = packBits(unsigned(numbers), b.columns, b.depth, stride, b.bits);
  const weights = editor.addInitializer(
    `${name}/weights`,
    new Tensor("uint8", bytes, [b.columns, count, stride / count]),
  );
  const steps = editor.addInitializer(`${name}/scales`, scales);
  // Without zero points those of numbers with a sign are 0, as MatMulBlocks has them; of others they are 0 as well, which is not in the middle.
  if (zeros === undefined && isSigned) return [weights, steps];
  const points = zeros === undefined ? new Uint8Array(b.columns * count) : unsigned(zeros);
  const width = zeroBytes(b);
  const own = new Tensor("uint8", packBits(points, b.columns, count, width, b.bits), [b.columns, width]);
  return [weights, steps, editor.addInitializer(`${name}/zeros`, own)];
}
