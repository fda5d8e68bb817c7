import { Tensor } from "../../../tensor/index.ts";
import type { Node } from "../../graph.ts";
import { shape } from "../attend.ts";
import {
  type Blocks,
  blocksIn,
  blocksOf,
  packBits,
  unpackBits,
  weightBytes,
  wrongBlocks,
  zeroBytes,
} from "../blocks.ts";
import type { Call } from "../call.ts";
import type { Maker } from "../maker.ts";
import { INDEX, type Operator } from "../operator.ts";
import type { Rewrite } from "../rewrite.ts";

/** The order of the inputs in which those of one block are neighbours, for the block that each of them belongs to; undefined: they are. */
function orderOf(node: Node, make: Maker, b: Blocks): Int32Array | undefined {
  const name = node.inputs[4] ?? "";
  if (name === "") return undefined;
  const groups = make.constant(name);
  if (groups?.type !== "int32" || groups.size !== b.depth)
    throw make.fail(`g_idx expected a constant of ${b.depth} int32 values`, "MODEL");
  const group = groups.data as Int32Array;
  if (group.every((one, i) => one === Math.floor(i / b.size))) return undefined;
  const order = Int32Array.from({ length: b.depth }, (_, i) => i).sort((i, j) => group[i]! - group[j]! || i - j);
  if (order.some((from, i) => group[from] !== Math.floor(i / b.size)))
    throw make.fail(`g_idx expected ${b.size} inputs in every block but the last`);
  return order;
}

/** The weights of MatMulNBits with their inputs in another order. */
function reordered(node: Node, make: Maker, b: Blocks, order: Int32Array): string {
  const weights = make.constant(node.inputs[1]);
  if (weights?.type !== "uint8" || weights.size !== weightBytes(b))
    throw make.fail(`the weights beside g_idx expected a constant of ${weightBytes(b)} bytes`, "MODEL");
  const stride = weightBytes(b) / b.columns;
  const numbers = unpackBits(weights.data as Uint8Array, b.columns, b.depth, stride, b.bits);
  const moved = numbers.map((_, at) => numbers[at - (at % b.depth) + order[at % b.depth]!]!);
  const dims = [b.columns, blocksOf(b), stride / blocksOf(b)];
  return make.add("weights", new Tensor("uint8", packBits(moved, b.columns, b.depth, stride, b.bits), dims));
}

/** Zero points that are floats, as numbers of a few bits where they are some; undefined: they are not. */
function wholeZeros(zeros: Tensor, b: Blocks): Uint8Array | undefined {
  const points = zeros.data as Float32Array;
  if (!points.every((point) => Number.isInteger(point) && point >= 0 && point < 2 ** b.bits)) return undefined;
  return packBits(points, b.columns, blocksOf(b), zeroBytes(b), b.bits);
}

/** The weights as float32 [K, N], where zero points lie between the numbers. */
function dequantized(node: Node, make: Maker, b: Blocks, zeros: Tensor, order: Int32Array | undefined): string {
  const [bytes, scales] = [make.constant(node.inputs[1]), make.constant(node.inputs[2])];
  const blocks = blocksOf(b);
  const count = b.columns * blocks;
  if (bytes?.type !== "uint8" || bytes.size !== weightBytes(b) || scales?.type !== "float32" || scales.size !== count)
    throw make.fail(
      `weights and scales expected constants of ${weightBytes(b)} bytes and ${count} float32 values`,
      "MODEL",
    );
  const q = unpackBits(bytes.data as Uint8Array, b.columns, b.depth, weightBytes(b) / b.columns, b.bits);
  const [steps, points] = [scales.data as Float32Array, zeros.data as Float32Array];
  const weights = new Float32Array(q.length);
  for (let i = 0; i < b.depth; i++) {
    const from = order === undefined ? i : order[i]!;
    for (let column = 0; column < b.columns; column++) {
      const block = column * blocks + Math.floor(i / b.size);
      weights[from * b.columns + column] = Math.fround(q[column * b.depth + from]! - points[block]!) * steps[block]!;
    }
  }
  return make.add("weights", new Tensor("float32", weights, [b.depth, b.columns]));
}

