// What a newcomer types: help that is there at once, words mistyped, timings, classes by name, completion.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const BIN = fileURLToPath(new URL("../../dist/bin/bitbasis.js", import.meta.url));
const MODEL = fileURLToPath(new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "bitbasis-showroom-"));
afterAll(() => rmSync(folder, { recursive: true }));

function run(program: string, args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 2 ** 28 });
  return { status, stdout, stderr };
}
const bitbasis = (...args: string[]) => run(process.execPath, [BIN, ...args]);

describe("the command line", () => {
  it.each([
    [["quantise", MODEL], 'unknown command "quantise"; did you mean "quantize"?'],
    [["inspct", MODEL], 'unknown command "inspct"; did you mean "inspect"?'],
    [["run", MODEL, "--random", "--outptu", "x"], 'did you mean "--output"?'],
    [["bench", MODEL, "--theads", "2"], 'did you mean "--threads"?'],
    [["experiment", "attention-treshold"], 'did you mean "attention-threshold"?'],
  ])("knows what %j was meant to be", (args, message) => {
    const { status, stderr } = bitbasis(...args);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });

  it("offers nothing that is far away", () => {
    expect(bitbasis("frobnicate").stderr).toBe('bitbasis: unknown command "frobnicate"; see bitbasis --help\n');
  });

  it("starts in at most twice the time of node itself", () => {
    const cpu = (args: readonly string[]): number => {
      // CPU time, least of some: wall time says more about the machine's other work.
      const shell = run("bash", [
        "-c",
        `TIMEFORMAT="%U %S"; time ${[process.execPath, ...args].map((a) => `'${a}'`).join(" ")} > /dev/null`,
      ]);
      return shell.stderr
        .trim()
        .split(/\s+/)
        .slice(-2)
        .map(Number)
        .reduce((a, b) => a + b);
    };
    const least = (args: readonly string[]): number => Math.min(...Array.from({ length: 5 }, () => cpu(args)));
    const node = least(["-e", "0"]);
    expect(least([BIN, "--version"])).toBeLessThan(2 * node + 0.02);
    expect(least([BIN, "--help"])).toBeLessThan(2 * node + 0.02);
  });

  it("times a network by preset, and tells where the time goes", () => {
    const { stdout, stderr } = bitbasis(
      "bench",
      MODEL,
      "--runs",
      "3",
      "--preset",
      "float32",
      "--preset",
      "fast",
      "--profile",
      "--json",
    );
    expect(stderr).toBe("");
    const { rows, steps, cpu } = JSON.parse(stdout);
    expect(cpu).not.toBe("");
    expect(rows.map((row: { name: string }) => row.name)).toEqual(["float32", "fast"]);
    for (const { create, first, median, least, p95, memory } of rows) {
      for (const time of [create, first, least]) expect(time).toBeGreaterThan(0);
      expect(least).toBeLessThanOrEqual(median);
      expect(median).toBeLessThanOrEqual(p95);
      expect(memory).toBeGreaterThan(100_000);
    }
    expect(steps.some((step: { op: string; macs: number }) => step.op === "Conv" && step.macs > 0)).toBe(true);
    const text = bitbasis("bench", MODEL, "--runs", "2", "--preset", "fast").stdout;
    expect(text).toMatch(/run ms \(median\)/);
    expect(text).toMatch(/^fast +\d+ +\d+ +\d+\.\d\d/m);
  });

  it("times every kernel for the shapes of a network, and marks the chosen ones", () => {
    const args = ["bench", MODEL, "--runs", "1", "--preset", "fast", "--kernels"];
    const { kernels } = JSON.parse(bitbasis(...args, "--json").stdout);
    for (const { rows, depth, columns, chosen, milliseconds } of kernels) {
      expect(rows * depth * columns).toBeGreaterThan(0);
      expect(milliseconds[chosen]).toBeGreaterThan(0);
      expect(Object.keys(milliseconds).length).toBeGreaterThan(1);
    }
    const { stdout } = bitbasis(...args);
    expect(stdout).toContain("rows × depth × columns");
    expect(stdout.match(/\d \*/g)).toHaveLength(kernels.length);
  });

  it.each([
    [["--preset", "tiny"], "--preset expected one of"],
    [["--runs", "0"], "--runs expected an integer"],
    [["--build", "avx"], "--build expected one of auto, scalar, simd, relaxed"],
    [["--terms", "2"], "--terms is for containers"],
    [["--shape", "picture=1"], 'the model has no input "picture"'],
  ])("bench refuses %j", (args, message) => {
    const { status, stderr } = bitbasis("bench", MODEL, ...args);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });

  it("runs on the build that is asked for, with the same bits", () => {
    const digest = (build: string) => bitbasis("run", MODEL, "--random", "--build", build, "--json").stdout;
    expect(digest("scalar")).toBe(digest("simd"));
    expect(digest("scalar")).toContain('"data"');
  });

  it("prints the largest scores by name", () => {
    const lines = join(folder, "labels.txt");
    const json = join(folder, "labels.json");
    const names = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"];
    writeFileSync(lines, `${names.join("\n")}\n`);
    writeFileSync(json, JSON.stringify(Object.fromEntries(names.entries())));
    const all = JSON.parse(bitbasis("run", MODEL, "--random", "--json").stdout);
    const [{ data }] = Object.values(all) as [{ data: number[] }];
    const best = data.indexOf(Math.max(...data));
    for (const file of [lines, json]) {
      const { stdout } = bitbasis("run", MODEL, "--random", "--top", "2", "--labels", file);
      const [first, ...others] = stdout.trim().split("\n").slice(3);
      expect(first).toMatch(new RegExp(`^ +${best} +${names[best]} +`));
      expect(others).toHaveLength(1);
    }
    expect(bitbasis("run", MODEL, "--random", "--labels", lines).stderr).toContain("--labels expected --top K");
  });

  it("completes commands and options in bash", () => {
    const script = join(folder, "complete.bash");
    writeFileSync(script, bitbasis("completion", "bash").stdout);
    const complete = (...words: string[]): string[] => {
      const line = `source ${script}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _bitbasis; echo "\${COMPREPLY[@]}"`;
      return run("bash", ["-c", line]).stdout.trim().split(" ");
    };
    expect(complete("bitbasis", "qu")).toEqual(["quantize"]);
    expect(complete("bitbasis", "run", "--to")).toEqual(["--top"]);
    expect(complete("bitbasis", "quantize", "--pr")).toEqual(["--preset"]);
  });

  it.each(["zsh", "fish"])("has every command in what %s reads", (shell) => {
    const { stdout } = bitbasis("completion", shell);
    for (const command of ["quantize", "run", "bench", "fixed-point", "completion"]) expect(stdout).toContain(command);
  });
});
