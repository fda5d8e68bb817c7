import { Activation, ConvStep } from "../core/abi/conv.ts";
import { Opcode } from "../core/abi/opcode.ts";
import { FLAT, f32Bits, step } from "../core/index.ts";
import { largestCode, placeMaxima } from "./collisions.ts";
import type { Workbench } from "./kernels.ts";
import type { KeySet, Pace } from "./keys.ts";

/** Queries and keys per block of scores: 1 MiB of float32. */
const QUERIES = 256;
const KEYS = 1024;
const SCRATCH = 65536;

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

    const panels = allocate(2 * stride * KEYS);
    const scores = allocate(4 * QUERIES * KEYS);
    const ones = core.place(new Float32Array(KEYS).fill(1));
    const zeros = core.place(new Int32Array(KEYS));
    const parameters = core.place(new Int32Array([f32Bits(1), 0, 0, 0]));
    const scratch = allocate(SCRATCH);
    const sought = core.place(targets);
    const mass = core.place(new Float64Array(m));
    const beaten = core.place(new Uint8Array(m));
    const unseen = request.mask === undefined ? undefined : core.place(request.mask);
    blocks.push(ones, zeros, parameters, sought, mass, beaten, ...(unseen === undefined ? [] : [unseen]));
    // |Σ a·b| ≤ d·m² for q·k, and ≤ 3·d·m² with the correction; a pair of products is at most 2·m², 4·m², or 2·2^14·32767 in the correction.
    const bound = (nearest ? 3 : 1) * d * code * code;
    const pairBound = nearest ? Math.max(4 * code * code, 2 ** 15 * 32767) : 2 * code * code;
    const gemm = (rows: number, columns: number, query: number) =>
      step(Opcode.ConvI16, ConvStep, {
        input: queryCodes + 2 * stride * query,
        output: scores,
        weights: panels,
        bias: 0,
        scales: ones,
        columnSums: zeros,
        parameters,
        rowsPerParameter: rows,
        batch: 1,
        ...FLAT,
        inHeight: 1,
        inWidth: rows,
        outHeight: 1,
        outWidth: rows,
        kernelHeight: 1,
        kernelWidth: 1,
        strideHeight: 1,
        strideWidth: 1,
        dilationHeight: 1,
        dilationWidth: 1,
        padTop: 0,
        padLeft: 0,
        groups: 1,
        channels: stride,
        outChannels: columns,
        batchStride: 2 * stride * rows,
        pixelStride: 2 * stride,
        groupStride: 0,
        outBatchStride: 4 * columns * rows,
        outPixelStride: 4 * columns,
        weightsBatchStride: 0,
        scalesBatchStride: 0,
        exactInInt32: bound < 2 ** 31 ? 1 : 0,
        pairsPerBlock: Math.max(1, Math.floor((2 ** 31 - 1) / pairBound)),
        activation: Activation.None,
        activationMin: 0,
        activationMax: 0,
        scratch,
        scratchBytes: SCRATCH,
        slots: 1,
        mask: 0,
      });
    for await (const { first, rows: columns, data } of pieces(keys)) {
      encode(data, columns);
      kernels.keyPanels(keyCodes, columns, stride, panels);
      for (let q = 0; q < m; q += QUERIES) {
        const rows = Math.min(QUERIES, m - q);
        const program = core.write([gemm(rows, columns, q)]);
        core.run(program, 0, 1);
        core.release(program);
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