const matMulNBits: Rewrite = (node, make) => {
  const b = blocksIn(node.attributes);
  const why = wrongBlocks(b);
  if (why !== undefined) throw make.fail(why, "MODEL");
  if ((node.attributes["weight_prepacked"] ?? 0) !== 0)
    throw make.fail("weights packed for another device are not supported");
  let [x = "", weights = "", scales = "", zeros = ""] = node.inputs;
  const bias = node.inputs[5] ?? "";
  const order = orderOf(node, make, b);
  const points = make.constant(zeros);
  if (points?.type === "float32") {
    if (points.size !== b.columns * blocksOf(b))
      throw make.fail(`expected ${b.columns * blocksOf(b)} zero points`, "MODEL");
    const whole = wholeZeros(points, b);
    if (whole === undefined) {
      const product = make.op("MatMul", [x, dequantized(node, make, b, points, order)]);
      return bias === "" ? make.end("Identity", [product]) : make.end("Add", [product, bias]);
    }
    zeros = make.add("zeros", new Tensor("uint8", whole, [b.columns, zeroBytes(b)]));
  }
  if (order !== undefined) {
    x = make.op("Gather", [x, make.add("order", new Tensor("int32", order, [b.depth]))], { axis: -1 });
    weights = reordered(node, make, b, order);
  }
  const { columns: N, depth: K, size, bits } = b;
  return make.end("bitbasis/MatMulBlocks", [x, weights, scales, zeros, bias], { K, N, bits, block_size: size });
};

/** The values that the four bits of bitsandbytes stand for, times the largest magnitude of a block: FP4 and NF4. */
const TABLES = [
  [0, 0.0052083333, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25],
  [
    ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334],
    ...[-0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
    ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
  ],
] as const;

/** Bits of a byte that come second come first here, and blocks run on over the columns of a matrix. */
const matMulBnb4: Rewrite = (node, make) => {
  const {
    K = 0,
    N = 0,
    block_size: size = 0,
    quant_type: kind = 0,
    transB = 1,
  } = node.attributes as Record<string, number>;
  const table = TABLES[kind];
  if (!(K >= 1 && N >= 1)) throw make.fail(`"K" and "N" expected integers ≥ 1, got ${K} and ${N}`, "MODEL");
  if (!(size >= 16 && (size & (size - 1)) === 0))
    throw make.fail(`"block_size" expected a power of 2 ≥ 16, got ${size}`, "MODEL");
  if (table === undefined) throw make.fail(`"quant_type" expected 0 or 1, got ${kind}`, "MODEL");
  const [x = "", packed, largest] = [node.inputs[0], make.constant(node.inputs[1]), make.constant(node.inputs[2])];
  const count = K * N;
  if (packed?.type !== "uint8" || packed.size !== Math.ceil(count / 2))
    throw make.fail(`the weights expected a constant of ${Math.ceil(count / 2)} bytes`, "MODEL");
  if (largest?.type !== "float32" || largest.size !== Math.ceil(count / size))
    throw make.fail(`the scales expected a constant of ${Math.ceil(count / size)} float32 values`, "MODEL");
  const [bytes, scales] = [packed.data as Uint8Array, largest.data as Float32Array];
  const weights = Float32Array.from({ length: count }, (_, i) => {
    const q = (bytes[i >> 1]! >> (i % 2 === 0 ? 4 : 0)) & 15;
    const value = kind === 1 ? table[q]! : (q & 8 ? -1 : 1) * table[q & 7]!;
    return Math.fround(value) * scales[Math.floor(i / size)]!;
  });
  const turned = transB === 1;
  const matrix = make.add("weights", new Tensor("float32", weights, turned ? [N, K] : [K, N]));
  const right = turned ? make.op("Transpose", [matrix], { perm: [1, 0] }) : matrix;
  return make.end("MatMul", [x, right]);
};

