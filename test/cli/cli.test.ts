import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { zipSync } from "fflate";
import { dump, parse } from "npyjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, f32 } from "../graph/build.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const MODEL = fileURLToPath(new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bitbasis-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function bitbasis(args: string[], input?: Uint8Array): { status: number | null; stdout: Buffer; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { input, maxBuffer: 2 ** 28 });
  return { status, stdout, stderr: stderr.toString() };
}

function json(args: string[]): unknown {
  const { status, stdout, stderr } = bitbasis([...args, "--json"]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return JSON.parse(stdout.toString());
}

describe("bitbasis", () => {
  it("helps, and tells its version", () => {
    expect(bitbasis(["--help"]).stdout.toString()).toMatch(/quantize[\s\S]*run[\s\S]*compare[\s\S]*inspect/);
    for (const command of ["quantize", "run", "compare", "inspect"]) {
      expect(bitbasis([command, "--help"])).toMatchObject({ status: 0 });
    }
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(bitbasis(["--version"]).stdout.toString()).toContain(version);
    expect(bitbasis(["quantize", "--version"]).stdout.toString()).toContain(version);
    expect(bitbasis(["--hlep"])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('did you mean "--help"?'),
    });
  });

  it("prints what an experiment expected and found, with a verdict; its figures as JSON", () => {
    const text = bitbasis(["experiment", "fixed-point-hardtanh"]).stdout.toString();
    expect(text).toMatch(/^claim +expected +found +verdict$/m);
    expect(text).toMatch(/^5·Hardtanh at p = 3, s = 1 is not .* confirmed$/m);
    expect(
      Math.max(
        ...text
          .split("\n")
          .slice(2)
          .map((line) => line.length),
      ),
    ).toBeLessThan(130);
    expect(json(["experiment", "fixed-point-hardtanh"])).toMatchObject({ leastMissing: 10 });
  });

  it("quantizes to the same bytes every time, by file and by pipe", () => {
    const [a, b] = [join(folder, "a.safetensors"), join(folder, "b.safetensors")];
    const report = json(["quantize", MODEL, "-o", a, "--preset", "fast"]) as {
      layers: unknown[];
      bytesAfter: number;
      bytesBefore: number;
    };
    expect(report.layers.length).toBeGreaterThan(10);
    expect(report.bytesAfter).toBeLessThan(report.bytesBefore);
    expect(bitbasis(["quantize", MODEL, "-o", b, "--preset", "fast"])).toMatchObject({ status: 0 });
    expect(readFileSync(b).equals(readFileSync(a))).toBe(true);
    const piped = bitbasis(["quantize", "-", "-o", "-", "--preset", "fast"], readFileSync(MODEL));
    expect(piped.stdout.equals(readFileSync(a))).toBe(true);
  });

  it("runs a model on .npy files and on seeded input, with the same result from ONNX and from the container", () => {
    const container = join(folder, "run.safetensors");
    // The plan that `run` makes of an ONNX file.
    bitbasis(["quantize", MODEL, "-o", container, "--no-check"]);
    const pixels = Float32Array.from({ length: 2 * 784 }, (_, i) => ((i * 37) % 255) / 255);
    const file = join(folder, "image.npy");
    writeFileSync(file, new Uint8Array(dump(pixels, [2, 1, 28, 28])));
    const raw = join(folder, "image.raw");
    writeFileSync(raw, new Uint8Array(pixels.buffer));
    const out = join(folder, "out");
    const direct = json(["run", MODEL, "--input", `image=${file}`]);
    const stored = json(["run", container, "--input", `image=${raw}`, "--shape", "image=2,1,28,28", "--output", out]);
    expect(stored).toEqual(direct);
    const { data, shape } = parse(new Uint8Array(readFileSync(join(out, "logits.npy"))).buffer);
    expect(shape).toEqual([2, 10]);
    expect(Array.from(data as Float32Array)).toEqual((direct as { logits: { data: number[] } }).logits.data);
    expect(json(["run", MODEL, "--random", "--seed", "5"])).toEqual(json(["run", MODEL, "--random", "--seed", "5"]));
    expect(json(["run", MODEL, "--random", "--seed", "6"])).not.toEqual(
      json(["run", MODEL, "--random", "--seed", "5"]),
    );
    expect(json(["run", container, "--random", "--terms", "1"])).not.toEqual(json(["run", container, "--random"]));
  });

  it("compares presets with float32", () => {
    const rows = json(["compare", MODEL, "--random", "4", "--preset", "faithful", "--preset", "fast"]) as {
      preset: string;
      cosineMin: number;
      samples: number;
    }[];
    expect(rows.map((r) => [r.preset, r.samples])).toEqual([
      ["faithful", 4],
      ["fast", 4],
    ]);
    expect(rows[0]!.cosineMin).toBeGreaterThan(0.9999);
    expect(rows[1]!.cosineMin).toBeGreaterThan(0.99);
  });

  it("says in its own words what the parser and the library refuse", () => {
    const path = join(folder, "beside.onnx");
    const graph = build({ x: [4] }, { w: f32([4]) }, [["Add", ["x", "w"], ["y"]]], ["y"]);
    writeFileSync(path, writeOnnx(graph));
    expect(bitbasis(["inspect", path, "other.onnx"])).toMatchObject({
      status: 2,
      stderr: 'bitbasis: "inspect <model>" takes no more arguments, got "other.onnx"\n',
    });
    const container = join(folder, "beside.safetensors");
    expect(bitbasis(["quantize", path, "-o", container, "--input-range", "3,1"]).stderr).toBe(
      "bitbasis: --input-range expected [least, largest], got [3,1]\n",
    );
    writeFileSync(path, writeOnnx({ ...graph, inputs: [{ ...graph.inputs[0]!, shape: ["n"] }] }));
    expect(bitbasis(["quantize", path, "-o", container])).toMatchObject({ status: 0 });
    expect(bitbasis(["export", container, "--to", "program", "-o", join(folder, "beside.bbi")]).stderr).toMatch(
      /^bitbasis: --shape expected for input "x" /,
    );
  });

  it("compares on what quantize measures with: ids that name places along an axis of as many as were asked for", () => {
    const path = join(folder, "places.onnx");
    const inputs = { x: ["n", 4], e: { type: "int64" as const, shape: [6] } };
    const nodes = [
      ["MatMul", ["x", "w"], ["h"]],
      ["Gather", ["h", "e"], ["y"]],
    ] as const;
    writeFileSync(path, writeOnnx(build(inputs, { w: f32([4, 8]) }, nodes, ["h", "y"])));
    const samples = (...shape: string[]) =>
      (json(["compare", path, "--random", "2", "--preset", "fast", ...shape]) as { samples: number }[])[0]!.samples;
    expect(samples()).toBe(2 * 16);
    expect(samples("--shape", "x=5,4")).toBe(2 * 5);
  });

  it("quantizes for a target, writes the plan, and compares plans and containers", () => {
    const [container, file] = [join(folder, "target.safetensors"), join(folder, "target.json")];
    const report = json(["quantize", MODEL, "-o", container, "--target", "bytes=70kB", "--save-plan", file]) as {
      bytesAfter: number;
      check: { target: string };
    };
    expect(report.bytesAfter).toBeLessThanOrEqual(70_000);
    expect(report.check.target).toBe("bytes=70000");
    const again = join(folder, "again.safetensors");
    expect(bitbasis(["quantize", MODEL, "-o", again, "--plan", file])).toMatchObject({ status: 0 });
    expect(readFileSync(again).equals(readFileSync(container))).toBe(true);
    const rows = json([
      "compare",
      MODEL,
      container,
      "--plan",
      file,
      "--bits",
      "8",
      "--weight-terms",
      "1",
      "--random",
      "1",
    ]) as {
      preset: string;
      maxDifference: number;
    }[];
    expect(rows.map(({ preset }) => preset)).toEqual(["float32", file, "--bits 8", container]);
    expect(rows[1]!.maxDifference).toBe(rows[3]!.maxDifference);
    for (const wrong of [
      ["speed=1"],
      ["bytes=2 furlongs"],
      ["error=0"],
      ["bytes=1MB", "--preset", "fast"],
      ["bytes=1MB", "--no-check"],
    ])
      expect(bitbasis(["quantize", MODEL, "-o", again, "--target", ...wrong]).status).toBe(2);
    expect(bitbasis(["quantize", MODEL, "-o", again, "--save-plan", file]).status).toBe(2);
    const least = bitbasis(["quantize", MODEL, "-o", again, "--target", "bytes=100"]);
    expect(least).toMatchObject({ status: 2 });
    expect(least.stderr.toString()).toMatch(/"target.bytes" expected at least \d+, what the container has with 3 bits/);
  });

  it("advises: a table, a line, a plan file and a drawing", () => {
    const [file, svg, pixels] = ["advice.json", "advice.svg", "advice.npy"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(
      pixels,
      new Uint8Array(
        dump(
          Float32Array.from({ length: 784 }, (_, i) => ((i * 37) % 255) / 255),
          [1, 1, 28, 28],
        ),
      ),
    );
    const how = ["advise", MODEL, "--target", "error=0.05", "--input", `image=${pixels}`];
    const { status, stdout } = bitbasis([...how, "-o", file, "--svg", svg]);
    expect(status).toBe(0);
    const text = stdout.toString();
    expect(text).toMatch(/^layer +op +weights +bits w \/ a +alone at 4/);
    expect(text).toMatch(/\d+ bits suffice for \d+ of \d+ layers.*Measured on 1 given sample: error/);
    expect(text).toContain("Which layer first?");
    expect(readFileSync(svg, "utf8")).toContain("activations");
    const advice = json(how) as { plan: unknown; measured: { error: number } };
    expect(advice.plan).toEqual(JSON.parse(readFileSync(file, "utf8")));
    expect(advice.measured.error).toBeLessThanOrEqual(0.05);
  });

  it("inspects ONNX files and containers", () => {
    const container = join(folder, "inspect.safetensors");
    bitbasis(["quantize", MODEL, "-o", container, "--preset", "compact"]);
    for (const model of [MODEL, container]) {
      const text = bitbasis(["inspect", model]).stdout.toString();
      expect(text).toContain("image");
      expect(text).toContain("Conv");
      expect(text).not.toContain("cannot run");
      expect(json(["inspect", model])).toMatchObject({ inputs: [{ name: "image" }], outputs: [{ name: "logits" }] });
    }
  });

  it("writes the one output of a model to stdout", () => {
    const { status, stdout } = bitbasis(["run", MODEL, "--random", "--output", "-"]);
    expect(status).toBe(0);
    const { shape, data } = parse(new Uint8Array(stdout).buffer);
    expect(shape).toEqual([1, 10]);
    const printed = json(["run", MODEL, "--random"]) as { logits: { data: number[] } };
    expect(Array.from(data as Float32Array)).toEqual(printed.logits.data);
  });

  it("does not replace the model that it quantizes, unless it is told to", () => {
    const model = join(folder, "own.onnx");
    writeFileSync(model, readFileSync(MODEL));
    const alias = join(folder, "alias.onnx");
    symlinkSync(model, alias);
    for (const output of [model, alias, `${folder}/../${basename(folder)}/own.onnx`]) {
      const refused = bitbasis(["quantize", model, "-o", output]);
      expect(refused.stderr).toContain("would replace a file that is read; --force does so");
      expect(refused.status).toBe(2);
    }
    expect(readFileSync(model).equals(readFileSync(MODEL))).toBe(true);
    expect(bitbasis(["quantize", model, "-o", model, "--force"]).status).toBe(0);
    expect(json(["inspect", model])).toMatchObject({ format: "bitbasis" });
  });

  it("does not replace outputs that are there, unless it is told to", () => {
    const out = join(folder, "kept");
    const written = (...more: string[]) => bitbasis(["run", MODEL, "--random", "--output", out, ...more]);
    expect(written("--seed", "1").status).toBe(0);
    const file = join(out, "logits.npy");
    const first = readFileSync(file);
    // It says so before it runs: the input that is not there is not looked for.
    expect(bitbasis(["run", MODEL, "--input", "image=none.npy", "--output", out])).toMatchObject({
      status: 2,
      stderr: `bitbasis: ${file} is there already; --force replaces it\n`,
    });
    expect(readFileSync(file).equals(first)).toBe(true);
    expect(written("--seed", "2", "--force").status).toBe(0);
    expect(readFileSync(file).equals(first)).toBe(false);
  });

  it.each([
    ["a/b", "a:b"],
    ["Same", "same"],
  ])("does not write the outputs %s and %s to one file", (one, other) => {
    const model = join(folder, "two.onnx");
    const nodes = [one, other].map((name) => ["Relu", ["x"], [name]] as const);
    writeFileSync(model, writeOnnx(build({ x: [2] }, {}, nodes, [one, other])));
    const out = join(folder, "two");
    const refused = bitbasis(["run", model, "--random", "--output", out]);
    expect(refused.stderr).toContain(`the outputs "${one}" and "${other}" would both be ${out}`);
    expect(refused.status).toBe(2);
    expect(existsSync(out)).toBe(false);
    expect(json(["run", model, "--random"])).toHaveProperty([other]);
  });

  it("reads .npz files and stdin", () => {
    const pixels = new Uint8Array(dump(new Float32Array(784).fill(0.5), [1, 1, 28, 28]));
    const [npy, npz] = [join(folder, "half.npy"), join(folder, "half.npz")];
    writeFileSync(npy, pixels);
    writeFileSync(npz, zipSync({ "image.npy": pixels, "other.npy": new Uint8Array(3) }));
    const expected = json(["run", MODEL, "--input", `image=${npy}`]);
    expect(json(["run", MODEL, "--input", `image=${npz}`])).toEqual(expected);
    const piped = bitbasis(["run", MODEL, "--input", "image=-", "--json"], pixels);
    expect(JSON.parse(piped.stdout.toString())).toEqual(expected);
  });

  it("refuses a .npz file that would unpack to gigabytes, before it is unpacked", () => {
    const bomb = zipSync({ "image.npy": new Uint8Array(100) });
    // The size in the central directory, 24 bytes behind its signature.
    const directory = bomb.findIndex((_, i) => bomb[i] === 0x50 && bomb[i + 1] === 0x4b && bomb[i + 2] === 1);
    new DataView(bomb.buffer).setUint32(directory + 24, 0xf0000000, true);
    const [large, broken] = [join(folder, "bomb.npz"), join(folder, "broken.npz")];
    writeFileSync(large, bomb);
    writeFileSync(broken, bomb.subarray(0, 60));
    const refused = bitbasis(["run", MODEL, "--input", `image=${large}`]);
    expect(refused.stderr).toContain("expected entries of 1073741824 bytes at most, got 4026531840");
    expect(refused.status).toBe(2);
    expect(bitbasis(["run", MODEL, "--input", `image=${broken}`])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("is a damaged .npz file"),
    });
  });

  it("takes names that look like numbers for names", () => {
    const file = join(folder, "007");
    writeFileSync(file, readFileSync(MODEL));
    const { status, stdout } = spawnSync(process.execPath, [MAIN, "inspect", "007"], { cwd: folder });
    expect([status, stdout.toString().slice(0, 4)]).toEqual([0, "ONNX"]);
    expect(bitbasis(["quantize", MODEL, "-o", ""])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('cannot write "": ENOENT'),
    });
  });

  it("ends without a word where nobody reads on", () => {
    const model = join(folder, "long.onnx");
    writeFileSync(model, writeOnnx(build({ x: [20_000] }, {}, [["Relu", ["x"], ["y"]]], ["y"])));
    const long = `'${process.execPath}' '${MAIN}' run '${model}' --random --json`;
    const { stdout, stderr } = spawnSync("bash", ["-c", `set -o pipefail; ${long} | head -1; echo $?`]);
    expect([stdout.toString(), stderr.toString()]).toEqual(["{\n0\n", ""]);
  });

  it.runIf(process.platform === "linux")("says what is wrong with a disk and a folder that take nothing", () => {
    const text = `'${process.execPath}' '${MAIN}' inspect '${MODEL}' > /dev/full`;
    const full = spawnSync("bash", ["-c", text]);
    expect([full.status, full.stderr.toString()]).toEqual([
      1,
      "bitbasis: cannot write stdout: ENOSPC (the disk is full)\n",
    ]);
    // Node's own recursive mkdir never ends there.
    expect(bitbasis(["run", MODEL, "--random", "--output", "/proc/outputs"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("cannot make the folder /proc/outputs: ENOENT"),
    });
  });

  it.each([
    [["run", MODEL, "--random", "--output", "-", "--json"], 2, "would both write to stdout"],
    [["run", MODEL, "--random", "--output", MODEL], 1, "a file of that name is there"],
    [
      ["run", MODEL, "--random", "--preset", "-"],
      2,
      "--preset expected one of float32, faithful, fast, compact, got -",
    ],
    [["run", MODEL, "--random", "--shape", "image=40000,1,40000,40000"], 2, "bytes, at most"],
    [["frobnicate"], 2, 'unknown command "frobnicate"'],
    [[], 2, "expected a command"],
    [["quantize", MODEL], 2, "expected -o"],
    [
      ["quantize", MODEL, "-o", "x", "--preset", "tiny"],
      2,
      "--preset expected one of float32, faithful, fast, compact, got tiny",
    ],
    [["quantize", MODEL, "-o", "x", "--preset", "fast", "--bits", "4"], 2, "expected only one of"],
    [["quantize", MODEL, "-o", "x", "--colour"], 2, "--colour"],
    [["run", MODEL], 2, 'expected input "image" (float32 ['],
    [["run", MODEL, "--input", "image"], 2, "--input expected NAME=VALUE"],
    [["run", MODEL, "--input", "picture=x.npy"], 2, 'no input "picture"'],
    [["run", "missing.onnx", "--random"], 1, "cannot read missing.onnx: ENOENT"],
    [["run", MAIN, "--random"], 1, "ONNX"],
    [["run", "src", "--random"], 1, "cannot read src: EISDIR (it is a folder)"],
    [
      ["run", MODEL, "--random", "--shape", "picture=1"],
      2,
      '--shape: the model has no input "picture"; expected input "image"',
    ],
    [["advise", MODEL, "--shape", "image=1,1,28,28"], 2, "--shape is of a raw --input, and expected one beside it"],
    [["run", MODEL, "--random", "--threads", "0"], 2, "--threads expected an integer in 1..64, got 0"],
    [
      ["quantize", MODEL, "-o", "missing/folder/x"],
      1,
      "cannot write missing/folder/x: ENOENT (no such file or folder)",
    ],
    [["quantize", MODEL, "-o", "x", "--plan", "tsconfig.json"], 2, 'tsconfig.json: "plan.version" expected 1'],
  ])("exits %j with code %i and a sentence", (args, status, message) => {
    const result = bitbasis(args);
    expect(result.stderr).toContain(message);
    expect(result.stderr).not.toContain("    at ");
    expect(result.status).toBe(status);
    expect(result.stdout.toString()).toBe("");
  });
});
