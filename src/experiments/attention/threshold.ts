import {
  canonicalString,
  certify,
  gamma,
  leastWrongPairs,
  type State,
  type Step,
  verifyGamma,
} from "../../attention/index.ts";
import { clamp, maximum, rdiv } from "../../fixed-point/arithmetic.ts";
import { gammaOnnx, gammaTokens } from "../../networks/attention-onnx.ts";
import { InferenceSession } from "../../session/session.ts";
import { type Experiment, type ExperimentResult, type Finding, finding } from "../experiment.ts";

const BITS = [2, 3, 4, 5, 6];
/** Pairs of the accumulator model beyond which pairs are sampled. */
const ALL_PAIRS = 60_000;
const SAMPLES = 4000;

/**
 * p against p − 1 bits, p = 2…6, in both models: the layer of p bits is compared with Γ on all pairs (samples where there are too many), then the
 * same layer with embeddings or accumulators of p − 1 bits, and what counting forces on every model of p − 1 bits. The token layer also runs as an
 * ONNX network in a session, with the same errors.
 */
export const threshold: Experiment = {
  name: "attention-threshold",
  summary:
    "Equality of tokens and of counters by one-layer attention: no error with p bits, forced errors with p − 1, p = 2…6.",
  run: async (options = {}): Promise<ExperimentResult> => {
    const token = [];
    const accumulator = [];
    const session = [];
    for (const [index, p] of BITS.entries()) {
      options.signal?.throwIfAborted();
      options.onProgress?.({ phase: "threshold", loaded: index, total: BITS.length });
      token.push(tokenRow(p));
      accumulator.push(accumulatorRow(p, options.seed ?? 1));
      session.push(await sessionRow(p, p), await sessionRow(p, p - 1));
    }
    const values = [
      ...token.flatMap((r) => points("token embeddings", r.p, r.inputs, r.wrong, r.wrongBelow, r.leastWrongBelow)),
      ...accumulator.flatMap((r) => points("accumulators", r.p, r.rows ** 2, r.wrong, r.wrongBelow, r.leastWrongBelow)),
    ];
    return {
      data: { token, accumulator, session },
      findings: findings(token, accumulator, session),
      chart: [
        {
          title: {
            text: "Wrong answers of the equality layer whose numbers have p − 1 bits",
            subtitle: "with p bits it has none, at any of these p",
          },
          data: { values: values.filter((row) => row.fraction > 0) },
          facet: { column: { field: "model", type: "nominal", title: null } },
          spec: {
            width: 260,
            height: 240,
            mark: { type: "line", point: true },
            encoding: {
              x: { field: "p", type: "ordinal", title: "p", axis: { labelAngle: 0 } },
              y: {
                field: "fraction",
                type: "quantitative",
                title: "wrong answers (fraction of all pairs)",
                axis: { format: ".0e", tickCount: 6 },
                scale: { type: "log" },
              },
              color: { field: "bits", type: "nominal", title: null, legend: { labelLimit: 300 } },
            },
          },
        },
      ],
    };
  },
};

function findings(
  token: readonly ReturnType<typeof tokenRow>[],
  accumulator: readonly ReturnType<typeof accumulatorRow>[],
  session: readonly Awaited<ReturnType<typeof sessionRow>>[],
): Finding[] {
  const list = (values: readonly number[]): string => values.join(", ");
  const models = [
    ["tokens", token, token.map((r) => r.bestReadoutBelow)],
    ["accumulators", accumulator, accumulator.map((r) => r.wrongBelow)],
  ] as const;
  const inSession = session.filter(
    (r) => r.wrong === (r.embeddingBits === r.p ? 0 : token.find((t) => t.p === r.p)!.wrongBelow),
  );
  return [
    ...models.flatMap(([name, rows, below]) => [
      finding(
        `p bits compute Γ, p = ${list(rows.map((r) => r.p))}: ${name}`,
        "no wrong answer",
        `${list(rows.map((r) => r.wrong))} wrong`,
        rows.every((r) => r.wrong === 0),
      ),
      finding(
        `p − 1 bits do not: ${name}`,
        `at least ${list(rows.map((r) => r.leastWrongBelow))} wrong`,
        `${list(below)} wrong`,
        rows.every((r, i) => r.leastWrongBelow > 0 && below[i]! >= r.leastWrongBelow),
      ),
    ]),
    finding(
      "The token layer as an ONNX network answers alike in a session",
      `the same errors in all ${session.length} networks`,
      `the same in ${inSession.length}`,
      inSession.length === session.length,
    ),
  ];
}

