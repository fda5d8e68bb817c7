import { describe, expect, test } from "vitest";
import {
  checkPlan,
  type LinearLayer,
  type Preset,
  planFor,
  SMALL_SHARE,
  SMALL_SHARES,
} from "../../src/series/index.ts";

const PLAIN: LinearLayer[] = [
  { node: "stem", kind: "first" },
  { node: "body", kind: "other" },
  { node: "qk", kind: "product" },
  { node: "__proto__", kind: "other", share: SMALL_SHARE / 2 },
  { node: "int8", kind: "other", grid: 8 },
  { node: "int4", kind: "other", grid: 4 },
  { node: "mel", kind: "other", frontEnd: true, last: true },
  { node: "gated", kind: "other", centred: true },
  { node: "head", kind: "other", last: true },
];
const DEPTHWISE: LinearLayer[] = [
  { node: "stem", kind: "first" },
  { node: "dw", kind: "depthwise" },
  { node: "pw", kind: "separable" },
  { node: "body", kind: "other" },
  { node: "head", kind: "other", last: true },
];

/** Bits of weights and activations of each layer, and how its rows are rounded. */
function widths(preset: Preset, layers: readonly LinearLayer[]): Record<string, string> {
  const plan = planFor(preset, layers);
  checkPlan(plan);
  const named = new Map(Object.entries(plan.layers ?? {}));
  return Object.fromEntries(
    layers.map(({ node }) => {
      const layer = named.get(node) ?? plan.default;
      const { bits, weightTerms, activationTerms, weightBits = bits * weightTerms } = layer;
      const { activationBits = bits * activationTerms, rounding = "" } = layer;
      return [node, `${weightBits}x${activationBits} ${rounding}`.trim()];
    }),
  );
}

