import { checkList, checkPace, shown, wrongKind } from "../core/index.ts";
import { integerIn } from "./checks.ts";
import { type Classes, classify, columnMaxima, type Granularity, largestCode } from "./collisions.ts";
import { createWorkbench, type Workbench } from "./kernels.ts";
import { type KeyBlocks, KeySet, Pace } from "./keys.ts";
import { floatMargins, type Margins, smallestDistance } from "./margins.ts";
import { type Retrieval, retrieve } from "./retrieval.ts";

/** How a query scores a key: q·k, or q·k − |k|²/2, which finds the nearest key. */
export type Score = "dot" | "nearest";

/** What `equalitySensitivity` looks at besides the keys; n keys and m queries of d numbers. */
export interface SensitivityOptions {
  /** m × d numbers, default the keys themselves. */
  readonly queries?: Float32Array;
  /** The key that each query seeks, m indices. Default: key i for query i when queries are the keys, else the key with the largest unquantized q·k. */
  readonly targets?: ArrayLike<number>;
  /** m × n bytes, not 0 where a query does not see a key (a causal mask, for example); a query's target must be seen. */
  readonly mask?: Uint8Array;
  /** Bit widths to look at, 2…16, default 2…12. */
  readonly bits?: readonly number[];
  /** Which columns share one largest magnitude: all (`tensor`, the default), none (`channel`), or `group` neighbours. */
  readonly granularity?: Granularity;
  /** Default `dot`. `nearest` wants granularity `tensor` and at most 15 bits; queries are then rounded on the grid of the keys. */
  readonly score?: Score;
  /** Default true. false leaves out everything whose time grows with n·m: retrieval, softmax, certificates, smallest distance and margin. */
  readonly retrieval?: boolean;
  /** Factor of the scores in the softmax, default 1/√d. */
  readonly scale?: number;
  /** Rejects with its reason within some 30 ms. */
  readonly signal?: AbortSignal;
  /** Called between blocks of work: `phase` names what is being done, `loaded` of `total` of its blocks are. */
  readonly onProgress?: (progress: { phase: string; loaded: number; total: number }) => void;
}

/** What one bit width does to the keys and to what queries find. */
export interface SensitivityRow {
  /** b, bits of a code with its sign, 2…16. */
  readonly bits: number;
  /** The largest grid step of a column, A/(2^(b−1) − 1), in the unit of the keys. */
  readonly step: number;
  /** Pairs of keys with the same codes, those included that were equal before. */
  readonly collisions: number;
  /** Pairs of different keys with the same codes: what the rounding lost. */
  readonly lost: number;
  /** Different codes. */
  readonly distinct: number;
  /** The first pairs that were lost, at most five, as indices of keys. */
  readonly firstPairs: readonly (readonly [number, number])[];
  /** Fraction of queries whose target scores strictly more than every other key, in exact integers. */
  readonly retrieval?: number;
  /** Fraction of queries whose target gets more than half of the softmax. */
  readonly softmax?: number;
  /** Fraction of queries whose retrieval follows from the unquantized scores alone, or, for `nearest` with queries = keys, from the absence of collisions. */
  readonly certified?: number;
}

/** What `equalitySensitivity` found: at how many bits unequal keys become equal. */
export interface Sensitivity {
  /** n, number of keys. */
  readonly keys: number;
  /** d, numbers in a key. */
  readonly width: number;
  /** m, number of queries; n where the keys are the queries. */
  readonly queries: number;
  /** As given, or the default. */
  readonly granularity: Granularity;
  /** As given, or the default. */
  readonly score: Score;
  /** Pairs of keys that are equal as given: no bit width tells them apart. */
  readonly duplicates: number;
  /** Keys that are all zeros: q·0 = 0 is never a strict maximum for q = k. */
  readonly zeroKeys: number;
  /** Least L∞ distance of two different keys, each column divided by its largest magnitude. Absent without `retrieval` and for streamed keys. */
  readonly smallestDistance?: number;
  /** The same in the unit of the keys, for granularity `tensor`. */
  readonly smallestGap?: number;
  /** Fraction of queries whose target wins strictly before any quantization: what q·k itself leaves to lose. */
  readonly unquantized?: number;
  /** Least margin of a query: unquantized score of its target minus the largest other score; negative when the target does not win. */
  readonly smallestMargin?: number;
  /** By bit width, ascending. The curve is not monotone: grids of different widths are not nested. */
  readonly rows: readonly SensitivityRow[];
  /** The least of the given bit widths from which on none of them loses a pair; absent when the widest does. */
  readonly safeBits?: number;
  /** From this bit width on no pair can be lost, because a step is at most the smallest distance; a proof, not a measurement. */
  readonly provedBits?: number;
}

