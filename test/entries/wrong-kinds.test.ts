// Every function that an entry of the package exports, found by looking at the modules: whatever is passed in the place of an argument, of the first element of a list or of a field of an
// object, the answer is a result or a sentence of ours, never an engine's own error.
import { beforeAll, describe, expect, it } from "vitest";
import * as advise from "../../src/entries/advise.ts";
import * as attention from "../../src/entries/attention.ts";
import * as fixedPoint from "../../src/entries/fixed-point.ts";
import * as index from "../../src/entries/index.ts";
import * as quantize from "../../src/entries/quantize.ts";
import * as receipts from "../../src/entries/receipt.ts";
import * as regimes from "../../src/entries/regimes.ts";
import * as series from "../../src/entries/series.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "../graph/build.ts";
import { bareError } from "../support/bare-errors.ts";
import { WRONG_KINDS } from "../support/wrong-kinds.ts";

/** Not ort, transformers and workerd: they hand on what index has, under the names and in the kinds that others have given them. */
const ENTRIES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  index,
  series,
  "fixed-point": fixedPoint,
  regimes,
  attention,
  receipt: receipts,
  quantize,
  advise,
};

const graph = build({ x: [1, 2] }, { w: f32([2, 2]) }, [["MatMul", ["x", "w"], ["y"]]], ["y"]);
const onnx = writeOnnx(graph);
const attending = writeOnnx(
  build(
    { q: [2, 2], k: [2, 2], v: [2, 2] },
    {},
    [
      ["MatMul", ["q", "k"], ["s"]],
      ["Softmax", ["s"], ["a"]],
      ["MatMul", ["a", "v"], ["y"]],
    ],
    ["y"],
  ),
);
const keys = { q: f32([2, 2], [1, 2, 3, 4]), k: f32([2, 2], [1, 2, 3, 5]), v: f32([2, 2], [1, 0, 0, 1]) };
const tensor = f32([2, 2], [1, 2, 3, 4]);
const fixed = fixedPoint.createNetwork({
  ...{ p: 3, s: 1, activation: "relu" },
  layers: [{ inputs: 1, outputs: 1, weights: [1], biases: [0] }],
});
const dyadic = regimes.denseNetwork([
  { weights: [["1"], ["-1/4"]], bias: ["0", "0"] },
  { weights: [["1", "1/2"]], bias: ["0"] },
]);
const point = { numerators: [1n], denominator: 2n };

/** Arguments that each function takes. */
type Valid = Readonly<Record<string, readonly unknown[]>>;

