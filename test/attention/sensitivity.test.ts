import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalitySensitivity, type SensitivityOptions } from "../../src/attention/index.ts";
import { randomIntegers } from "../../src/core/random.ts";
import { processorTime } from "../support/processor-time.ts";

interface KeySetVector {
  readonly keys: readonly number[][];
  readonly min_margin: number;
  readonly linf_min: number;
  readonly rows: readonly { b: number; collisions: number; distinct: number; retrieval: number; certified: number }[];
}
const vectors: KeySetVector[] = JSON.parse(
  readFileSync(new URL("../vectors/equality_tool.json", import.meta.url), "utf8"),
).data;

/** nearest integer of |x|·m/a, ties away from zero, of numbers that are integers. */
function exactCode(x: number, a: number, m: number): number {
  const code = Number((2n * BigInt(Math.abs(x)) * BigInt(m) + BigInt(a)) / (2n * BigInt(a)));
  return Math.sign(x) * code + 0;
}

function pairsOf(rows: readonly (readonly number[])[]): number {
  let pairs = 0;
  rows.forEach((a, i) => {
    for (let j = 0; j < i; j++) if (a.every((v, c) => v === rows[j]![c])) pairs++;
  });
  return pairs;
}

describe("equalitySensitivity on published data", () => {
  it.each(vectors)("reproduces the rows of key set %#", async (v) => {
    const keys = Float32Array.from(v.keys.flat());
    const s = await equalitySensitivity(keys, [v.keys.length, v.keys[0]!.length], { bits: v.rows.map((r) => r.b) });
    expect(s.smallestMargin).toBe(v.min_margin);
    expect(s.smallestGap).toBe(v.linf_min);
    const wins = v.keys.filter((q, i) => {
      const score = (k: readonly number[]) => q.reduce((sum, x, c) => sum + x * k[c]!, 0);
      return v.keys.every((k, j) => j === i || score(k) < score(q));
    });
    expect(s.unquantized).toBe(wins.length / v.keys.length);
    expect(
      s.rows.map((r) => ({
        b: r.bits,
        collisions: r.collisions,
        distinct: r.distinct,
        retrieval: Math.round(r.retrieval! * 1e4) / 1e4,
        certified: Math.round(r.certified! * 1e4) / 1e4,
      })),
    ).toEqual(v.rows);
  });

  it("reports a curve that is not monotone, and the width that is safe from there on", async () => {
    const s = await equalitySensitivity(Float32Array.of(1000, 160, 170), [3, 1]);
    expect(s.rows.map((r) => r.lost)).toEqual([1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    expect(s.safeBits).toBe(7);
    expect(s.provedBits).toBe(8);
    expect(s.rows[2]!.firstPairs).toEqual([[1, 2]]);
  });
});

const matrix = fc
  .tuple(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 9 }), fc.constantFrom(2, 9, 300, 70_000))
  .chain(([n, d, size]) =>
    fc.array(fc.array(fc.integer({ min: -size, max: size }), { minLength: d, maxLength: d }), {
      minLength: n,
      maxLength: n,
    }),
  )
  .filter((rows) => rows.flat().some((v) => v !== 0));