/** Numbers of 4 bits, two in each byte of the last axis, as a byte each; `count` of them. */
function nibbles(make: Maker, bytes: string, dims: readonly number[], count: number): string {
  const low = make.op("BitwiseAnd", [bytes, make.tensor("low", "uint8", 15)]);
  const high = make.op("BitShift", [bytes, make.tensor("four", "uint8", 4)], { direction: "RIGHT" });
  const axis = make.integers("axis", [-1]);
  const pairs = make.op(
    "Concat",
    [low, high].map((one) => make.op("Unsqueeze", [one, axis])),
    { axis: -1 },
  );
  const whole = make.op("Reshape", [pairs, shape(make, [...dims.slice(0, -1), 2 * dims.at(-1)!])]);
  if (2 * dims.at(-1)! === count) return whole;
  const [first, last] = [make.integers("first", [0]), make.integers("last", [count])];
  return make.op("Slice", [whole, first, last, axis]);
}

/** Rows of a table of a few bits are looked up, and become floats then. */
function gatherBlocks(call: Call, make: Maker): readonly Node[] {
  const [table, indices, scales] = [call.shape(0), call.shape(1), call.shape(2)];
  const [bits, size] = [call.number("bits", 4), call.number("block_size", 128)];
  const axis = call.axis(call.number("gather_axis", 0), table.length);
  const along = call.axis(call.number("quantize_axis", 1), table.length);
  if (axis === along) throw call.fail("gather_axis and quantize_axis expected two axes");
  if (size < 16 || (size & (size - 1)) !== 0) throw call.fail(`"block_size" expected a power of 2 ≥ 16, got ${size}`);
  const isPacked = call.type(0) === "uint8" && bits === 4;
  if (call.type(0) === "uint8" ? ![4, 8].includes(bits) : bits !== 4)
    throw call.fail(`"bits" = ${bits} of ${call.type(0)} is not supported`, "UNSUPPORTED");
  if (isPacked && (axis !== 0 || along !== table.length - 1))
    throw call.fail("packed numbers expected gather_axis 0 and the last axis for quantize_axis");
  const width = isPacked ? 2 * table[along]! : table[along]!;
  const groups = Math.ceil(width / size);
  const expected = table.map((d, i) => (i === along ? groups : d));
  if (scales.join() !== expected.join()) throw call.fail(`the scales expected shape [${expected}]`);
  const pick = (i: number): string => make.op("Gather", [call.node.inputs[i]!, call.node.inputs[1]!], { axis });
  const after = (dims: readonly number[]): number[] => [...dims.slice(0, axis), ...indices, ...dims.slice(axis + 1)];
  let [rows, zeros] = [pick(0), call.has(3) ? pick(3) : ""];
  if (call.has(3)) {
    const points = isPacked ? expected.with(along, Math.ceil(groups / 2)) : expected;
    if (call.shape(3).join() !== points.join()) throw call.fail(`the zero points expected shape [${points}]`);
    if (isPacked) zeros = nibbles(make, zeros, after(points), groups);
  } else if (call.type(0) === "uint8") {
    const half = make.tensor("half", "uint8", 2 ** (bits - 1));
    zeros = make.op("Expand", [half, shape(make, after(expected))]);
  }
  if (isPacked) rows = nibbles(make, rows, after(table), width);
  const place = along < axis ? along : along + indices.length - 1;
  return make.end("DequantizeLinear", [rows, pick(2), zeros], { axis: place, block_size: size });
}

/** Products with weights of a few bits, and tables of them. */
export const contribBits = {
  "com.microsoft/MatMulNBits": {
    since: 1,
    others: "K:int N:int bits:int block_size:int accuracy_level:int weight_prepacked:int",
    becomes: matMulNBits,
  },
  "com.microsoft/MatMulBnb4": {
    since: 1,
    others: "K:int N:int block_size:int quant_type:int training_mode:int transB:int",
    becomes: matMulBnb4,
  },
  "com.microsoft/GatherBlockQuantized": {
    since: 1,
    inputs: "Q I S Q?",
    types: { Q: ["int4", "uint4", "uint8"], I: INDEX, S: ["float32", "float16", "bfloat16"] },
    attributes: { bits: "int", block_size: "int", gather_axis: "int", quantize_axis: "int" },
    expands: gatherBlocks,
  },
} as const satisfies Readonly<Record<string, Operator>>;
