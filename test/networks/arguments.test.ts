// Arguments and options of the entries series, fixed-point, regimes and attention: everything of a wrong kind is answered by a sentence that names it.
import { describe, expect, it } from "vitest";
import * as attention from "../../src/entries/attention.ts";
import * as fixedPoint from "../../src/entries/fixed-point.ts";
import * as regimes from "../../src/entries/regimes.ts";
import * as series from "../../src/entries/series.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "../graph/build.ts";
import { WRONG_KINDS } from "../support/wrong-kinds.ts";

const onnx = writeOnnx(build({ x: [1, 2] }, { w: f32([2, 2]) }, [["MatMul", ["x", "w"], ["y"]]], ["y"]));
const tensor = f32([2, 2]);
const layer = { inputs: 1, outputs: 1, weights: [1], biases: [0] };
const fixed = fixedPoint.createNetwork({ p: 3, s: 1, activation: "relu", layers: [layer] });
const dyadic = regimes.denseNetwork([
  { weights: [["1"], ["-1/4"]], bias: ["0", "0"] },
  { weights: [["1", "1/2"]], bias: ["0"] },
]);
const gamma = attention.gamma(2, 1);
const synthesis = { p: 3, s: 1, d: 1, activation: "relu" };
const identity = (x: number): number => x;
const plane = (x: number, y: number): number => (x + y) / 2;

type Call = (value: never) => unknown;
/** The argument that a call passes on, as messages name it, and the kinds that make sense in its place. */
type Row = readonly [name: string, argument: string, call: Call, taken?: readonly string[]];

/** An object of options may be empty, so far as its kind is concerned. */
const OPTIONS = ["an object"];
const PACE = (name: string, call: (options: never) => unknown): Row[] => [
  [name, "options", call, OPTIONS],
  [name, "signal", (signal) => call({ signal } as never)],
  [name, "onProgress", (onProgress) => call({ onProgress } as never), ["a function"]],
];

const LISTS: Row[] = [
  ["series.plan", "model", (v) => series.plan(v, { target: { bytes: 1 } }), ["a list"]],
  ["series.planFor", "layers", (v) => series.planFor("fast", v), ["a list"]],
  ["fixedPoint.roundOff", "samples", (v) => fixedPoint.roundOff(fixed as never, v, { formats: [] }), ["a list"]],
  ["attention.audit", "bits", (bits) => attention.audit(onnx, { bits }), ["a list"]],
  ["attention.audit", "samples", (samples) => attention.audit(onnx, { samples }), ["a list"]],
  ["attention.gammaTokens", "pairs", (v) => attention.gammaTokens(2, 1, v)],
  ["attention.canonicalString", "u", (v) => attention.canonicalString(v), ["a list"]],
  ["attention.paddedString", "u", (v) => attention.paddedString(v, 2), ["a list"]],
  ["regimes.evaluate", "x", (v) => regimes.evaluate(dyadic, v), ["a list"]],
  ["regimes.networkFromJson", "json", (v) => regimes.networkFromJson(v), ["a list"]],
  ["regimes.regimeOfOnnx", "shape", (shape) => regimes.regimeOfOnnx(onnx, { shape }), ["a list"]],
  ["regimes.reluNetwork", "shape", (shape) => regimes.reluNetwork(onnx, { shape }), ["a list"]],
];

const NETWORKS: Row[] = [
  ["fixedPoint.evaluate", "network", (v) => fixedPoint.evaluate(v, [1])],
  ["fixedPoint.networkToJson", "network", (v) => fixedPoint.networkToJson(v)],
  ["fixedPoint.networkSize", "network", (v) => fixedPoint.networkSize(v)],
  ["fixedPoint.exportFixedPoint", "network", (v) => fixedPoint.exportFixedPoint(v)],
  ["fixedPoint.verify", "network", (v) => fixedPoint.verify(v, identity)],
  ["fixedPoint.roundOff", "network", (v) => fixedPoint.roundOff(v, [[1]], { formats: [] })],
  ["regimes.evaluate", "network", (v) => regimes.evaluate(v, [])],
  ["regimes.evaluatePoints", "network", (v) => regimes.evaluatePoints(v, [new BigInt64Array(1)], 1)],
  ["regimes.networkSize", "network", (v) => regimes.networkSize(v)],
  ["regimes.networkToJson", "network", (v) => regimes.networkToJson(v)],
  ["regimes.networkToOnnx", "network", (v) => regimes.networkToOnnx(v)],
  ["regimes.denseJson", "network", (v) => regimes.denseJson(v)],
  ["regimes.roundNetwork", "network", (v) => regimes.roundNetwork(v, 2)],
  ["regimes.sliceNetwork", "network", (v) => regimes.sliceNetwork(v, 2)],
  ["regimes.lowerPrecision", "network", (v) => regimes.lowerPrecision(v, 1)],
  ["attention.findAttention", "graph", (v) => attention.findAttention(v)],
  ["series.abelianAdd", "a", (v) => series.abelianAdd(v, v)],
  ["series.abelianMul", "model", (v) => series.abelianMul(v, new Map())],
  ["series.abelianMul", "factors", (v) => series.abelianMul(new series.BasisModel(new Map()), v)],
  ["series.basisModels", "container", (v) => series.basisModels(v)],
];