describe("equalitySensitivity against exact integers", () => {
  it.each(["tensor", "channel", 2] as const)("finds the collisions, granularity %s", async (kind) => {
    await fc.assert(
      fc.asyncProperty(matrix, fc.integer({ min: 2, max: 16 }), async (rows, bits) => {
        const d = rows[0]!.length;
        const width = kind === "tensor" ? d : kind === "channel" ? 1 : Math.min(2, d);
        const granularity = kind === 2 ? { group: width } : kind;
        const m = 2 ** (bits - 1) - 1;
        const largest = Array.from({ length: d }, (_, c) => {
          const start = c - (c % width);
          return Math.max(...rows.flatMap((row) => row.slice(start, start + width).map(Math.abs)));
        });
        const codes = rows.map((row) => row.map((x, c) => (largest[c] === 0 ? 0 : exactCode(x, largest[c]!, m))));
        const s = await equalitySensitivity(Float32Array.from(rows.flat()), [rows.length, d], {
          bits: [bits],
          granularity,
          retrieval: false,
        });
        expect([s.rows[0]!.collisions, s.duplicates]).toEqual([pairsOf(codes), pairsOf(rows)]);
        expect(s.rows[0]!.distinct).toBe(new Set(codes.map(String)).size);
        for (const [i, j] of s.rows[0]!.firstPairs) {
          expect(codes[i]).toEqual(codes[j]);
          expect(rows[i]).not.toEqual(rows[j]);
        }
      }),
      { numRuns: 40 },
    );
  });

  it.each(["dot", "nearest"] as const)("finds the retrieval rate, score %s", async (score) => {
    await fc.assert(
      fc.asyncProperty(matrix, fc.integer({ min: 2, max: 15 }), async (rows, bits) => {
        const d = rows[0]!.length;
        const m = 2 ** (bits - 1) - 1;
        const a = Math.max(...rows.flat().map(Math.abs));
        const codes = rows.map((row) => row.map((x) => BigInt(exactCode(x, a, m))));
        const dot = (x: readonly bigint[], y: readonly bigint[]) => x.reduce((sum, v, c) => sum + v * y[c]!, 0n);
        const value = (q: readonly bigint[], k: readonly bigint[]) =>
          score === "dot" ? dot(q, k) : 2n * dot(q, k) - dot(k, k);
        const won = codes.filter((q, i) => codes.every((k, j) => j === i || value(q, k) < value(q, q))).length;
        const s = await equalitySensitivity(Float32Array.from(rows.flat()), [rows.length, d], { bits: [bits], score });
        const row = s.rows[0]!;
        expect(row.retrieval).toBe(won / rows.length);
        expect(row.softmax).toBeLessThanOrEqual(row.retrieval!);
        expect(row.certified).toBeLessThanOrEqual(row.retrieval!);
        if (score === "nearest") {
          // The theorem: with q̂ = k̂ retrieval succeeds exactly where the code is the key's alone.
          expect(row.retrieval).toBe(row.certified);
          expect(row.retrieval === 1).toBe(row.collisions === 0);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("never certifies what fails, with queries of their own and a scale per channel", async () => {
    await fc.assert(
      fc.asyncProperty(
        matrix,
        matrix,
        fc.constantFrom("tensor" as const, "channel" as const),
        async (rows, others, granularity) => {
          const d = rows[0]!.length;
          const queries = Float32Array.from(
            others.flatMap((row) => Array.from({ length: d }, (_, c) => row[c % row.length]!)),
          );
          fc.pre(queries.some((q) => q !== 0));
          const s = await equalitySensitivity(Float32Array.from(rows.flat()), [rows.length, d], {
            queries,
            granularity,
            bits: [2, 4, 8, 12, 16],
          });
          expect(s.queries).toBe(others.length);
          for (const row of s.rows) expect(row.certified).toBeLessThanOrEqual(row.retrieval!);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("leaves masked keys out", async () => {
    await fc.assert(
      fc.asyncProperty(matrix, fc.integer({ min: 2, max: 10 }), async (rows, bits) => {
        const n = rows.length;
        const d = rows[0]!.length;
        const keys = Float32Array.from(rows.flat());
        const mask = Uint8Array.from({ length: n * n }, (_, i) => Number(i % n > Math.floor(i / n)));
        const s = await equalitySensitivity(keys, [n, d], { bits: [bits], mask });
        // Query i under a causal mask is the last query of the first i + 1 keys, on the grid of all of them.
        const m = 2 ** (bits - 1) - 1;
        const a = Math.max(...rows.flat().map(Math.abs));
        const codes = rows.map((row) => row.map((x) => exactCode(x, a, m)));
        const dot = (i: number, j: number) => codes[i]!.reduce((sum, v, c) => sum + v * codes[j]![c]!, 0);
        const won = codes.filter((_, i) => codes.every((_, j) => j >= i || dot(i, j) < dot(i, i))).length;
        expect(s.rows[0]!.retrieval).toBe(won / n);
        expect(s.rows[0]!.certified).toBeLessThanOrEqual(s.rows[0]!.retrieval!);
      }),
      { numRuns: 40 },
    );
  });

  it("measures the softmax", async () => {
    // Codes are the numbers; scores 9·(9, 6, 3)/√1·scale: the target has 1/(1 + e^-27s + e^-54s) of the softmax.
    const rate = async (scale: number) =>
      (await equalitySensitivity(Float32Array.of(9, 6, 3), [3, 1], { queries: Float32Array.of(9), bits: [16], scale }))
        .rows[0]!.softmax;
    const half = -Math.log((Math.sqrt(5) - 1) / 2) / 27;
    expect(await rate(half * 1.0001)).toBe(1);
    expect(await rate(half * 0.9999)).toBe(0);
    expect(await rate(1e-9)).toBe(0);
    expect(await rate(1e9)).toBe(1);
  });

  it("decides ties of rounded float32 scores exactly", async () => {
    // Scores of about 2^30 and 2^31, whose float32 neighbours are 64 and 128 apart: query (32767, 1) wins by 1, (32767, 0) ties.
    const pair = await equalitySensitivity(Float32Array.of(32767, 1, 32767, 0), [2, 2], { bits: [16] });
    expect(pair.rows[0]!.retrieval).toBe(1 / 2);
    // The same keys in a sum that does not fit int32.
    const rows = [1, 0].map((last) => [32767, 32767, 32767, last]);
    const wide = await equalitySensitivity(Float32Array.from(rows.flat()), [2, 4], { bits: [16] });
    expect(wide.rows[0]!.retrieval).toBe(1 / 2);
  });

  it("tells rows apart that differ in signs only", async () => {
    const rows = Array.from({ length: 256 }, (_, i) => Array.from({ length: 8 }, (_, c) => ((i >> c) & 1 ? 1 : -1)));
    const s = await equalitySensitivity(Float32Array.from(rows.flat()), [256, 8], { bits: [2, 16], retrieval: false });
    expect([s.duplicates, ...s.rows.map((r) => r.distinct)]).toEqual([0, 256, 256]);
  });

  it("finds another fingerprint when one lies", async () => {
    // Two rows of 8 codes with equal fingerprints, solved for the second word: h = rotl((h ^ word)·c, 31)·c2.
    const mask = (1n << 64n) - 1n;
    const c = 0xff51afd7ed558ccdn;
    const mix = (h: bigint, word: bigint) => {
      const x = ((h ^ word) * c) & mask;
      return ((((x << 31n) | (x >> 33n)) & mask) * 0xc4ceb9fe1a85ec53n) & mask;
    };
    const start = (0x9e3779b97f4a7c15n + 1n) & mask;
    const word = (codes: readonly number[]) =>
      codes.reduce((w, v, i) => w | (BigInt(v & 0xffff) << BigInt(16 * i)), 0n);
    const codes = (w: bigint) => [0, 1, 2, 3].map((i) => Number(BigInt.asIntN(16, w >> BigInt(16 * i))));
    const first = [1, 2, 3, 4];
    const second = [5, 6, 7, 8];
    const other = codes(mix(start, word(first)) ^ mix(start, word(second)) ^ word(second));
    expect(other.every((v) => v > -32768)).toBe(true);
    const rows = [
      [...first, ...second],
      [...second, ...other],
      [32767, 0, 0, 0, 0, 0, 0, 0],
    ];
    const s = await equalitySensitivity(Float32Array.from(rows.flat()), [3, 8], { bits: [16], retrieval: false });
    expect([s.rows[0]!.collisions, s.rows[0]!.distinct]).toEqual([0, 3]);
  });
});

/** Normalized rows: independent, or near copies of the first half. */
function keysOf(n: number, d: number, noise: number): Float32Array {
  const random = randomIntegers(7);
  const normal = () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += random(0, 2 ** 24 - 1) / 2 ** 24;
    return sum;
  };
  const keys = Float32Array.from({ length: n * d }, normal);
  for (let i = n / 2; i < n; i++) {
    for (let c = 0; c < d; c++) if (noise > 0) keys[i * d + c] = keys[(i - n / 2) * d + c]! + noise * normal();
  }
  for (let i = 0; i < n; i++) {
    const row = keys.subarray(i * d, (i + 1) * d);
    const norm = Math.hypot(...row);
    row.forEach((v, c) => {
      row[c] = v / norm;
    });
  }
  return keys;
}

describe("equalitySensitivity on larger sets", () => {
  it("shows that distinct is not retrievable, and that the nearest-key score repairs it", async () => {
    const keys = keysOf(1000, 64, 0.02);
    const dot = await equalitySensitivity(keys, [1000, 64], { bits: [4, 6, 7, 8, 12] });
    const nearest = await equalitySensitivity(keys, [1000, 64], { bits: [4, 6, 7, 8, 12], score: "nearest" });
    const at = (bits: number) => dot.rows.find((r) => r.bits === bits)!;
    for (const bits of [7, 8]) {
      expect(at(bits).lost).toBe(0);
      expect(at(bits).retrieval).toBeLessThan(0.75);
    }
    expect(at(12).retrieval).toBeGreaterThan(0.93);
    for (const row of nearest.rows) if (row.lost === 0) expect(row.retrieval).toBe(1);
  });

  it("gives the same rows for streamed keys", async () => {
    const [n, d] = [3000, 20];
    const keys = keysOf(n, d, 0);
    const queries = keys.subarray(0, 50 * d);
    const blocks = async function* () {
      for (let at = 0; at < n; at += 700) yield keys.subarray(at * d, Math.min(n, at + 700) * d);
    };
    const options: SensitivityOptions = { queries, bits: [3, 5, 9] };
    const whole = await equalitySensitivity(keys, [n, d], options);
    const streamed = await equalitySensitivity({ blocks }, [n, d], options);
    expect(streamed.rows).toEqual(whole.rows);
    expect(streamed.smallestMargin).toBe(whole.smallestMargin);
    expect([streamed.provedBits, whole.provedBits! > 2]).toEqual([undefined, true]);
    await expect(equalitySensitivity({ blocks }, [n, d])).rejects.toThrow('"queries" expected for streamed keys');
    await expect(equalitySensitivity({ blocks }, [n + 1, d], { retrieval: false })).rejects.toThrow(
      '"keys" expected 3001 rows, got 3000',
    );
    await expect(equalitySensitivity({ blocks }, [n - 1, d], { retrieval: false })).rejects.toThrow(
      '"keys" expected 2999 rows, got more',
    );
  });

  it("gives the collision curve of 100,000 keys of dimension 64 in under 5 s of processor time", async () => {
    const random = randomIntegers(3);
    const keys = Float32Array.from({ length: 100_000 * 64 }, () => random(0, 2 ** 24 - 1) / 2 ** 24 - 0.5);
    keys.copyWithin(64 * 99_999, 64 * 5, 64 * 6);
    const start = processorTime();
    const s = await equalitySensitivity(keys, [100_000, 64], { retrieval: false });
    const seconds = (processorTime() - start) / 1000;
    expect(s.duplicates).toBe(1);
    expect(s.rows.map((r) => r.bits)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(seconds).toBeLessThan(5);
  });

  it("reports progress and stops when told to", async () => {
    const keys = keysOf(2000, 32, 0);
    const phases = new Set<string>();
    const controller = new AbortController();
    const running = equalitySensitivity(keys, [2000, 32], {
      signal: controller.signal,
      onProgress: ({ phase, loaded, total }) => {
        expect(loaded).toBeLessThanOrEqual(total);
        phases.add(phase);
        if (phase === "retrieval") controller.abort(new Error("enough"));
      },
    });
    await expect(running).rejects.toThrow("enough");
    expect([...phases]).toEqual(
      expect.arrayContaining(["range of keys", "duplicates", "margins", "smallest distance", "retrieval"]),
    );
  });
});

describe("equalitySensitivity, bad input", () => {
  const keys = Float32Array.of(1, 2, 3, 4);
  it.each<[string, [Float32Array, [number, number], SensitivityOptions?]]>([
    ['"keys" expected finite numbers, got NaN or infinity in row 1', [Float32Array.of(1, 2, Number.NaN, 4), [2, 2]]],
    ['"keys" expected finite numbers, got NaN or infinity in row 1', [Float32Array.of(1, 2, 3, 4, 5, -1 / 0), [2, 3]]],
    ['"keys" expected some number that is not 0', [new Float32Array(4), [2, 2]]],
    ['"keys" expected 2 × 3 = 6 numbers, got 4', [keys, [2, 3]]],
    ['"dims[0]" expected integer in 1..', [new Float32Array(0), [0, 2]]],
    ['"dims[1]" expected integer in 1..65536, got 0', [keys, [4, 0]]],
    ['"bits" expected integer in 2..16, got 1', [keys, [2, 2], { bits: [1] }]],
    ['"bits" expected at least one', [keys, [2, 2], { bits: [] }]],
    ['"queries" expected whole rows of 2 numbers, got 3', [keys, [2, 2], { queries: new Float32Array(3) }]],
    ['"targets" expected 2 indices, got 1', [keys, [2, 2], { targets: [0] }]],
    ['"targets[1]" expected integer in 0..1, got 2', [keys, [2, 2], { targets: [0, 2] }]],
    ['"granularity.group" expected integer in 1..2, got 3', [keys, [2, 2], { granularity: { group: 3 } }]],
    ['"score" "nearest" expected granularity "tensor"', [keys, [2, 2], { score: "nearest", granularity: "channel" }]],
    ['"mask" expected 2 × 2 = 4 bytes, got 3', [keys, [2, 2], { mask: new Uint8Array(3) }]],
    ['"mask" expected to let query 1 see its target 1', [keys, [2, 2], { mask: Uint8Array.of(0, 0, 0, 1) }]],
    ['"scale" expected a number above 0', [keys, [2, 2], { scale: 0 }]],
  ])("%s", async (message, [data, dims, options]) => {
    await expect(equalitySensitivity(data, dims, options)).rejects.toThrow(message);
  });

  it("refuses what is no key set", async () => {
    await expect(equalitySensitivity([1, 2] as unknown as Float32Array, [1, 2])).rejects.toThrow(TypeError);
  });

  it("takes single keys, zero keys and all-equal keys", async () => {
    const one = await equalitySensitivity(Float32Array.of(3, 4), [1, 2], { bits: [2] });
    expect(one.rows[0]).toMatchObject({ collisions: 0, retrieval: 1, softmax: 1 });
    expect([one.safeBits, one.provedBits]).toEqual([2, undefined]);
    const zero = await equalitySensitivity(Float32Array.of(3, 4, 0, -0, 0, 0), [3, 2], { bits: [4] });
    expect([zero.zeroKeys, zero.duplicates, zero.rows[0]!.lost]).toEqual([2, 1, 0]);
    const equal = await equalitySensitivity(Float32Array.of(1, 1, 1), [3, 1], { bits: [4] });
    expect([equal.duplicates, equal.rows[0]!.collisions, equal.rows[0]!.retrieval, equal.safeBits]).toEqual([
      3, 3, 0, 4,
    ]);
  });
});
