import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dump, parse } from "npyjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const MODEL = fileURLToPath(new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url));

let folder: string;
let container: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bitbasis-receipt-"));
  container = join(folder, "model.safetensors");
  bitbasis("quantize", MODEL, "-o", container, "--preset", "fast", "--no-check");
});
afterAll(() => rmSync(folder, { recursive: true }));

function bitbasis(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });
}

function receiptOf(name: string, ...args: string[]): string {
  const file = join(folder, name);
  expect(bitbasis("run", ...args, "--random", "--seed", "3", "--receipt", file)).toMatchObject({ status: 0 });
  return file;
}

describe("bitbasis run --receipt and verify", () => {
  it("give the same receipt for a source and its container, beside the ONNX digest, and either verifies it", () => {
    const [a, b] = [receiptOf("a.json", MODEL, "--preset", "fast"), receiptOf("b.json", container)];
    const { onnx, ...rest } = JSON.parse(readFileSync(a, "utf8"));
    expect(onnx).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.parse(readFileSync(b, "utf8"))).toEqual(rest);
    for (const model of [MODEL, container]) {
      const { status, stdout } = bitbasis("verify", a, "--model", model, "--random", "--seed", "3");
      expect([status, stdout]).toEqual([0, "the same bits\n"]);
    }
    const piped = bitbasis("run", container, "--random", "--seed", "3", "--receipt", "-");
    expect(piped.stdout).toBe(readFileSync(b, "utf8"));
  });

  it("say which element of a claimed output differs, and exit 1", () => {
    const out = join(folder, "out");
    const receipt = receiptOf("one-term.json", container, "--terms", "1", "--output", out);
    const check = ["verify", receipt, "--model", container, "--random", "--seed", "3", "--output", out];
    expect(bitbasis(...check)).toMatchObject({ status: 0, stdout: "the same bits\n" });
    const file = join(out, "logits.npy");
    const { data, shape } = parse(new Uint8Array(readFileSync(file)).buffer);
    const values = (data as Float32Array).slice();
    const expected = values[4]!;
    values[4] = Number.NaN;
    writeFileSync(file, new Uint8Array(dump(values, shape)));
    const text = `output "logits" differs at element 4: expected ${expected}, got NaN\n`;
    expect(bitbasis(...check)).toMatchObject({ status: 1, stdout: text, stderr: "" });
    const json = bitbasis(...check, "--json");
    expect(json.status).toBe(1);
    expect(JSON.parse(json.stdout)).toEqual({
      ok: false,
      differs: { output: "logits", index: 4, expected, got: "NaN" },
    });
  });

  it("refuse in a sentence: damaged receipts, other models, other inputs, usage", () => {
    const receipt = receiptOf("good.json", container);
    const damaged = join(folder, "damaged.json");
    writeFileSync(damaged, readFileSync(receipt, "utf8").replace('"receipt":1', '"receipt":1,"x":1'));
    const verify = (path: string, ...args: string[]) => bitbasis("verify", path, "--random", ...args);
    const fails = (status: number, stderr: string) => ({ status, stdout: "", stderr: expect.stringContaining(stderr) });
    expect(verify(damaged, "--model", container)).toMatchObject(fails(1, "the receipt is damaged"));
    expect(verify(MODEL, "--model", container)).toMatchObject(fails(1, "expected the JSON of a receipt, got no JSON"));
    const other = MODEL.replace("mobilenet", "resnet");
    expect(verify(receipt, "--model", other)).toMatchObject(fails(1, "the receipt is of another model: expected"));
    expect(verify(receipt, "--model", container)).toMatchObject(fails(1, 'the receipt is of another input "image"'));
    expect(verify(receipt)).toMatchObject(fails(2, "verify expected --model MODEL"));
    const both = bitbasis("run", container, "--random", "--receipt", "-", "--json");
    expect(both).toMatchObject(fails(2, "--json and --receipt - would both write to stdout"));
  });
});