const OF_OPTIONS: Row[] = [
  ["series.expand", "tensor", (v) => series.expand(v, { bits: 4, terms: 1 }), ["an object"]],
  ["series.expand", "options", (v) => series.expand(tensor, v), OPTIONS],
  ["series.plan", "options", (v) => series.plan([], v), OPTIONS],
  ["series.plan", "target", (target) => series.plan([], { target })],
  ["series.plan", "target.bytes", (bytes) => series.plan([], { target: { bytes } }), ["a huge number"]],
  ["series.plan", "options.bits", (bits) => series.plan([], { target: { bytes: 1 }, bits })],
  ["series.pairs", "options", (v) => series.pairs(v), OPTIONS],
  ["series.pairs", "bits", (bits) => series.pairs({ weightTerms: 2, activationTerms: 2, bits })],
  ["fixedPoint.createNetwork", "description", (v) => fixedPoint.createNetwork(v), OPTIONS],
  ["fixedPoint.universalityMap", "options", (v) => fixedPoint.universalityMap("relu", v), OPTIONS],
  ["fixedPoint.roundOff", "options", (v) => fixedPoint.roundOff(fixed as never, [[1]], v)],
  ["regimes.regime", "options", (v) => regimes.regime(v), OPTIONS],
  ["regimes.regimeOfOnnx", "options", (v) => regimes.regimeOfOnnx(onnx, v), OPTIONS],
  ["regimes.reluNetwork", "options", (v) => regimes.reluNetwork(onnx, v), OPTIONS],
  ["regimes.containerNetwork", "options", (v) => regimes.containerNetwork(onnx, v), OPTIONS],
  ["attention.gamma", "options", (v) => attention.gamma(2, 1, v), OPTIONS],
  ["attention.gammaOnnx", "options", (v) => attention.gammaOnnx(2, 1, v), OPTIONS],
  ["attention.verifyGamma", "g", (v) => attention.verifyGamma(v), ["an object"]],
  ["attention.verifyGamma", "options", (v) => attention.verifyGamma(gamma, v), OPTIONS],
  ["attention.certify", "model", (v) => attention.certify(v, { p: 2, d: 1 }), ["an object"]],
  ["attention.certify", "options", (v) => attention.certify({ embedding: [] } as never, v), OPTIONS],
  ["attention.measureAgreement", "options", (v) => attention.measureAgreement(onnx, v)],
  ...PACE("fixedPoint.verify", (v) => fixedPoint.verify(fixed, identity, v)),
  ...PACE("fixedPoint.synthesize", (v) =>
    fixedPoint.synthesize(identity, isObject(v) ? Object.assign({}, synthesis, v) : v),
  ),
  ...PACE("regimes.approximate", (v) => regimes.approximate(identity, v)),
  ...PACE("regimes.approximatePlane", (v) => regimes.approximatePlane(plane, v)),
  ...PACE("regimes.lowerPrecision", (v) => regimes.lowerPrecision(dyadic, 1, v)),
  ...PACE("attention.equalitySensitivity", (v) => attention.equalitySensitivity(Float32Array.of(1, 2), [2, 1], v)),
  ...PACE("attention.audit", (v) => attention.audit(onnx, v)),
];

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const ROWS = [...LISTS, ...NETWORKS, ...OF_OPTIONS].map(
  ([name, argument, call, taken = []]) => ({ name, argument, call, taken }) as const,
);

describe.each(ROWS)("$name: $argument", ({ argument, call, taken }) => {
  it.each(WRONG_KINDS.filter(([kind]) => !taken.includes(kind)))("is not %s", async (_kind, value) => {
    const error: unknown = await Promise.resolve()
      .then(() => call(value as never))
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    expect([TypeError, RangeError]).toContain((error as Error | undefined)?.constructor);
    expect((error as Error).message).toMatch(new RegExp(`^"${argument}[^"]*" expected`));
  });
});
