import { describe, expect, test } from "vitest";
import {
  COMPACT_LARGEST_ERROR,
  COMPACT_LAST_OUTLIERS,
  COMPACT_SMALL_SHARE,
  checkPlan,
  type LinearLayer,
  type Preset,
  planFor,
} from "../../src/series/index.ts";

const layers: LinearLayer[] = [
  { node: "stem", kind: "first", oneTermError: 0.05 },
  { node: "dw", kind: "depthwise", oneTermError: COMPACT_LARGEST_ERROR * 1.01 },
  { node: "pw", kind: "other", oneTermError: COMPACT_LARGEST_ERROR },
  { node: "rough", kind: "other", oneTermError: 0.5 },
  { node: "beside", kind: "separable", oneTermError: 0.05 },
  { node: "qk", kind: "product" },
  { node: "__proto__", kind: "depthwise", oneTermError: 0 },
];

describe("presets", () => {
  test.each<[Preset, [number, number], Record<string, [number, number]>]>([
    ["float32", [0, 0], {}],
    ["faithful", [3, 3], { stem: [3, 4], dw: [4, 3], ["__proto__"]: [4, 3] }],
    ["fast", [2, 2], { stem: [3, 3], dw: [3, 2], ["__proto__"]: [3, 2] }],
    ["compact", [1, 2], { stem: [2, 3], dw: [3, 2], rough: [2, 2], beside: [2, 2], ["__proto__"]: [2, 2] }],
  ])("%s", (preset, [weightTerms, activationTerms], more) => {
    const plan = planFor(preset, layers);
    checkPlan(plan);
    expect(plan.default).toEqual({ bits: 4, weightTerms, activationTerms });
    const deviations = Object.entries(plan.layers ?? {}).map(([name, layer]) => [
      name,
      [layer.weightTerms, layer.activationTerms],
    ]);
    expect(deviations).toEqual(Object.entries(more));
    for (const layer of Object.values(plan.layers ?? {}))
      expect(layer.reason).toMatch(/first layer|depthwise|relative/);
  });

  test.each<[string, Partial<LinearLayer>, Record<string, unknown> | undefined]>([
    ["small", { share: COMPACT_SMALL_SHARE * 0.99 }, { weightTerms: 2, reason: "only 0.99 % of the weights" }],
    ["not small", { share: COMPACT_SMALL_SHARE }, undefined],
    ["last", { share: 0.5, last: true }, { weightTerms: 1, outliers: COMPACT_LAST_OUTLIERS }],
    ["last and small", { share: 0.001, last: true }, { weightTerms: 2 }],
    ["last and rough", { oneTermError: 0.5, last: true }, { weightTerms: 2 }],
    ["first, last and small", { kind: "first", share: 0.001, last: true }, { weightTerms: 2, activationTerms: 3 }],
    ["depthwise and small", { kind: "depthwise", share: 0.001 }, { weightTerms: 2 }],
    ["a last product", { kind: "product", last: true }, undefined],
  ])("compact: a layer that is %s", (_, more, expected) => {
    const plan = planFor("compact", [{ node: "n", kind: "other", oneTermError: 0.1, ...more }]);
    checkPlan(plan);
    if (expected === undefined) expect(plan.layers).toBeUndefined();
    else {
      expect(plan.layers?.["n"]).toMatchObject(expected);
      expect(plan.layers?.["n"]?.outliers).toBe(expected["outliers"]);
    }
  });

  test.each<Preset>(["faithful", "fast"])("%s does not look at size or place", (preset) => {
    expect(planFor(preset, [{ node: "n", kind: "other", share: 0.001, last: true }]).layers).toBeUndefined();
  });

  test("an unknown preset is refused", () => {
    expect(() => planFor("tiny" as Preset, [])).toThrow(
      '"preset" expected one of float32, faithful, fast, compact, got "tiny"',
    );
  });
});

