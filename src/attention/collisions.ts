import type { Workbench } from "./kernels.ts";
import type { KeySet, Pace } from "./keys.ts";

/** Largest magnitudes by column, joined by granularity: `maxima[c]` is the A of column c. */
export type Granularity =
  | "tensor"
  | "channel"
  | {
      /** Columns that share one, 1…d; the last group is what is left. */
      readonly group: number;
    };

/** 2^(b−1) − 1, the largest code of b bits. */
export function largestCode(bits: number): number {
  return 2 ** (bits - 1) - 1;
}

/**
 * The largest magnitude A of each column under a granularity, from the data.
 *
 * @throws RangeError for NaN, infinity, or all zeros
 */
export async function columnMaxima(
  bench: Workbench,
  set: KeySet,
  granularity: Granularity,
  pace: Pace,
): Promise<Float64Array> {
  const { core, kernels } = bench;
  const { d, n } = set;
  const keys = core.allocate(4 * set.blockRows * d);
  const maxima = core.allocate(4 * d);
  core.f32(maxima, d).fill(0);
  for await (const { first, rows, data } of set.blocks()) {
    core.f32(keys, data.length).set(data);
    const bad = kernels.keyRange(keys, rows, d, maxima);
    if (bad >= 0)
      throw new RangeError(`"${set.name}" expected finite numbers, got NaN or infinity in row ${first + bad}`);
    await pace.step(`range of ${set.name}`, first + rows, n);
  }
  const columns = Float64Array.from(core.f32(maxima, d));
  core.release(keys);
  core.release(maxima);
  const width = granularity === "tensor" ? d : granularity === "channel" ? 1 : granularity.group;
  for (let c = 0; c < d; c += width) {
    const group = columns.subarray(c, c + width);
    group.fill(group.reduce((a, b) => Math.max(a, b), 0));
  }
  if (columns.every((a) => a === 0)) {
    throw new RangeError(`"${set.name}" expected some number that is not 0: all rows are alike`);
  }
  return columns;
}

/** Which rows are equal. */
export interface Classes {
  /** For each row the index of the first equal one. */
  readonly first: Int32Array;
  /** Different rows. */
  readonly distinct: number;
  /** Pairs of equal rows. */
  readonly pairs: number;
}

/** Places `maxima` for keyCodes, which reads three more than d. */
export function placeMaxima(bench: Workbench, maxima: Float64Array): number {
  const padded = new Float64Array(maxima.length + 3).fill(1);
  padded.set(maxima);
  return bench.core.place(padded);
}

/**
 * Classes of equal rows: of the given floats (`bits` 0), or of their codes of `bits` bits.
 *
 * Exact: rows with different fingerprints differ; rows with the same fingerprint are compared, and should a fingerprint have lied, another one is used.
 */
export async function classify(
  bench: Workbench,
  set: KeySet,
  maxima: Float64Array,
  bits: number,
  pace: Pace,
): Promise<Classes> {
  const { core, kernels } = bench;
  const { d, n } = set;
  const phase = bits === 0 ? "duplicates" : `collisions at ${bits} bits`;
  const words = bits === 0 ? Math.ceil(d / 2) : Math.ceil(d / 4);
  const slots = 2 ** (32 - Math.clz32(2 * n)); // the least power of two above 2n
  const keys = core.allocate(4 * set.blockRows * d);
  const codes = core.allocate(8 * words * set.blockRows);
  const scales = placeMaxima(bench, maxima);
  const fingerprints = core.allocate(8 * n);
  const table = core.allocate(4 * slots);
  const classes = core.allocate(4 * n);
  const encode = (data: Float32Array, rows: number): void => {
    core.f32(keys, data.length).set(data);
    if (bits === 0) kernels.keyNormalize(keys, rows, d, codes, 8 * words);
    else kernels.keyCodes(keys, rows, d, scales, largestCode(bits), codes, 4 * words);
  };
  try {
    for (let seed = 1; ; seed++) {
      for await (const { first, rows, data } of set.blocks()) {
        encode(data, rows);
        kernels.keyFingerprints(codes, rows, words, seed, fingerprints + 8 * first);
        await pace.step(phase, first + rows, n);
      }
      core.i32(table, slots).fill(0);
      kernels.keyClasses(fingerprints, n, table, slots - 1, classes);
      const first = core.i32(classes, n).slice();
      if (await confirmed(bench, set, first, codes, words, encode)) return count(first);
    }
  } finally {
    for (const block of [keys, codes, scales, fingerprints, table, classes]) core.release(block);
  }
}

/** Whether every row equals the first row of its class. */
async function confirmed(
  bench: Workbench,
  set: KeySet,
  first: Int32Array,
  codes: number,
  words: number,
  encode: (data: Float32Array, rows: number) => void,
): Promise<boolean> {
  const leads = new Uint8Array(first.length);
  let any = false;
  first.forEach((lead, i) => {
    if (lead === i) return;
    leads[lead] = 1;
    any = true;
  });
  if (!any) return true;
  const kept = new Map<number, Int32Array>();
  for await (const { first: start, rows, data } of set.blocks()) {
    encode(data, rows);
    const all = bench.core.i32(codes, 2 * words * rows);
    for (let r = 0; r < rows; r++) {
      const row = all.subarray(2 * words * r, 2 * words * (r + 1));
      const lead = first[start + r]!;
      if (lead === start + r) {
        if (leads[lead] === 1) kept.set(lead, row.slice());
      } else {
        const other = kept.get(lead)!;
        for (let w = 0; w < row.length; w++) if (row[w] !== other[w]) return false;
      }
    }
  }
  return true;
}

function count(first: Int32Array): Classes {
  const sizes = new Int32Array(first.length);
  let distinct = 0;
  let pairs = 0;
  for (let i = 0; i < first.length; i++) {
    const lead = first[i]!;
    if (lead === i) distinct++;
    pairs += sizes[lead]!;
    sizes[lead] = sizes[lead]! + 1;
  }
  return { first, distinct, pairs };
}