function points(model: string, p: number, inputs: number, wrong: number, below: number, least: number) {
  return [
    { model, p, bits: "p bits", fraction: wrong / inputs },
    { model, p, bits: "p − 1 bits, rounded", fraction: below / inputs },
    { model, p, bits: "p − 1 bits, the least possible", fraction: least / inputs },
  ];
}

/** The token layer as an ONNX network in a session: all pairs, embeddings of `embeddingBits` bits. */
async function sessionRow(p: number, embeddingBits: number) {
  const n = 2 * maximum(p) + 1;
  const pairs = Array.from({ length: n * n }, (_, at) => [Math.floor(at / n), at % n] as const);
  const session = await InferenceSession.create(gammaOnnx(p, 1, { embeddingBits }), { preset: "float32" });
  const { equal } = await session.run({ tokens: gammaTokens(p, 1, pairs) });
  await session.release();
  const wrong = pairs.filter(([i, j], at) => (Number(equal!.data[at]) === 1) !== (i === j)).length;
  return { p, embeddingBits, pairs: pairs.length, wrong, accuracy: 1 - wrong / pairs.length };
}

function tokenRow(p: number) {
  const g = gamma(p, 1);
  const { pairs, wrong } = verifyGamma(g);
  // The same grid with one bit less: the fraction is rounded away, the range stays.
  const most = maximum(p - 1);
  const embedding = ([unit]: readonly number[]) => [clamp(rdiv(unit!, 2), most)];
  const below = certify({ embedding }, { p, d: 1 });
  const codes = Array.from({ length: Number(g.alphabet) }, (_, i) => embedding(g.symbol(i))[0]!);
  const says = codes.reduce((sum, a) => sum + codes.filter((b) => b === a).length, 0);
  return {
    p,
    d: 1,
    symbols: Number(g.alphabet),
    inputs: pairs,
    wrong,
    codesBelow: Number(g.capacityBelow),
    /** Of the layer itself on rounded embeddings: it says "equal" for every pair with equal codes. */
    wrongBelow: says - codes.length,
    /** Of any readout of these embeddings, and of any embeddings. */
    bestReadoutBelow: Number(leastWrongPairs(codes, codes)),
    leastWrongBelow: Number(below.leastWrong),
    collision: below.collision!.symbols.map((s) => s[0]!),
  };
}

function accumulatorRow(p: number, seed: number) {
  const d = gamma(p, 1, { kind: "accumulator" }).leastDimension.free;
  const g = gamma(p, d, { kind: "accumulator" });
  const rows = Number(g.rows);
  const { pairs, wrong } = verifyGamma(g, rows ** 2 > ALL_PAIRS ? { samples: SAMPLES, seed } : {});
  const most = maximum(p - 1);
  const update = (state: State, token: Step): State => ({
    numerator: state.numerator.map((n, j) => (j === token.axis ? clamp(n + token.sign, most) : n)),
    denominator: clamp(state.denominator + 2 ** (p - 2), most),
  });
  const certificate =
    rows <= 2 ** 16 ? certify({ update }, { p, d, kind: "accumulator", positions: "free" }) : undefined;
  // The layer on counters that saturate at p − 1 bits says "equal" where every counter ends at 0; it is right to say so for u = −v only, and with
  // |u_j| ≤ 2^(p−1) − 1 it does.
  const says = zeroPerAxis(p) ** d;
  const right = (2 * most + 1) ** d;
  return {
    p,
    d,
    rows,
    pairs,
    sampled: pairs < rows ** 2,
    wrong,
    states: Number(g.statesBelow),
    wrongBelow: says - right + (rows - right),
    leastWrongBelow: Number(g.leastWrongBelow),
    collision:
      certificate?.collision === undefined
        ? null
        : certificate.collision.counts.map((u) =>
            canonicalString(u)
              .map((t) => `${t.sign > 0 ? "+" : "-"}${t.axis + 1}`)
              .join(" "),
          ),
  };
}

/** Pairs of one axis' counts (u, v) after which a saturating counter of p − 1 bits, fed with u and then v, stands at 0. */
function zeroPerAxis(p: number): number {
  const most = maximum(p - 1);
  let zero = 0;
  for (let u = -maximum(p); u <= maximum(p); u++) {
    for (let v = -maximum(p); v <= maximum(p); v++) if (clamp(clamp(u, most) + v, most) === 0) zero++;
  }
  return zero;
}
