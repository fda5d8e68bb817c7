import type { Tensor } from "../tensor/index.ts";
import type { AttentionBlock } from "./attention-blocks.ts";

/** Queries and keys of one head in one sequence, row by row. */
export interface HeadSample {
  readonly head: number;
  readonly width: number;
  readonly tokens: number;
  /** tokens × width. */
  readonly keys: Float32Array;
  /** Rows of `width`. */
  readonly queries: Float32Array;
  /** Softmax weights, queries × tokens, where the network tells them. */
  readonly weights?: Float32Array;
  /** tokens × width of a value. */
  readonly values?: Float32Array;
  /** Factor of q·k in the softmax; absent where it is not known. */
  readonly scale?: number;
  /** queries × tokens, 1 where the softmax gave exactly 0; only for masked blocks. */
  readonly mask?: Uint8Array;
}

/**
 * Cuts captured values into heads and sequences.
 *
 * @param batch first dimension of the network's inputs, which tells batch and heads apart where the network has merged them
 * @throws RangeError when the shapes do not fit attention
 */
export function splitHeads(
  block: AttentionBlock,
  queries: Tensor,
  keys: Tensor,
  weights: Tensor | undefined,
  values: Tensor | undefined,
  batch: number,
): HeadSample[] {
  const q = block.heads === undefined ? matrices(queries, false) : fusedMatrices(queries, block.heads.queries);
  const k = block.heads === undefined ? matrices(keys, true) : fusedMatrices(keys, block.heads.keys);
  if (q.columns !== k.columns) {
    throw new RangeError(
      `attention "${block.name}": queries [${queries.dims}] and keys [${keys.dims}] expected one width, got ${q.columns} and ${k.columns}`,
    );
  }
  const v =
    values === undefined || !isMatrices(values, block.heads?.keys)
      ? undefined
      : block.heads === undefined
        ? matrices(values, false)
        : fusedMatrices(values, block.heads.keys);
  // A fused operator's mask is not known here, and without its softmax weights there is no telling what it did.
  const scale = block.heads === undefined ? block.scale : block.masked ? undefined : 1 / Math.sqrt(k.columns);
  const lead = q.lead.length >= k.lead.length ? q.lead : k.lead;
  const count = lead.reduce((a, b) => a * b, 1);
  const merged = lead.length === 1 && lead[0]! > batch && lead[0]! % batch === 0;
  const heads = merged ? lead[0]! / batch : lead.length > 1 ? lead.at(-1)! : 1;
  const samples: HeadSample[] = [];
  for (let i = 0; i < count; i++) {
    const mask = block.masked && weights !== undefined ? unseen(weights, i, q.rows, k.rows) : undefined;
    samples.push({
      head: i % heads,
      width: q.columns,
      tokens: k.rows,
      queries: q.at(project(i, lead, q.lead)),
      keys: k.at(project(i, lead, k.lead)),
      ...(mask && { mask }),
      ...(weights !== undefined && { weights: softmaxOf(weights, i, q.rows, k.rows) }),
      ...(v !== undefined && v.rows === k.rows && { values: v.at(project(i, lead, v.lead)) }),
      ...(scale !== undefined && { scale }),
    });
  }
  return samples;
}

interface Matrices {
  readonly lead: readonly number[];
  readonly rows: number;
  readonly columns: number;
  at(index: number): Float32Array;
}

/** [.., rows, columns], or [.., columns, rows] when `transposed`. */
function matrices(tensor: Tensor, transposed: boolean): Matrices {
  const { dims } = tensor;
  if (dims.length < 2 || tensor.type !== "float32") {
    throw new RangeError(`attention expected float32 matrices, got ${tensor.type} [${dims}]`);
  }
  const data = tensor.data as Float32Array;
  const [rows, columns] = (transposed ? [dims.at(-1), dims.at(-2)] : [dims.at(-2), dims.at(-1)]) as [number, number];
  return {
    lead: dims.slice(0, -2),
    rows,
    columns,
    at: (index) => {
      const matrix = data.subarray(index * rows * columns, (index + 1) * rows * columns);
      if (!transposed) return matrix;
      return Float32Array.from(matrix, (_, i) => matrix[(i % columns) * rows + Math.floor(i / columns)]!);
    },
  };
}

/** [batch, rows, heads·columns] or [batch, heads, rows, columns] of a fused operator. */
function fusedMatrices(tensor: Tensor, heads: number): Matrices {
  if (tensor.dims.length === 4) return matrices(tensor, false);
  const [batch, rows, wide] = tensor.dims;
  if (tensor.dims.length !== 3 || tensor.type !== "float32" || heads < 1 || wide! % heads !== 0) {
    throw new RangeError(
      `fused attention expected float32 [batch, tokens, ${heads} × width], got ${tensor.type} [${tensor.dims}]`,
    );
  }
  const data = tensor.data as Float32Array;
  const columns = wide! / heads;
  return {
    lead: [batch!, heads],
    rows: rows!,
    columns,
    at: (index) => {
      const [b, h] = [Math.floor(index / heads), index % heads];
      return Float32Array.from({ length: rows! * columns }, (_, i) => {
        return data[(b * rows! + Math.floor(i / columns)) * wide! + h * columns + (i % columns)]!;
      });
    },
  };
}

/** Index into the matrices of `own` leading dimensions for index `i` into those of `lead`: broadcasting, and heads that share keys. */
function project(i: number, lead: readonly number[], own: readonly number[]): number {
  let index = 0;
  let stride = 1;
  for (let a = lead.length - 1, b = own.length - 1; b >= 0; a--, b--) {
    const at = i % lead[a]!;
    i = Math.floor(i / lead[a]!);
    const shared = lead[a]! / own[b]!;
    index += stride * (own[b] === 1 ? 0 : Math.floor(at / shared));
    stride *= own[b]!;
  }
  return index;
}

/** Whether values can be cut into heads; where not, the audit does without them. */
function isMatrices({ dims, type }: Tensor, heads: number | undefined): boolean {
  if (type !== "float32") return false;
  if (heads === undefined) return dims.length >= 2;
  return dims.length === 4 || (dims.length === 3 && heads >= 1 && dims[2]! % heads === 0);
}

function softmaxOf(weights: Tensor, index: number, rows: number, columns: number): Float32Array {
  const size = rows * columns;
  return (weights.data as Float32Array).subarray(index * size, (index + 1) * size);
}

/** Where the softmax gave 0; undefined when it gave 0 nowhere, or to every key of a query. */
function unseen(weights: Tensor, index: number, rows: number, columns: number): Uint8Array | undefined {
  const data = softmaxOf(weights, index, rows, columns);
  if (data.length !== rows * columns || !data.includes(0)) return undefined;
  const mask = Uint8Array.from(data, (w) => Number(w === 0));
  for (let r = 0; r < rows; r++) if (!mask.subarray(r * columns, (r + 1) * columns).includes(0)) return undefined;
  return mask;
}
