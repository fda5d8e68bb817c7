import { sizeOf } from "../../tensor/index.ts";
import type { Call } from "./call.ts";
import { type Operator, sameRank } from "./operator.ts";

/** How weights of a few bits lie: `columns` of `depth` weights, in blocks of `size` along the depth that have a scale and a zero point each. */
export interface Blocks {
  readonly columns: number;
  readonly depth: number;
  readonly size: number;
  readonly bits: number;
}

/** Blocks of a column. */
export function blocksOf({ depth, size }: Blocks): number {
  return Math.ceil(depth / size);
}

/** Bytes of the weights, [columns, blocks, size·bits / 8]. */
export function weightBytes(b: Blocks): number {
  return (b.columns * blocksOf(b) * b.size * b.bits) / 8;
}

/** Bytes of the zero points of a column, `bits` bits each. */
export function zeroBytes(b: Blocks): number {
  return Math.ceil((blocksOf(b) * b.bits) / 8);
}

/** `count` numbers of `bits` bits in each row of `stride` bytes, the lowest bits of a byte first. */
export function unpackBits(bytes: Uint8Array, rows: number, count: number, stride: number, bits: number): Uint8Array {
  const numbers = new Uint8Array(rows * count);
  const mask = 2 ** bits - 1;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < count; i++) {
      const bit = i * bits;
      numbers[row * count + i] = (bytes[row * stride + (bit >> 3)]! >> (bit & 7)) & mask;
    }
  }
  return numbers;
}

/** The reverse of `unpackBits`. */
export function packBits(
  numbers: ArrayLike<number>,
  rows: number,
  count: number,
  stride: number,
  bits: number,
): Uint8Array {
  const bytes = new Uint8Array(rows * stride);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < count; i++) {
      const bit = i * bits;
      bytes[row * stride + (bit >> 3)]! |= numbers[row * count + i]! << (bit & 7);
    }
  }
  return bytes;
}

/** Sizes as the attributes of MatMulBlocks, and of MatMulNBits, tell them. */
export function blocksIn(attributes: Readonly<Record<string, unknown>>): Blocks {
  const { K = 0, N = 0, bits = 4, block_size: size = 0 } = attributes as Record<string, number>;
  return { columns: N, depth: K, size, bits };
}

/** What is wrong with sizes; undefined: nothing. */
export function wrongBlocks({ columns, depth, size, bits }: Blocks): string | undefined {
  if (!(columns >= 1 && depth >= 1)) return `"K" and "N" expected integers ≥ 1, got ${depth} and ${columns}`;
  if (![2, 4, 8].includes(bits)) return `"bits" expected 2, 4 or 8, got ${bits}`;
  return size >= 16 && size % 16 === 0 ? undefined : `"block_size" expected a multiple of 16, got ${size}`;
}

function shapeOfProduct(call: Call): number[] {
  const b = blocksIn(call.node.attributes);
  const why = wrongBlocks(b);
  if (why !== undefined) throw call.fail(why);
  const planes = call.number("planes", 2);
  if (planes !== 1 && planes !== 2) throw call.fail(`"planes" expected 1 or 2, got ${planes}`);
  const x = call.shape(0);
  if (x.length === 0 || x.at(-1) !== b.depth) throw call.fail(`the input expected ${b.depth} columns`);
  const count = b.columns * blocksOf(b);
  const sizes: readonly (readonly [number, string, number])[] = [
    [1, "bytes of weights", weightBytes(b)],
    [2, "scales", count],
    [3, "zero points", b.columns * zeroBytes(b)],
    [4, "values of the bias", b.columns],
  ];
  for (const [i, what, expected] of sizes) {
    if (call.has(i) && sizeOf(call.shape(i)) !== expected) throw call.fail(`expected ${expected} ${what}`);
  }
  return [...x.slice(0, -1), b.columns];
}

/** Products with weights of 2, 4 or 8 bits, which stay as they are. */
export const blockProducts = {
  "bitbasis/MatMulBlocks": {
    since: 1,
    inputs: "float32 uint8 float32 uint8? float32?",
    attributes: { K: "int", N: "int", bits: "int", block_size: "int", planes: "int" },
    rank: sameRank,
    shape: (call: Call) => [{ type: "float32", shape: shapeOfProduct(call) }],
    sizes: "polynomial",
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
