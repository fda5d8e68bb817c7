import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { toNpy } from "../../src/cli/inputs.ts";
import { networkFromJson } from "../../src/fixed-point/index.ts";
import { exportFixedPoint } from "../../src/networks/fixed-point.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
let folder: string;
beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error("dist/ is missing: run npm run build first");
  folder = mkdtempSync(join(tmpdir(), "bitbasis-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function bitbasis(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, "fixed-point", ...args], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test("analyze says why in words and in JSON", async () => {
  const text = await bitbasis("analyze", "--activation", "5*hardtanh", "--p", "3", "--s", "1");
  expect(text.code).toBe(0);
  expect(text.stdout).toMatch(/verdict +not universal: outputs differ by multiples of g = 5/);
  const json = await bitbasis("analyze", "--activation", "relu", "--p", "4", "--s", "2", "--json");
  expect(JSON.parse(json.stdout)).toMatchObject({ universal: true, g: 1, missingCount: 0 });
});

test("sets prints V, S_b and N_b", async () => {
  const hardtanh = ["sets", "--activation", "5*hardtanh", "--p", "3", "--s", "1"];
  const text = (await bitbasis(...hardtanh)).stdout;
  expect(text).toMatch(/V +5 +-10 -5 0 5 10 +gaps[\s\S]*S_0 +5 +-7 -5 0 5 7 [\s\S]*Q has 15 values/);
  const json = JSON.parse((await bitbasis(...hardtanh, "--bias", "1", "--json")).stdout);
  expect(json).toEqual({ gaps: [-10, -5, 0, 5, 10], s: [-7, -4, 1, 6, 7], n: [-7, -4, 1, 6, 7] });
});

test("synthesize writes a network, verify proves it or shows where it differs", async () => {
  writeFileSync(join(folder, "table.json"), JSON.stringify([1, 3, -2, 0, 2, -3, 1]));
  const made = await bitbasis(
    "synthesize",
    "table.json",
    "--activation",
    "relu",
    "--p",
    "2",
    "--s",
    "1",
    "-o",
    "network.json",
    "--json",
  );
  expect(made.code).toBe(0);
  expect(JSON.parse(made.stdout)).toMatchObject({ verified: true, depth: 2 });
  expect((await bitbasis("verify", "network.json", "--table", "table.json")).stdout).toBe("equal on all 7 inputs\n");
  writeFileSync(join(folder, "other.json"), JSON.stringify({ table: [1, 3, -2, 1, 2, -3, 1] }));
  const differs = await bitbasis("verify", "network.json", "--table", "other.json");
  expect(differs).toMatchObject({ code: 1, stdout: "differs at (0): expected 1, got 0\n" });
  const onnx = await bitbasis(
    "synthesize",
    "table.json",
    "--activation",
    "relu",
    "--p",
    "2",
    "--s",
    "1",
    "-o",
    "network.onnx",
  );
  expect(onnx.code).toBe(0);
  expect(readFileSync(join(folder, "network.onnx")).length).toBeGreaterThan(200);
});

test("an impossible table exits with 1 and its proof", async () => {
  writeFileSync(join(folder, "steps.json"), JSON.stringify([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]));
  const { code, stdout } = await bitbasis(
    "synthesize",
    "steps.json",
    "--activation",
    "5*hardtanh",
    "--p",
    "3",
    "--s",
    "1",
  );
  expect(code).toBe(1);
  expect(stdout).toMatch(/^impossible: .*no output bias reaches all 4 values/);
});

test("map lists the scales of every p and draws them", async () => {
  const { code, stdout } = await bitbasis(
    "map",
    "--activation",
    "sigmoid",
    "--max-p",
    "3",
    "--max-s",
    "20",
    "--svg",
    "map.svg",
  );
  expect(code).toBe(0);
  expect(stdout).toContain("1..7 binary, 8..14 universal, 15..20 scale");
  expect(readFileSync(join(folder, "map.svg"), "utf8")).toMatch(/^<svg/);
});

test("usage errors exit with 2, bad values with their reason", async () => {
  expect(await bitbasis("guess")).toMatchObject({ code: 2, stderr: expect.stringContaining("action expected one of") });
  expect((await bitbasis("analyze", "--activation", "relu", "--p", "0", "--s", "1")).code).toBe(2);
  expect((await bitbasis("analyze", "--p", "3", "--s", "1")).stderr).toContain("--activation expected");
  expect((await bitbasis("synthesize", "--activation", "relu", "--p", "3", "--s", "1")).code).toBe(2);
  const unknown = await bitbasis("analyze", "--activation", "nothing", "--p", "3", "--s", "1");
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("--activation expected one of identity") });
});

test("fit finds formats, prints them by layer and writes the network in them", async () => {
  const layers = [
    { inputs: 2, outputs: 3, weights: [2, -1, 1, 1, -2, 1], biases: [0, 1, -1] },
    { inputs: 3, outputs: 2, weights: [1, -1, 2, -2, 1, 1], biases: [0, 0] },
  ];
  const network = { format: "bitbasis fixed-point network", version: 1, p: 3, s: 1, activation: "relu", layers };
  writeFileSync(join(folder, "mlp.onnx"), exportFixedPoint(networkFromJson(network as never)));
  // The exported arithmetic has Clip and MatMul only at s = 1: a network like any other.
  const samples = new Float32Array(64).map((_, i) => ((i * 37) % 15) - 7);
  writeFileSync(join(folder, "samples.npy"), toNpy(new Tensor("float32", samples, [32, 2])));
  const common = ["fit", "mlp.onnx", "--input", "x=samples.npy"];
  const text = await bitbasis(...common, "-o", "fixed.onnx");
  expect(text).toMatchObject({ code: 0 });
  expect(text.stdout).toMatch(/layer +op +activation +p[\s\S]*100\.0% of 32 labels stay/);
  const session = await InferenceSession.create(readFileSync(join(folder, "fixed.onnx")), { preset: "float32" });
  expect(session.inputNames).toEqual(["x"]);
  await session.release();
  const json = JSON.parse((await bitbasis(...common, "--one", "--json")).stdout);
  expect(json).toMatchObject({ kept: true, agreement: 1, labels: 32 });
  expect(new Set(json.layers.map((layer: { p: number }) => layer.p)).size).toBe(1);
  const narrow = await bitbasis(...common, "--one", "--max-p", "1");
  expect(narrow).toMatchObject({ code: 1 });
  expect(narrow.stdout).toContain("no format up to p = 1 keeps the labels");
  expect(await bitbasis("fit", "mlp.onnx", "--agreement", "2")).toMatchObject({ code: 2 });
});