describe("presets", () => {
  test("float32 leaves everything as it is", () => {
    expect(planFor("float32", PLAIN)).toEqual({
      version: 1,
      default: { bits: 4, weightTerms: 0, activationTerms: 0 },
    });
  });

  test.each<[Preset, Record<string, string>]>([
    [
      "faithful",
      {
        ...{ stem: "16x16 squant", body: "13x16 squant", qk: "0x0", ["__proto__"]: "14x16 squant" },
        ...{ int8: "8x16 squant", int4: "4x16 squant", mel: "0x0", gated: "13x16", head: "16x16 squant" },
      },
    ],
    [
      "fast",
      {
        ...{ stem: "8x12 squant", body: "7x8 squant", qk: "8x8", ["__proto__"]: "7x8 squant" },
        ...{ int8: "8x12 squant", int4: "4x8 squant", mel: "0x0", gated: "7x8", head: "7x8 squant" },
      },
    ],
    [
      "compact",
      {
        ...{ stem: "8x12 squant", body: "4x8 squant", qk: "8x8", ["__proto__"]: "8x12 squant" },
        ...{ int8: "4x8 squant", int4: "4x8 squant", mel: "0x0", gated: "4x8", head: "7x8 squant" },
      },
    ],
  ])("%s", (preset, expected) => {
    const own = Object.fromEntries(Object.entries(expected));
    expect(widths(preset, PLAIN)).toEqual(own);
    const { layers = {} } = planFor(preset, PLAIN);
    for (const layer of Object.values(layers)) expect(layer.reason).not.toBe("");
    expect(layers["mel"]!.reason).toMatch(/^float32: /);
    expect(layers["int8"]?.reason ?? "grid").toMatch(/grid/);
  });

  test.each<[Preset, string[]]>([
    ["faithful", ["16x16 squant", "0x0", "16x16 squant", "16x16 squant", "16x16 squant"]],
    ["fast", ["8x12 squant", "8x12 squant", "7x8 squant", "7x8 squant", "7x8 squant"]],
    ["compact", ["8x12 squant", "8x12 squant", "8x12 squant", "5x8 squant", "8x12 squant"]],
  ])("%s, in a network with depthwise layers", (preset, expected) => {
    expect(Object.values(widths(preset, DEPTHWISE))).toEqual(expected);
  });

  test("faithful keeps depthwise weights as they are, but for those that a few bits hold exactly", () => {
    const layers = [...DEPTHWISE, { node: "grid", kind: "depthwise", grid: 8 } as const];
    expect(widths("faithful", layers)).toMatchObject({ dw: "0x0", grid: "8x0 squant" });
    expect(planFor("faithful", layers).layers!["dw"]!.reason).toMatch(/^float32: depthwise/);
    expect(widths("fast", layers)).toMatchObject({ dw: "8x12 squant" });
  });

  test("faithful gives layers with few of the weights a bit more", () => {
    const layers: LinearLayer[] = [0.3, 0.04, 0.039].map((share, i) => ({ node: `${i}`, kind: "other", share }));
    expect(Object.values(widths("faithful", layers))).toEqual(["13x16 squant", "13x16 squant", "14x16 squant"]);
  });

  test("compact gives eight bits to the smallest layers, not to all those of a deep network", () => {
    const shares = Array.from({ length: 200 }, (_, i) => ({ share: i % 2 === 0 ? 0.008 : 0.002 }));
    const layers = shares.map(({ share }, i): LinearLayer => ({ node: `n${i}`, kind: "other", share }));
    const wide = Object.entries(widths("compact", layers)).filter(([, bits]) => bits === "8x12 squant");
    const together = wide.reduce((sum, [node]) => sum + shares[Number(node.slice(1))]!.share, 0);
    expect(together).toBeLessThanOrEqual(SMALL_SHARES);
    expect(together).toBeGreaterThan(SMALL_SHARES - SMALL_SHARE);
    expect(wide.every(([node]) => Number(node.slice(1)) % 2 === 1)).toBe(true);
  });

  test.each<[string, Partial<LinearLayer>, string]>([
    ["short sums", { shape: { depth: 32, uses: 256 } }, "13x0 squant"],
    ["long sums", { shape: { depth: 256, uses: 256 } }, "13x16 squant"],
    ["long sums of few outputs", { shape: { depth: 256, uses: 16 } }, "13x0 squant"],
    ["few outputs of many positions", { shape: { depth: 256, uses: 16 * 9 } }, "13x16 squant"],
    ["sums of 13 bits", { shape: { depth: 128, uses: 256 } }, "13x16 squant"],
    ["sums of 16 bits", { kind: "first", shape: { depth: 128, uses: 256 } }, "16x0 squant"],
    ["long sums of 16 bits", { kind: "first", shape: { depth: 512, uses: 256 } }, "16x16 squant"],
    ["16 bits of which a grid has 8", { kind: "first", grid: 8, shape: { depth: 128, uses: 256 } }, "8x16 squant"],
    ["short sums within int32", { kind: "first", grid: 8, shape: { depth: 16, uses: 96 } }, "8x16 squant"],
    [
      "short sums within int32, too few of them",
      { kind: "first", grid: 8, shape: { depth: 16, uses: 8 } },
      "8x0 squant",
    ],
    ["the longest sums within int32", { kind: "first", grid: 8, shape: { depth: 256, uses: 16 } }, "8x16 squant"],
    ["sums that may leave int32", { kind: "first", grid: 8, shape: { depth: 257, uses: 16 } }, "8x0 squant"],
  ])("faithful rounds activations only where integers are faster: %s", (_, parts, expected) => {
    const layer: LinearLayer = { node: "a", kind: "other", ...parts };
    expect(widths("faithful", [layer])).toEqual({ a: expected });
    if (expected.includes("x0")) expect(planFor("faithful", [layer]).layers!["a"]!.reason).toMatch(/slower/);
    expect(widths("fast", [layer])["a"]).toMatch(/x(8|12) /);
  });

  test("tables have bits of their own", () => {
    const bits = (["float32", "faithful", "fast", "compact"] as const).map((preset) => planFor(preset, []).tables);
    expect(bits).toEqual([undefined, 13, 8, 6]);
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
    const wide = { ...layer, weightBits: 7, activationBits: 6, rounding: "squant", zeroPoint: true };
    checkPlan({ version: 2, default: layer, tables: 6, layers: { a: wide } });
  });

  test.each<[unknown, string]>([
    [null, '"plan" expected an object, got null'],
    [[], '"plan" expected an object'],
    [{ default: layer }, '"plan.version" expected 1 or 2, got nothing'],
    [{ version: 3, default: layer }, '"plan.version" expected 1 or 2, got 3'],
    [{ version: 2, default: layer, tables: 2 }, '"plan.tables" expected integer in 3..16, got 2'],
    [
      { version: 2, default: { ...layer, weightBits: 9 } },
      '"plan.default.weightBits" of 9 expected 3 terms of 4 bits, got 2',
    ],
    [
      { version: 2, default: { ...layer, weightBits: 2 } },
      '"plan.default.weightBits" expected integer in 3..16, got 2',
    ],
    [{ version: 2, default: { ...layer, activationBits: 4 } }, "of 4 expected 1 terms of 4 bits, got 2"],
    [
      { version: 2, default: { ...layer, rounding: "up" } },
      'rounding" expected "nearest", "squant" or "fitted", got "up"',
    ],
    [{ version: 2, default: { ...layer, zeroPoint: 1 } }, 'zeroPoint" expected a boolean, got number'],
    [{ version: 2, default: { ...layer, zeroPoint: true, digits: "odd" } }, 'expected no "digits" beside weightBits'],
    [{ version: 1, default: layer, layer: {} }, 'got "layer"'],
    [{ version: 1 }, '"plan.default" expected an object'],
    [{ version: 1, default: { ...layer, bits: 9 } }, '"plan.default.bits" expected integer in 2..8, got 9'],
    [{ version: 1, default: { ...layer, bits: "4" } }, '"plan.default.bits" expected integer in 2..8, got "4"'],
    [
      { version: 1, default: { ...layer, weightTerms: 9 } },
      '"plan.default.weightTerms" expected integer in 0..8, got 9',
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
