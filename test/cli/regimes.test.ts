import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/networks/graph-builder.ts";
import { readOnnx, writeOnnx } from "../../src/onnx/index.ts";
import { lipschitzWalk } from "../regimes/helpers.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const MODEL = fileURLToPath(new URL("../fixtures/models/fmnist_resnet.onnx", import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bitbasis-regimes-"));
  writeFileSync(join(folder, "walk.json"), JSON.stringify(lipschitzWalk(1, 8)));
  writeFileSync(
    join(folder, "net.json"),
    JSON.stringify([
      {
        weights: [
          ["3/8", -0.5],
          [1, "7/8"],
        ],
        bias: [0, "1/8"],
      },
      { weights: [[0.25, -1]] },
    ]),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function regimes(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, "regimes", ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

function json(...args: string[]): Record<string, unknown> {
  const { status, stdout, stderr } = regimes(...args, "--json");
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

describe("bitbasis regimes", () => {
  it("classifies sizes and models, with a curve", () => {
    const svg = join(folder, "curve.svg");
    expect(json("classify", "--widths", "1,64,64,64,1", "--a", "1", "--b", "3", "--svg", svg)).toMatchObject({
      regime: "under",
      bUnder: 4,
      bOver: 63,
    });
    expect(readFileSync(svg, "utf8")).toMatch(/^<svg/);
    const text = regimes("classify", MODEL, "--bits", "8");
    expect(text.status).toBe(0);
    expect(text.stdout).toMatch(/regime\s+proper[\s\S]*About right/);
  });

  it("approximates samples, and lowers what it wrote", () => {
    const network = join(folder, "walk-network.json");
    const found = json(
      "approximate",
      join(folder, "walk.json"),
      "--lipschitz",
      "1",
      "--error",
      "0.05",
      "-o",
      network,
      "--svg",
      join(folder, "walk.svg"),
    );
    expect(found["supError"]).toBeLessThanOrEqual(0.05);
    expect(found["network"]).toBeUndefined();
    const lowered = json("lower", network, "--bits", "1", "--recoding", "signed");
    expect(lowered).toMatchObject({ a: 0, b: 1 });
  });

  it("lowers to JSON or ONNX, which reads back", () => {
    const onnx = join(folder, "lowered.onnx");
    const text = regimes("lower", join(folder, "net.json"), "--bits", "2", "-o", onnx);
    expect(text.stdout).toContain("equal for all real inputs");
    const once = json("lower", join(folder, "net.json"), "--bits", "1");
    const twice = json("lower", onnx, "--bits", "1");
    expect(twice["b"]).toBe(once["b"]);
    expect(json("lower", join(folder, "net.json"), "--bits", "1", "--round", "2")["largestChange"]).toBe(0.125);
  });

  it("lowers convolutions as convolutions, deeper or as slices", () => {
    const build = new GraphBuilder();
    const weights = build.floats([1, 2, 1, 1], (i) => [0.328125, -1][i]!);
    const y = build.node("Conv", ["x", weights]);
    const [small, lowered] = [join(folder, "convolution.onnx"), join(folder, "convolution-lowered.onnx")];
    const info = { type: "float32", shape: [1, 2, 3, 3] } as const;
    const graph = {
      name: "one",
      opsets: { "": 21 },
      inputs: [{ name: "x", ...info }],
      outputs: [{ name: y, ...info }],
    };
    writeFileSync(small, writeOnnx({ ...graph, nodes: build.nodes, initializers: build.initializers }));
    const options = ["--round", "4", "--bits", "1", "--form", "slices", "--recoding", "signed"];
    expect(json("lower", small, ...options, "-o", lowered)).toMatchObject({
      ...{ original: { b: 4, nonZero: 2, products: 18 }, largestChange: 0.015625, depth: 1, a: 0, b: 1, nonZero: 3 },
    });
    expect(readOnnx(readFileSync(lowered)).nodes.filter(({ op }) => op === "Conv").length).toBe(4);
    const text = regimes("lower", small, "--round", "4", "--bits", "2").stdout;
    expect(text).toMatch(/^form +depth +a +b +non-zeros +sparse bits +dense bits +products\n/);
    expect(text).toContain("equal for all real inputs");
    expect(regimes("lower", MODEL, "--bits", "2").stderr).toContain("round the weights");
  });

  it("says in words what is wrong: exit 2 for usage, 1 for the rest", () => {
    expect(regimes("guess")).toMatchObject({
      status: 2,
      stderr: "bitbasis: action expected one of classify, approximate, lower, got guess\n",
    });
    expect(regimes("approximate", join(folder, "walk.json"), "--lipschitz", "1")).toMatchObject({ status: 2 });
    expect(regimes("classify", "--width", "3")).toMatchObject({ status: 2 });
    expect(regimes("lower", join(folder, "net.json"), "--bits", "3").stderr).toContain(
      "less than the network's 3 fractional bits, got 3",
    );
    const steep = regimes("approximate", join(folder, "walk.json"), "--lipschitz", "0.01", "--error", "0.1");
    expect(steep.status).toBe(2);
    expect(steep.stderr).toMatch(/"f" expected Lipschitz constant 0.01, got .* between \(/);
  });
});