/**
 * At how many bits do different keys become equal, and a query miss its key?
 *
 * Codes are integers, nearest, ties away from zero, symmetric around 0, relative to the largest magnitude (attention.md, "Practical tool").
 * Collisions, retrieval and certificates are exact; the softmax is f64 with a relative error below 1e-12 per term.
 *
 * @param keys n × d numbers, or an object whose `blocks()` gives them in whole rows, as often as it is called (for more keys than fit in memory)
 * @param dims `[n, d]`
 * @returns one row per bit width, and what follows for the choice of a width
 * @throws TypeError, RangeError for NaN or infinity (with the row), keys that are all zero, sizes that do not fit, options outside their ranges;
 *   the reason of `signal` when it aborts
 * @example
 * const { rows, safeBits } = await equalitySensitivity(Float32Array.of(1000, 160, 170), [3, 1]);
 * console.log(rows.map((row) => row.lost).join(" "), safeBits); // 1 0 1 0 1 0 0 0 0 0 0, 7
 */
export async function equalitySensitivity(
  keys: Float32Array | KeyBlocks,
  dims: readonly [number, number],
  options: SensitivityOptions = {},
): Promise<Sensitivity> {
  checkList("dims", dims);
  checkPace(options);
  return sensitivityOn(await createWorkbench(), new KeySet("keys", keys, dims[0], dims[1]), options);
}

/** `equalitySensitivity` on a workbench that may serve many key sets. */
export async function sensitivityOn(bench: Workbench, set: KeySet, options: SensitivityOptions): Promise<Sensitivity> {
  const given = check(set, options);
  const pace = new Pace(options.signal, options.onProgress);
  const maxima = await columnMaxima(bench, set, given.granularity, pace);
  const original = await classify(bench, set, maxima, 0, pace);
  const deep = options.retrieval === false ? undefined : await lookDeeper(bench, set, given, maxima, pace);
  const rows: SensitivityRow[] = [];
  for (const [index, bits] of given.bits.entries()) {
    const classes = await classify(bench, set, maxima, bits, pace);
    const row: SensitivityRow = {
      bits,
      step: maxima.reduce((a, b) => Math.max(a, b), 0) / largestCode(bits),
      collisions: classes.pairs,
      lost: classes.pairs - original.pairs,
      distinct: classes.distinct,
      firstPairs: firstPairs(classes, original),
    };
    rows.push(deep === undefined ? row : { ...row, ...(await deep.at(bits, index, classes)) });
  }
  const safeBits = safeFrom(rows);
  return {
    keys: set.n,
    width: set.d,
    queries: given.queries === undefined ? set.n : given.queries.length / set.d,
    granularity: given.granularity,
    score: given.score,
    duplicates: original.pairs,
    zeroKeys: await zeroKeys(set),
    ...deep?.summary,
    rows,
    ...(safeBits !== undefined && { safeBits }),
  };
}

interface Given {
  readonly bits: readonly number[];
  readonly granularity: Granularity;
  readonly score: Score;
  readonly scale: number;
  readonly queries: Float32Array | undefined;
  readonly targets: Int32Array | undefined;
  readonly mask: Uint8Array | undefined;
}

