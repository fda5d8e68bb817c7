import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toNpy } from "../../src/cli/inputs.ts";
import { exportProgram } from "../../src/entries/quantize.ts";
import { readOnnx } from "../../src/onnx/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const MODEL = fileURLToPath(new URL("../fixtures/models/fmnist_resnet.onnx", import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bitbasis-series-"));
  writeFileSync(join(folder, "w.npy"), toNpy(new Tensor("float32", noise(64, 1), [4, 16])));
});
afterAll(() => rmSync(folder, { recursive: true }));

function cli(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("bitbasis series", () => {
  it("expands a tensor, and writes what its terms add up to", () => {
    const out = join(folder, "sum.npy");
    const { status, stdout } = cli(
      "series",
      "expand",
      join(folder, "w.npy"),
      "--terms",
      "2",
      "--axis",
      "0",
      "-o",
      out,
      "--json",
    );
    expect(status).toBe(0);
    const { scales, terms } = JSON.parse(stdout) as { scales: number; terms: { error: number; bound: number }[] };
    expect([scales, terms.length]).toEqual([4, 2]);
    for (const { error, bound } of terms) expect(error).toBeLessThanOrEqual(bound);
    expect(readFileSync(out).length).toBe(readFileSync(join(folder, "w.npy")).length);
    const text = cli("series", "expand", join(folder, "w.npy"), "--tolerance", "1e-7", "--zero-point", "--group", "8");
    expect(text.status).toBe(0);
    expect(text.stdout).toMatch(/8 scales, 0 zero points, 0 outliers/);
    expect(text.stderr).toContain("28 bits run as a sum of products");
  });

  it("shows how a tensor converges", () => {
    const svg = join(folder, "converge.svg");
    const { status, stdout } = cli(
      "series",
      "converge",
      join(folder, "w.npy"),
      "--bits",
      "3",
      "--terms",
      "4",
      "--svg",
      svg,
    );
    expect(status).toBe(0);
    expect(stdout.split("\n").length).toBe(7);
    expect(readFileSync(svg, "utf8")).toMatch(/^<svg/);
  });

  it.each([
    [["expand"], 2, "expected a .npy file"],
    [["expand", "w.npy"], 2, "--terms or --tolerance expected"],
    [
      ["expand", "w.npy", "--terms", "2", "--group", "5"],
      2,
      "--group expected a divisor of the 16 elements of a row, got 5",
    ],
    [["expand", "w.npy", "--terms", "2", "--axis", "3"], 2, "--axis expected integer in -2..1, got 3"],
    [["expand", "w.npy", "--terms", "2", "--bits", "9"], 2, "--bits expected an integer in 2..8"],
    [["diverge"], 2, "action expected one of expand, converge"],
  ])("%j ends with a sentence", (args, code, message) => {
    const { status, stderr } = cli("series", ...args.map((a) => (a === "w.npy" ? join(folder, a) : a)));
    expect(stderr).toContain(message);
    expect(status).toBe(code);
  });
});

describe("bitbasis export", () => {
  it("turns a container into standard ONNX", () => {
    const container = join(folder, "model.safetensors");
    expect(cli("quantize", MODEL, "-o", container, "--preset", "fast").status).toBe(0);
    for (const as of ["terms", "float32"]) {
      const out = join(folder, `${as}.onnx`);
      expect(cli("export", container, "--to", "onnx", "--as", as, "-o", out)).toMatchObject({ status: 0, stdout: "" });
      const graph = readOnnx(readFileSync(out));
      expect(graph.nodes.some((n) => n.op === "DequantizeLinear")).toBe(as === "terms");
    }
    expect(cli("export", container, "--to", "tflite", "-o", "x")).toMatchObject({ status: 2 });
    expect(cli("export", container, "--to", "onnx").stderr).toContain("expected -o OUT.onnx");
    expect(cli("export", MODEL, "--to", "onnx", "-o", join(folder, "x")).status).toBe(1);
  });

  it("turns a container into a program image for the shapes that are given", async () => {
    const [container, out] = [join(folder, "p.safetensors"), join(folder, "p.bbi")];
    expect(cli("quantize", MODEL, "-o", container, "--preset", "fast").status).toBe(0);
    const program = ["export", container, "--to", "program"];
    expect(cli(...program, "--shape", "image=1,1,28,28", "-o", out)).toMatchObject({ status: 0, stdout: "" });
    const { image } = await exportProgram(readFileSync(container), { image: [1, 1, 28, 28] });
    expect(new Uint8Array(readFileSync(out))).toEqual(image);
    expect(cli(...program, "-o", out)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('for input "image"'),
    });
    expect(cli(...program, "--shape", "image=1,a", "-o", out).status).toBe(2);
    expect(cli("export", container, "--to", "onnx", "--shape", "image=1", "-o", out).stderr).toContain("--to program");
  });
});

describe("bitbasis experiment", () => {
  it("studies a network that is given, as a table", () => {
    const input = join(folder, "image.npy");
    writeFileSync(input, toNpy(new Tensor("float32", noise(4 * 784, 2), [4, 1, 28, 28])));
    const labels = join(folder, "labels.npy");
    writeFileSync(labels, toNpy(new Tensor("int32", Int32Array.of(1, 2, 3, 4), [4])));
    const { status, stdout } = cli(
      ...["experiment", "series-sensitivity", "--model", MODEL, "--input", `image=${input}`, "--labels", labels],
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/\nweight terms {2}activation terms {2}agreement +dB +bytes {2}accuracy\n/);
  }, 60_000);
});