async function validArguments(): Promise<Valid> {
  const { bytes: container } = await quantize.quantize(onnx);
  const session = await index.InferenceSession.create(onnx);
  const feeds = { x: f32([1, 2], [1, 2]) };
  const outputs = (await session.run(feeds)) as Record<string, index.Tensor>;
  const receipt = await receipts.receipt(session, feeds, outputs, onnx);
  const expansion = await series.expand(tensor, { bits: 4, terms: 2 });
  const [model] = series.basisModels(container);
  const [layer] = [...model!.layers.values()];
  const gamma = attention.gamma(2, 1);
  return {
    "index.InferenceSession.create": [
      onnx,
      { preset: "float32", build: "scalar", limits: { bytes: 2 ** 30, macs: 1e9 } },
    ],
    "index.InferenceSession.run": [feeds, {}],
    "index.Tensor": ["float32", [1, 2], [2]],
    "series.basisModels": [container],
    "series.Accumulator": [[2], Int32Array.of(1, 2)],
    "series.Accumulator.zero": [[2]],
    "series.Accumulator.add": [series.Accumulator.zero([2])],
    "series.Accumulator.shift": [3],
    "series.Accumulator.equals": [series.Accumulator.zero([2])],
    "series.BasisModel": [new Map()],
    "series.BasisModel.terms": [new Map([["a", { series: expansion }]])],
    "series.Rational": [1n, 2n],
    "series.Rational.of": [0.5],
    "series.abelianAdd": [model, model],
    "series.abelianMul": [model, new Map()],
    "series.accumulatorBits": [{ weights: expansion, activationWidth: 12 }],
    "series.checkPlan": [{ version: 1, default: { bits: 4, weightTerms: 1, activationTerms: 1 }, layers: {} }],
    "series.dequantize": [expansion],
    "series.expand": [tensor, { bits: 4, terms: 2, digits: "signed", axis: 0, outliers: "auto" }],
    "series.fuse": [expansion, 1],
    "series.fusedProducts": [[[1, 1]], 2, 2],
    "series.joinDigits": [[1, 2], 4, "signed"],
    "series.pairs": [{ weightTerms: 2, activationTerms: 2 }],
    "series.plan": [onnx, { target: { bytes: 1e6 } }],
    "series.planFor": ["fast", []],
    "series.publishedRecurrence": [0.5, 0.1, 4, 2],
    "series.scalesOf": [layer],
    "series.splitDigits": [7, 4, 2, "signed"],
    "fixed-point.activationTable": ["relu", 3, 1],
    "fixed-point.analyze": ["relu", 3, 1],
    "fixed-point.createNetwork": [
      { p: 3, s: 1, activation: "relu", layers: [{ inputs: 1, outputs: 1, weights: [1], biases: [0] }] },
    ],
    "fixed-point.evaluate": [fixed, [1]],
    "fixed-point.exportFixedPoint": [fixed],
    "fixed-point.fitFormats": [onnx, { samples: [feeds], formats: "one", agreement: 0.9, maxP: 3 }],
    "fixed-point.fixedPointGraph": [fixed],
    "fixed-point.networkFromJson": [fixedPoint.networkToJson(fixed)],
    "fixed-point.networkSize": [fixed],
    "fixed-point.networkToJson": [fixed],
    "fixed-point.roundOff": [fixed, [[1]], { formats: [[3, 1]] }],
    "fixed-point.sets": ["relu", 3, 1],
    "fixed-point.synthesize": [(x: number) => x, { p: 3, s: 1, d: 1, activation: "relu" }],
    "fixed-point.universalityMap": ["relu", { maxP: 2, maxS: 3 }],
    "fixed-point.verify": [fixed, (x: number) => x],
    "regimes.approximate": [(x: number) => x, { lipschitz: 1, error: 0.25 }],
    "regimes.approximatePlane": [(x: number, y: number) => (x + y) / 2, { lipschitz: 1, error: 0.25 }],
    "regimes.containerNetwork": [container, {}],
    "regimes.denseJson": [dyadic],
    "regimes.denseNetwork": [[{ weights: [["1"]], bias: ["0"] }]],
    "regimes.evaluate": [dyadic, [{ numerator: 1n, exponent: 1 }]],
    "regimes.evaluatePoints": [dyadic, [BigInt64Array.of(1n)], 1],
    "regimes.evaluateRational": [dyadic, point],
    "regimes.evaluateSliced": [regimes.sliceNetwork(dyadic, 2), point],
    "regimes.lowerOnnx": [regimes.networkToOnnx(dyadic), { bits: 1 }],
    "regimes.lowerPrecision": [dyadic, 1, {}],
    "regimes.networkFromJson": [regimes.networkToJson(dyadic)],
    "regimes.networkSize": [dyadic],
    "regimes.networkToJson": [dyadic],
    "regimes.networkToOnnx": [dyadic],
    "regimes.regime": [{ widths: [1, 2, 1], a: 1, b: 2 }],
    "regimes.regimeCurve": [[1, 2, 1], 1, [1, 2]],
    "regimes.regimeOfOnnx": [onnx, {}],
    "regimes.reluNetwork": [onnx, {}],
    "regimes.roundNetwork": [dyadic, 2],
    "regimes.sliceNetwork": [dyadic, 2],
    "regimes.unitGrid": [2],
    "attention.audit": [onnx, { bits: [4] }],
    "attention.bestCount": [2, 1],
    "attention.canonicalString": [[1, -1]],
    "attention.certify": [{ embedding: attention.tightEmbedding(2) }, { p: 2, d: 1 }],
    "attention.equalitySensitivity": [Float32Array.of(1, 2), [2, 1], {}],
    "attention.exhaustAutomata": [1],
    "attention.findAttention": [graph],
    "attention.gamma": [2, 1, {}],
    "attention.gammaOnnx": [2, 1, {}],
    "attention.gammaTokens": [2, 1, [[0, 0]]],
    "attention.leastWrongPairs": [
      [0, 1],
      [0, 0],
    ],
    "attention.measureAgreement": [attending, { samples: [keys], bits: [4], scope: "scores" }],
    "attention.paddedString": [[1, -1], 2],
    "attention.retrievalCapacity": [1],
    "attention.tightEmbedding": [2],
    "attention.verifyGamma": [gamma, {}],
    "receipt.parseReceipt": [receipts.receiptText(receipt)],
    "receipt.receipt": [session, feeds, outputs, onnx],
    "receipt.receiptText": [receipt],
    "receipt.verify": [receipt, onnx, feeds, outputs, {}],
    "advise.advise": [onnx, { target: { error: 0.5 }, samples: [feeds] }],
    "quantize.compare": [onnx, [feeds], { presets: ["fast"] }],
    "quantize.exportOnnx": [container, {}],
    "quantize.exportProgram": [container, {}],
    "quantize.inspect": [onnx, {}],
    "quantize.quantize": [onnx, { preset: "fast" }],
  };
}

const PACE = ["signal", "onProgress"];
const BESIDE = ["externalData", ...PACE];

