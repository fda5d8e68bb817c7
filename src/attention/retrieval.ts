import { IntegerProduct } from "../core/index.ts";
import { largestCode, placeMaxima } from "./collisions.ts";
import type { Workbench } from "./kernels.ts";
import type { KeySet, Pace } from "./keys.ts";

/** Queries and keys per block of scores: 1 MiB of float32. */
const QUERIES = 256;
const KEYS = 1024;

export interface RetrievalRequest {
  readonly keys: KeySet;
  readonly queries: Float32Array;
  /** Index of the key that each query seeks. */
  readonly targets: Int32Array;
  /** Largest magnitude by column of keys and of queries; codes are relative to them. */
  readonly keyMaxima: Float64Array;
  readonly queryMaxima: Float64Array;
  readonly bits: number;
  /** Adds −|k|² to 2·q·k; keys and queries then have the same maxima. */
  readonly nearest: boolean;
  /** What one unit of the integer score is worth in the exponent of the softmax. */
  readonly scale: number;
  /** m × n, not 0 where the query does not see the key. */
  readonly mask: Uint8Array | undefined;
  /** Position in the progress of all bit widths. */
  readonly progress: { readonly index: number; readonly count: number };
}

/** Results by query. */
export interface Retrieval {
  /** 1 where no other key scores as much as the target. */
  readonly won: Uint8Array;
  /** Sum of the other keys' softmax weights over the target's; below 1: the target has more than half. Only up to 1, and only where `won`. */
  readonly mass: Float64Array;
  /** Σ|code| of each query's target, and the largest of all keys. */
  readonly targetNorms: Int32Array;
  readonly largestNorm: number;
}

/**
 * Scores all queries against all keys in exact integers, block by block, with the core's int16 GEMM, and finds who wins.
 *
 * The GEMM rounds an exact integer once to float32, which keeps the order; equal float32 are decided in int64.
 */
export async function retrieve(bench: Workbench, request: RetrievalRequest, pace: Pace): Promise<Retrieval> {
  const { core, kernels } = bench;
  const { keys, queries, targets, bits, nearest } = request;
  const { n, d } = keys;
  const m = targets.length;
  const code = largestCode(bits);
  const corrections = nearest ? 1 + Math.ceil((d * code * code) / 2 ** 14 / 32767) : 0;
  const stride = Math.ceil((d + corrections) / 4) * 4;
  const blocks: number[] = [];
  const allocate = (bytes: number): number => {
    const at = core.allocate(bytes);
    blocks.push(at);
    return at;
  };
  const queryScales = placeMaxima(bench, request.queryMaxima);
  const keyScales = placeMaxima(bench, request.keyMaxima);
  blocks.push(queryScales, keyScales);
  const product = new IntegerProduct(core, {
    ...{ rows: QUERIES, columns: KEYS, depth: stride },
    // |Σ a·b| ≤ d·m² for q·k, and ≤ 3·d·m² with the correction; a pair of products is at most 2·m², 4·m², or 2·2^14·32767 in the correction.
    largestSum: (nearest ? 3 : 1) * d * code * code,
    largestPair: nearest ? Math.max(4 * code * code, 2 ** 15 * 32767) : 2 * code * code,
  });
  try {
    const queryCodes = allocate(2 * stride * m);
    const floats = allocate(4 * d * Math.max(QUERIES, KEYS));
    for (let q = 0; q < m; q += QUERIES) {
      const rows = Math.min(QUERIES, m - q);
      core.f32(floats, rows * d).set(queries.subarray(q * d, (q + rows) * d));
      kernels.keyCodes(floats, rows, d, queryScales, code, queryCodes + 2 * stride * q, stride);
    }
    if (nearest) kernels.correctQueries(queryCodes, m, stride, d, corrections);
    const keyCodes = allocate(2 * stride * KEYS);
    const norms = allocate(4 * KEYS);
    const encode = (data: Float32Array, rows: number): void => {
      core.f32(floats, rows * d).set(data);
      kernels.keyCodes(floats, rows, d, keyScales, code, keyCodes, stride);
      kernels.codeNorms(keyCodes, rows, stride, norms);
      if (nearest) kernels.correctKeys(keyCodes, rows, stride, d, corrections);
    };

    const pair = allocate(2 * stride);
    const exact = allocate(8 * m);
    const seekers = groupByTarget(targets);
    const targetNorms = new Int32Array(m);
    let largestNorm = 0;
    for await (const { first, rows, data } of pieces(keys)) {
      encode(data, rows);
      const blockNorms = core.i32(norms, rows).slice();
      for (let r = 0; r < rows; r++) {
        largestNorm = Math.max(largestNorm, blockNorms[r]!);
        for (const q of seekers.get(first + r) ?? []) {
          targetNorms[q] = blockNorms[r]!;
          core.i16(pair, stride).set(core.i16(queryCodes + 2 * stride * q, stride));
          kernels.pairScores(pair, keyCodes + 2 * stride * r, 1, stride, exact + 8 * q);
        }
      }
      await pace.step(`targets at ${bits} bits`, first + rows, n);
    }

    const scores = allocate(4 * QUERIES * KEYS);
    const sought = core.place(targets);
    const mass = core.place(new Float64Array(m));
    const beaten = core.place(new Uint8Array(m));
    const unseen = request.mask === undefined ? undefined : core.place(request.mask);
    blocks.push(sought, mass, beaten, ...(unseen === undefined ? [] : [unseen]));
    for await (const { first, rows: columns, data } of pieces(keys)) {
      encode(data, columns);
      kernels.keyPanels(keyCodes, columns, stride, product.panels);
      for (let q = 0; q < m; q += QUERIES) {
        const rows = Math.min(QUERIES, m - q);
        product.run(queryCodes + 2 * stride * q, rows, columns, scores);
        kernels.scanScores(
          scores,
          rows,
          columns,
          first,
          sought + 4 * q,
          exact + 8 * q,
          beaten + q,
          mass + 8 * q,
          request.scale,
          queryCodes + 2 * stride * q,
          keyCodes,
          stride,
          unseen === undefined ? 0 : unseen + q * n + first,
          n,
        );
        const { index, count } = request.progress;
        await pace.step("retrieval", index * n * m + first * m + columns * (q + rows), count * n * m);
      }
    }
    return {
      won: core.u8(beaten, m).map((b) => 1 - b),
      mass: core.f64(mass, m).slice(),
      targetNorms,
      largestNorm,
    };
  } finally {
    product.release();
    for (const at of blocks) core.release(at);
  }
}

/** The blocks of a key set, cut to KEYS rows. */
async function* pieces(keys: KeySet): AsyncGenerator<{ first: number; rows: number; data: Float32Array }> {
  for await (const { first, rows, data } of keys.blocks()) {
    for (let at = 0; at < rows; at += KEYS) {
      const count = Math.min(KEYS, rows - at);
      yield { first: first + at, rows: count, data: data.subarray(at * keys.d, (at + count) * keys.d) };
    }
  }
}

function groupByTarget(targets: Int32Array): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  targets.forEach((target, q) => {
    const group = groups.get(target);
    if (group === undefined) groups.set(target, [q]);
    else group.push(q);
  });
  return groups;
}
