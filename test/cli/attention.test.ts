import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dump } from "npyjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const model = (name: string) => fileURLToPath(new URL(`../fixtures/models/${name}.onnx`, import.meta.url));

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bitbasis-attention-"));
  writeFileSync(at("keys.npy"), new Uint8Array(dump(Float32Array.of(1000, 160, 170), [3, 1])));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, "attention", ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

function json(...args: string[]) {
  const { status, stdout, stderr } = run(...args, "--json");
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

describe("bitbasis attention gamma", () => {
  it("verifies the instance and writes the layer", () => {
    const g = json("gamma", "--p", "2", "--pair=-3;2", "-o", at("layer.onnx"), "--embedding-bits", "1");
    expect(g).toMatchObject({ kind: "token", alphabet: "7", leastWrongBelow: "5", verified: { pairs: 49, wrong: 0 } });
    expect(g.trace).toMatchObject({ equal: false, hidden: [-3] });
    expect(readFileSync(at("layer.onnx")).length).toBeGreaterThan(500);
    expect(run("gamma", "--p", "3", "--d", "2", "--kind", "accumulator").stdout).toContain("0 wrong of 50625 pairs");
    expect(run("gamma", "--p", "16", "--d", "64").stdout).toContain("not verified here");
    expect(json("gamma", "--p", "8", "--samples", "100").verified).toEqual({ pairs: 100, wrong: 0 });
  });
});

describe("bitbasis attention certify", () => {
  it("finds collisions in models of both kinds", () => {
    writeFileSync(at("embedding.json"), JSON.stringify({ embedding: [-1, -1, -1, 0, 1, 1, 1].map((v) => [v]) }));
    expect(json("certify", at("embedding.json"), "--p", "2")).toMatchObject({
      leastWrong: "5",
      wrong: "6",
      collision: { first: 0, second: 1 },
    });
    expect(run("certify", at("embedding.json"), "--p", "2").stdout).toContain("5 of the 49 answers are wrong");
    const step = [
      { numerator: [1], denominator: 1 },
      { numerator: [-1], denominator: 1 },
    ];
    writeFileSync(at("free.json"), JSON.stringify({ update: [step] }));
    const free = ["certify", at("free.json"), "--p", "2", "--kind", "accumulator", "--positions", "free"];
    expect(run(...free).stdout).toContain(
      "After x = +e1 and x' = +e1 +e1 the state is the same; y = -e1 tells them apart.",
    );
    expect(run(...free).stdout).toContain("every model of its class (positions: free) at least 2.");
    writeFileSync(at("known.json"), JSON.stringify({ update: [step, step, step, step, step, step] }));
    const known = run("certify", at("known.json"), "--p", "2", "--kind", "accumulator").stdout;
    expect(known).toContain(
      "After x = +e1 -e1 +e1 and x' = +e1 +e1 +e1 the state is the same; y = -e1 +e1 -e1 tells them apart.",
    );
    expect(known).toContain("every model of its class (positions: known) at least 0.");
  });
});

describe("bitbasis attention sensitivity", () => {
  it("prints the curve, as text, JSON and SVG", () => {
    const s = json("sensitivity", at("keys.npy"), "--bits", "2..7", "--svg", at("curve.svg"));
    expect(s.rows.map((r: { lost: number }) => r.lost)).toEqual([1, 0, 1, 0, 1, 0]);
    expect(readFileSync(at("curve.svg"), "utf8")).toMatch(/^<svg/);
    expect(run("sensitivity", at("keys.npy")).stdout).toContain(
      "From 7 bits on no two different keys become equal; proved from 8 bits on.",
    );
    expect(run("sensitivity", at("keys.npy")).stdout).toBe(run("sensitivity", at("keys.npy")).stdout);
    expect(
      json("sensitivity", at("keys.npy"), "--score", "nearest", "--bits", "3,5").rows.map(
        (r: { retrieval: number }) => r.retrieval,
      ),
    ).toEqual([1, 1]);
  });

  it("streams keys from disk with the same figures", () => {
    const keys = Float32Array.from({ length: 20_000 * 3 }, (_, i) => Math.fround(Math.imul(i, 2654435761) / 2 ** 31));
    writeFileSync(at("many.npy"), new Uint8Array(dump(keys, [20_000, 3])));
    const streamed = json("sensitivity", at("many.npy"), "--stream", "--collisions-only");
    expect(streamed).toEqual(json("sensitivity", at("many.npy"), "--collisions-only"));
    expect(streamed.rows[0].lost).toBeGreaterThan(0);
    const queries = json("sensitivity", at("many.npy"), "--stream", "--queries", at("keys3.npy"), "--bits", "8").rows;
    expect(queries[0].retrieval).toBeGreaterThanOrEqual(0);
  });

  beforeAll(() => writeFileSync(at("keys3.npy"), new Uint8Array(dump(Float32Array.of(1, 2, 3), [1, 3]))));
});

describe("bitbasis attention audit", () => {
  it("prints a table per layer and head, as text, JSON and SVG", () => {
    const { stdout, status } = run("audit", model("fmnist_vit"), "--random", "1", "--svg", at("audit.svg"));
    expect(status).toBe(0);
    expect(stdout).toMatch(/16 heads in 4 attention blocks, on 1 generated sample: .*optimistic/);
    expect(stdout.split("\n").filter((line) => /^ +[0-3]\.[0-3] /.test(line))).toHaveLength(16);
    expect(readFileSync(at("audit.svg"), "utf8")).toMatch(/^<svg/);
    const audit = json(
      "audit",
      model("fmnist_vit"),
      "--shape",
      "image=3,1,28,28",
      "--random",
      "1",
      "--preset",
      "fast",
      "--bits",
      "4,8",
    );
    expect(audit).toMatchObject({ presetBits: 8, generated: true });
    expect(audit.blocks[3].heads[3]).toMatchObject({ sequences: 3, queries: 48 });
    writeFileSync(
      at("image.npy"),
      new Uint8Array(
        dump(
          Float32Array.from({ length: 784 }, (_, i) => (i % 29) / 29),
          [1, 1, 28, 28],
        ),
      ),
    );
    expect(json("audit", model("fmnist_vit"), "--input", `image=${at("image.npy")}`)).toMatchObject({
      generated: false,
      samples: 1,
    });
  });

  it("says that a network has no attention, and succeeds", () => {
    const { status, stdout } = run("audit", model("fmnist_resnet"));
    expect([status, stdout]).toEqual([
      0,
      "The network has no attention: no MatMul, Softmax, MatMul of computed operands, and no fused Attention.\n",
    ]);
  });
});

describe("bitbasis attention, bad input", () => {
  it.each<[number, string, string[]]>([
    [2, "action expected one of gamma, certify, sensitivity, audit, got foo", ["foo"]],
    [2, "--p expected an integer in 2..16, got nothing", ["gamma"]],
    [2, "--p expected an integer in 2..16, got 99", ["gamma", "--p", "99"]],
    [2, "--kind expected one of token, accumulator, got value", ["gamma", "--p", "2", "--kind", "value"]],
    [2, "--pair expected two vectors of 2 numbers", ["gamma", "--p", "2", "--d", "2", "--pair", "1;2"]],
    [2, "attention certify expected a file", ["certify", "--p", "2"]],
    [1, "cannot read nowhere.npy: ENOENT", ["sensitivity", "nowhere.npy"]],
    [1, "cannot read nowhere.npy: ENOENT", ["sensitivity", "nowhere.npy", "--stream", "--collisions-only"]],
    [2, "--bits expected an integer in 2..16, got 1", ["sensitivity", "KEYS", "--bits", "1"]],
    [2, "--score expected one of dot, nearest, got cosine", ["sensitivity", "KEYS", "--score", "cosine"]],
    [2, "--stream expected --queries FILE or --collisions-only", ["sensitivity", "KEYS", "--stream"]],
    [
      2,
      "--preset expected one of faithful, fast, compact, got slow",
      ["audit", model("fmnist_vit"), "--preset", "slow"],
    ],
    [1, "not an ONNX", ["audit", "KEYS"]],
    [2, "--shape expected inputs of the model (image), got x", ["audit", model("fmnist_vit"), "--shape", "x=1,2"]],
  ])("exits %i: %s", (status, message, args) => {
    const result = run(...args.map((a) => (a === "KEYS" ? at("keys.npy") : a)));
    expect(result.stdout).toBe("");
    expect(result.stderr).toContain(message);
    expect(result.status).toBe(status);
  });

  it("refuses matrices that are none, and NaN", () => {
    writeFileSync(at("vector.npy"), new Uint8Array(dump(Float32Array.of(1, 2), [2])));
    expect(run("sensitivity", at("vector.npy"))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("expected a C-ordered matrix [keys, width], got [2]"),
    });
    writeFileSync(at("nan.npy"), new Uint8Array(dump(Float32Array.of(1, Number.NaN), [2, 1])));
    expect(run("sensitivity", at("nan.npy"))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("NaN or infinity in row 1"),
    });
    writeFileSync(at("cut.npy"), readFileSync(at("keys.npy")).subarray(0, -4));
    expect(run("sensitivity", at("cut.npy"), "--stream", "--collisions-only")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("ends within row 2 of 3"),
    });
  });
});