/** Options that a call above leaves out, by function: they belong to its last argument, or to one after it. */
const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  "index.InferenceSession.create": [
    ...["plan", "check", "terms", "numThreads", "shards", "wasm", "progressive", "freeDimensionOverrides", ...BESIDE],
    ...["executionProviders", "intraOpNumThreads"],
  ],
  "series.plan": ["samples", "inputRange", "synth", ...BESIDE],
  "fixed-point.fitFormats": ["inputRange", ...BESIDE],
  "fixed-point.roundOff": PACE,
  "fixed-point.synthesize": ["weights", ...PACE],
  "fixed-point.verify": PACE,
  "regimes.approximate": ["exponent", "budgetBits", "style", "memory", ...PACE],
  "regimes.approximatePlane": ["budgetBits", ...PACE],
  "regimes.containerNetwork": ["limit", "shape"],
  "regimes.lowerOnnx": ["round", "form", "recoding", "externalData", "shape"],
  "regimes.lowerPrecision": ["magnitude", "recoding", "nonNegativeInputs", "rescale"],
  "regimes.regimeOfOnnx": ["bits", "externalData", "shape"],
  "regimes.reluNetwork": ["externalData", "shape", "limit"],
  "attention.audit": ["samples", "shapes", "generate", "seed", "preset", ...BESIDE],
  "attention.certify": ["kind", "positions"],
  "attention.equalitySensitivity": [
    ...["queries", "targets", "mask", "bits", "granularity", "score", "retrieval", "scale", ...PACE],
  ],
  "attention.gamma": ["kind", "positions"],
  "attention.gammaOnnx": ["embeddingBits"],
  "attention.measureAgreement": ["signal"],
  "attention.verifyGamma": PACE,
  "receipt.verify": PACE,
  "advise.advise": ["inputRange", "synth", ...BESIDE],
  "quantize.compare": ["plans", "containers", "limits", ...BESIDE],
  "quantize.exportOnnx": ["as"],
  "quantize.inspect": ["externalData"],
  "quantize.quantize": ["plan", "target", "check", "synth", "inputRange", "samples", "limits", ...BESIDE],
};

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** Every way to put a value of a wrong kind into a list of arguments: for an argument, for the first element of one, for a field of one, for an option that it leaves out. */
function* spoiled(
  valid: readonly unknown[],
  options: readonly string[] = [],
): Generator<readonly [what: string, given: readonly unknown[]]> {
  for (const [i, argument] of valid.entries()) {
    for (const [kind, value] of [...WRONG_KINDS, ["nothing", undefined] as const]) {
      yield [`argument ${i} is ${kind}`, replaced(valid, i, value)];
      if (Array.isArray(argument))
        yield [`argument ${i} begins with ${kind}`, replaced(valid, i, [value, ...argument.slice(1)])];
      if (!isPlain(argument)) continue;
      for (const name of Object.keys(argument))
        yield [`"${name}" of argument ${i} is ${kind}`, replaced(valid, i, { ...argument, [name]: value })];
    }
  }
  const last = isPlain(valid.at(-1)) ? valid.length - 1 : valid.length;
  for (const name of options)
    for (const [kind, value] of WRONG_KINDS)
      yield [
        `the option "${name}" is ${kind}`,
        replaced([...valid, {}], last, { ...(valid[last] ?? {}), [name]: value }),
      ];
}

const replaced = (list: readonly unknown[], i: number, value: unknown): unknown[] =>
  list.map((one, k) => (k === i ? value : one));

/** What an entry exports that can be called: functions, constructors and the functions that classes have. */
const NAMES = Object.entries(ENTRIES).flatMap(([entry, exported]) =>
  Object.entries(exported).flatMap(([name, value]) => {
    if (typeof value !== "function") return [];
    if (!String(value).startsWith("class")) return value.length > 0 ? [`${entry}.${name}`] : [];
    const own = Object.getOwnPropertyNames(value).filter((key) => typeof Reflect.get(value, key) === "function");
    return [`${entry}.${name}`, ...own.filter((key) => key !== "prototype").map((key) => `${entry}.${name}.${key}`)];
  }),
);

/** Made by the library and by nobody else. */
const OURS = [
  "index.BitbasisError",
  "index.InferenceSession",
  "index.SessionState",
  "series.Rational",
  "series.Rational.lowest",
];

function callable(name: string): (...given: readonly unknown[]) => unknown {
  const [entry = "", own = "", key] = name.split(".");
  const value = ENTRIES[entry]![own] as new (...given: readonly unknown[]) => object;
  if (key !== undefined)
    return (...given) => (Reflect.get(value, key) as (...all: unknown[]) => unknown).apply(value, [...given]);
  if (String(value).startsWith("class")) return (...given) => new value(...given);
  return value as unknown as (...given: readonly unknown[]) => unknown;
}

let valid: Valid;
beforeAll(async () => {
  valid = await validArguments();
});

describe.each(NAMES.filter((name) => !OURS.includes(name)))("%s", (name) => {
  it("answers, or says what it expects", { timeout: 60_000 }, async () => {
    const given = valid[name];
    expect(given, "has no arguments in this test").toBeDefined();
    const call = callable(name);
    await call(...given!);
    const bare: string[] = [];
    for (const [what, wrong] of spoiled(given!, LEFT_OUT[name])) {
      try {
        const made = await call(...wrong);
        if (made instanceof index.InferenceSession) await made.release();
      } catch (error) {
        const why = bareError(error);
        if (why !== undefined) bare.push(`${what}: ${why}`);
      }
    }
    expect(bare).toEqual([]);
  });
});