function check(set: KeySet, options: SensitivityOptions): Given {
  const { granularity = "tensor", score = "dot", scale = 1 / Math.sqrt(set.d), queries } = options;
  const { bits: widths = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] } = options;
  checkList("bits", widths);
  const bits = [...new Set(widths)].sort((a, b) => a - b);
  if (bits.length === 0) throw new RangeError('"bits" expected at least one bit width, got none');
  for (const b of bits) integerIn("bits", b, 2, 16);
  if (typeof granularity === "object" && granularity !== null)
    integerIn("granularity.group", granularity.group, 1, set.d);
  else if (granularity !== "tensor" && granularity !== "channel") {
    throw new RangeError(`"granularity" expected "tensor", "channel" or { group }, got ${JSON.stringify(granularity)}`);
  }
  if (score !== "dot" && score !== "nearest") {
    throw new RangeError(`"score" expected "dot" or "nearest", got ${JSON.stringify(score)}`);
  }
  if (score === "nearest" && (granularity !== "tensor" || bits.at(-1)! > 15)) {
    throw new RangeError('"score" "nearest" expected granularity "tensor" and at most 15 bits');
  }
  if (!(Number.isFinite(scale) && scale > 0))
    throw new RangeError(`"scale" expected a number above 0, got ${shown(scale)}`);
  if (queries !== undefined && !(queries instanceof Float32Array)) {
    throw new TypeError('"queries" expected a Float32Array');
  }
  if (queries !== undefined && (queries.length === 0 || queries.length % set.d !== 0)) {
    throw new RangeError(`"queries" expected whole rows of ${set.d} numbers, got ${queries.length}`);
  }
  if (queries === undefined && set.array === undefined && options.retrieval !== false) {
    throw new RangeError('"queries" expected for streamed keys, or "retrieval": false');
  }
  const targets = checkTargets(set, options);
  return { bits, granularity, score, scale, queries, targets, mask: checkMask(set, options, targets) };
}

function checkTargets(set: KeySet, { targets, queries }: SensitivityOptions): Int32Array | undefined {
  if (targets === undefined) return queries === undefined ? Int32Array.from({ length: set.n }, (_, i) => i) : undefined;
  const m = queries === undefined ? set.n : queries.length / set.d;
  if (typeof targets !== "object" || targets === null) throw wrongKind("targets", "a list of indices", targets);
  if (targets.length !== m) throw new RangeError(`"targets" expected ${m} indices, got ${targets.length}`);
  return Int32Array.from(targets, (t, i) => integerIn(`targets[${i}]`, t, 0, set.n - 1));
}

function checkMask(
  set: KeySet,
  { mask, queries }: SensitivityOptions,
  targets: Int32Array | undefined,
): Uint8Array | undefined {
  if (mask === undefined) return undefined;
  const { n } = set;
  const m = queries === undefined ? n : queries.length / set.d;
  if (!(mask instanceof Uint8Array)) throw new TypeError('"mask" expected a Uint8Array');
  if (mask.length !== m * n) throw new RangeError(`"mask" expected ${m} × ${n} = ${m * n} bytes, got ${mask.length}`);
  for (let q = 0; q < m; q++) {
    const seen =
      targets === undefined ? mask.subarray(q * n, (q + 1) * n).includes(0) : mask[q * n + targets[q]!] === 0;
    if (!seen)
      throw new RangeError(
        `"mask" expected to let query ${q} see ${targets === undefined ? "some key" : `its target ${targets[q]}`}`,
      );
  }
  return mask;
}

/** Everything whose time grows with the number of pairs. */
async function lookDeeper(bench: Workbench, set: KeySet, given: Given, maxima: Float64Array, pace: Pace) {
  const { d } = set;
  const self = given.queries === undefined;
  const queries = given.queries ?? set.array!;
  const m = queries.length / d;
  const querySet = new KeySet("queries", queries, m, d);
  const { targets, margins } = await floatMargins(bench, set, queries, given.targets, given.mask, pace);
  const gap = set.array && (await smallestDistance(bench, set.array, set.n, d, undefined, pace));
  const relative =
    given.granularity === "tensor"
      ? gap && gap / maxima[0]!
      : set.array && (await smallestDistance(bench, set.array, set.n, d, maxima, pace));
  const folded = given.granularity === "tensor" ? queries : fold(queries, maxima);
  const queryMaxima =
    self && given.granularity === "tensor"
      ? maxima
      : given.score === "nearest"
        ? maxima
        : await columnMaxima(bench, new KeySet("queries", folded, m, d), "tensor", pace);
  const rounding = (d + 4) * 2 ** -50 + (folded === queries ? 0 : 2 ** -22);
  const norms = weightedNorms(querySet, queries, maxima);
  const provedBits = relative === undefined ? undefined : provedFrom(relative);
  return {
    summary: {
      ...(relative !== undefined && { smallestDistance: relative }),
      ...(gap !== undefined && given.granularity === "tensor" && { smallestGap: gap }),
      unquantized: mean(margins, (margin) => margin > 0),
      smallestMargin: margins.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
      ...(provedBits !== undefined && { provedBits }),
    },
    at: async (bits: number, index: number, classes: Classes) => {
      const code = largestCode(bits);
      // One unit of the integer score: Δ_q·Δ_k; with folded queries the key steps are A_c/code each; half of Δ² for 2·q·k − |k|².
      const unit =
        given.granularity === "tensor"
          ? ((queryMaxima[0]! / code) * (maxima[0]! / code)) / (given.score === "nearest" ? 2 : 1)
          : queryMaxima[0]! / code / code;
      const result = await retrieve(
        bench,
        {
          keys: set,
          queries: folded,
          targets,
          keyMaxima: maxima,
          queryMaxima,
          bits,
          nearest: given.score === "nearest",
          scale: unit * given.scale,
          mask: given.mask,
          progress: { index, count: given.bits.length },
        },
        pace,
      );
      const certified =
        given.score === "dot"
          ? certifiedBy({ targets, margins }, result, norms, code, unit, rounding)
          : self
            ? alone(classes)
            : undefined;
      return {
        retrieval: mean(result.won, (won) => won === 1),
        softmax: mean(result.won, (won, i) => won === 1 && result.mass[i]! < 1),
        ...(certified !== undefined && { certified }),
      };
    },
  };
}