describe("checkPlan", () => {
  const layer = { bits: 4, weightTerms: 2, activationTerms: 2 };
  test("takes what it should", () => {
    checkPlan({
      version: 1,
      default: layer,
      layers: { a: { ...layer, digits: "odd", granularity: "tensor", outliers: 0.01, pairs: "all", reason: "r" } },
    });
    checkPlan({ version: 1, default: { ...layer, activationTerms: 0 } });
    checkPlan({ version: 1, default: { ...layer, weightTerms: 0, granularity: { group: 32 } } });
    checkPlan({ version: 1, default: { ...layer, pairs: { upTo: 3 } } });
    checkPlan({
      version: 1,
      default: {
        ...layer,
        pairs: [
          [1, 1],
          [1, 2],
        ] as const,
      },
    });
    checkPlan({ version: 1, default: { ...layer, digits: "mixed", pairs: { upTo: 4 } } });
    checkPlan({ version: 1, default: { bits: 8, weightTerms: 2, activationTerms: 2 } });
    checkPlan({ version: 1, default: { bits: 4, weightTerms: 0, activationTerms: 0 } });
  });

  test.each<[unknown, string]>([
    [null, '"plan" expected an object, got null'],
    [[], '"plan" expected an object'],
    [{ default: layer }, '"plan.version" expected 1, got nothing'],
    [{ version: 2, default: layer }, '"plan.version" expected 1, got 2'],
    [{ version: 1, default: layer, layer: {} }, 'got "layer"'],
    [{ version: 1 }, '"plan.default" expected an object'],
    [{ version: 1, default: { ...layer, bits: 9 } }, '"plan.default.bits" expected integer in 2..8, got 9'],
    [{ version: 1, default: { ...layer, bits: "4" } }, '"plan.default.bits" expected integer in 2..8, got "4"'],
    [
      { version: 1, default: { ...layer, weightTerms: 5 } },
      '"plan.default.weightTerms" expected integer in 0..4, got 5',
    ],
    [{ version: 1, default: { ...layer, weigthTerms: 1 } }, 'got "weigthTerms"'],
    [{ version: 1, default: { ...layer, digits: "ternary" } }, '"digits" expected one of signed, odd, mixed, unsigned'],
    [{ version: 1, default: { ...layer, weightTerms: 4, digits: "unsigned" } }, '"terms" expected integer in 1..3'],
    [{ version: 1, default: { ...layer, granularity: { group: 0 } } }, 'granularity.group" expected integer in 1..'],
    [{ version: 1, default: { ...layer, granularity: { groups: 8 } } }, 'got {"groups":8}'],
    [{ version: 1, default: { ...layer, granularity: "row" } }, 'expected "channel", "tensor" or { group }, got "row"'],
    [{ version: 1, default: { ...layer, outliers: 2 } }, '"plan.default.outliers" expected number in 0..1, got 2'],
    [{ version: 1, default: { ...layer, outliers: 0.1, digits: "unsigned" } }, "expected 0 with unsigned digits"],
    [{ version: 1, default: { ...layer, pairs: { upTo: 1 } } }, '"plan.default.pairs.upTo" expected integer in 2..'],
    [{ version: 1, default: { ...layer, pairs: { order: 3 } } }, 'expected "all", { upTo } or a list of pairs'],
    [{ version: 1, default: { ...layer, pairs: [] } }, "expected at least one pair of the layer's terms, got none"],
    [{ version: 1, default: { ...layer, pairs: [[3, 1]] } }, 'a weight term" expected integer in 1..2, got 3'],
    [{ version: 1, default: { ...layer, pairs: [[1, 3]] } }, 'an activation term" expected integer in 1..2, got 3'],
    [{ version: 1, default: { ...layer, pairs: [[1]] } }, "expected pairs [weight term, activation term], got [1]"],
    [{ version: 1, default: { ...layer, pairs: { upTo: 3 }, digits: "mixed" } }, "whose cut series are biased"],
    [{ version: 1, default: layer, layers: 7 }, '"plan.layers" expected an object, got number'],
    [{ version: 1, default: layer, layers: { conv: null } }, '"plan.layers["conv"]" expected an object, got null'],
    [{ version: 1, default: layer, layers: { conv: { ...layer, bits: 1 } } }, '"plan.layers["conv"].bits" expected'],
  ])("%j is refused", (plan, message) => {
    expect(() => checkPlan(plan)).toThrow(message);
  });
});