/** q_c·A_c: with a scale per column, the keys' scales move into the query, which is then quantized as a whole. */
function fold(queries: Float32Array, maxima: Float64Array): Float32Array {
  return queries.map((q, i) => q * maxima[i % maxima.length]!);
}

/** Σ_c |q_c|·A_c of each query, rounded up. */
function weightedNorms(set: KeySet, queries: Float32Array, maxima: Float64Array): Float64Array {
  const norms = new Float64Array(set.n);
  queries.forEach((q, i) => {
    norms[Math.floor(i / set.d)]! += Math.abs(q) * maxima[i % set.d]!;
  });
  return norms;
}

/**
 * The certificate: quantization changes q·k_t − q·k_j by at most Σ|q_c|Δ_c (both keys, half a step each) + (Δ_q/2)(|k̂_t|₁ + max|k̂_j|₁); a larger
 * margin survives. The slack covers the rounding of these f64 sums and, where queries were folded to float32, 2^-24 of each of the two scores.
 */
function certifiedBy(
  { margins }: Margins,
  { targetNorms, largestNorm }: Retrieval,
  norms: Float64Array,
  code: number,
  unit: number,
  rounding: number,
): number {
  return mean(margins, (margin, i) => {
    const bound = norms[i]! / code + (unit / 2) * (targetNorms[i]! + largestNorm);
    const slack = rounding * norms[i]! + 2 ** -40 * bound;
    return margin > bound + slack;
  });
}

function mean<T extends ArrayLike<number>>(values: T, holds: (value: number, i: number) => boolean): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Number(holds(values[i]!, i));
  return sum / values.length;
}

/** Fraction of keys that share their code with no other. */
function alone({ first }: Classes): number {
  const sizes = new Int32Array(first.length);
  for (const lead of first) sizes[lead] = sizes[lead]! + 1;
  return mean(first, (lead) => sizes[lead] === 1);
}

/** The least b for which A/(2^(b−1) − 1) ≤ the distance, given relative to A and up to 2^-22; undefined when no key differs. */
function provedFrom(distance: number): number | undefined {
  if (distance === Number.POSITIVE_INFINITY) return undefined;
  let bits = 2;
  while (1 / largestCode(bits) > distance * (1 - 2 ** -21)) bits++;
  return bits;
}

function firstPairs(classes: Classes, original: Classes): [number, number][] {
  const pairs: [number, number][] = [];
  for (let i = 0; i < classes.first.length && pairs.length < 5; i++) {
    const lead = classes.first[i]!;
    if (lead !== i && original.first[lead] !== original.first[i]) pairs.push([lead, i]);
  }
  return pairs;
}

function safeFrom(rows: readonly SensitivityRow[]): number | undefined {
  let safe: number | undefined;
  for (const row of [...rows].reverse()) {
    if (row.lost > 0) break;
    safe = row.bits;
  }
  return safe;
}

async function zeroKeys(set: KeySet): Promise<number> {
  let zeros = 0;
  for await (const { rows, data } of set.blocks()) {
    for (let r = 0; r < rows; r++) {
      let c = r * set.d;
      const end = c + set.d;
      while (c < end && data[c] === 0) c++;
      if (c === end) zeros++;
    }
  }
  return zeros;
}
