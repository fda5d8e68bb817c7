// A command line that cannot go well is refused before the command works, and nothing that is read is written over.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cac } from "cac";
import { afterAll, describe, expect, it } from "vitest";
import { checkCommandLine } from "../../src/cli/check.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { guarded, unguarded } from "../../src/cli/words.ts";

const folder = mkdtempSync(join(tmpdir(), "bitbasis-check-"));
const at = (name: string): string => join(folder, name);
for (const name of ["model.onnx", "other.json", "keys.npy"]) writeFileSync(at(name), name);
mkdirSync(at("folder"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What the check says of a line, in which "@name" is a file of the folder. */
async function check(line: string): Promise<string[]> {
  const words = line.split(" ").map((word) => word.replace(/@(\S+)/, (_, name: string) => at(name)));
  const cli = cac("bitbasis");
  const { usage, summary, load } = COMMANDS[words[0]!]!;
  (await load())(cli.command(usage, summary), COMMANDS);
  cli.parse(["node", "bitbasis", ...guarded(words)], { run: false });
  cli.options = unguarded(cli.options);
  cli.args = unguarded(cli.args);
  return checkCommandLine(cli);
}

describe("a command line", () => {
  it.each([
    "series expand @keys.npy -o @keys.npy",
    "series converge @keys.npy --svg @keys.npy",
    "regimes classify @model.onnx --svg @folder/../model.onnx",
    "regimes lower @other.json --bits 1 -o @other.json",
    "attention sensitivity @keys.npy --queries @other.json --svg @other.json",
    "attention audit @model.onnx --input x=@keys.npy --svg @keys.npy",
    "fixed-point fit @model.onnx -o @model.onnx",
    "fixed-point analyze --activation @other.json --p 1 --s 1",
    "fixed-point verify @other.json --table @keys.npy",
    "experiment series-grid --model @model.onnx --svg @model.onnx",
    "advise @model.onnx -o @model.onnx",
    "run @model.onnx --receipt @model.onnx",
    "quantize @model.onnx -o x.safetensors --save-plan @model.onnx",
    "export @model.onnx --to onnx -o @model.onnx",
  ])("%s: replaces no file that is read", async (line) => {
    const writes = / (-o|--svg|--receipt|--save-plan) /.test(line);
    if (writes) await expect(check(line)).rejects.toThrow(/would replace a file that is read/);
    else expect(await check(line)).toEqual([]);
  });

  it("lets --force replace the model, and tells what else is replaced", async () => {
    expect(await check("quantize @model.onnx --force -o @model.onnx")).toEqual([at("model.onnx")]);
    expect(await check("quantize @model.onnx -o @other.json")).toEqual([at("other.json")]);
    expect(await check("quantize @model.onnx -o @new.json")).toEqual([]);
    expect(await check("quantize @model.onnx -o -")).toEqual([]);
  });

  it.each([
    ["advise @model.onnx -o @nowhere/plan.json", /cannot write .*plan\.json: ENOENT/],
    ["experiment attention-recall --svg @folder", /cannot write .*folder: EISDIR/],
    ["regimes approximate @other.json -o @model.onnx/x", /cannot write .*: ENOTDIR/],
  ])("%s: knows before any work what cannot be written", async (line, message) => {
    await expect(check(line)).rejects.toThrow(message);
  });

  it.each([
    ["advise @model.onnx -o - --svg -", "--output - and --svg - would both write to stdout"],
    ["series expand @keys.npy -o - --json", "--json and --output - would both write to stdout"],
    ["advise @model.onnx -o @x --svg @folder/../x", "--output and --svg would both write"],
    ["advise @model.onnx -o @x -o @y", "--output expected once, got 2 times"],
    ["attention gamma --p 2 --p 3", "--p expected once, got 2 times"],
  ])("%s: every output has a place of its own", async (line, message) => {
    await expect(check(line)).rejects.toThrow(message);
  });

  it.each([
    ["series converge -o @x.npy", "--output is for expand, got converge"],
    ["series converge --group 2", "--group is for expand, got converge"],
    ["regimes classify @model.onnx --lipschitz 1", "--lipschitz is for approximate, got classify"],
    ["regimes approximate @other.json --bits 3", "--bits is for classify, lower, got approximate"],
    ["attention gamma --p 3 --svg @x.svg", "--svg is for sensitivity, audit, got gamma"],
    ["attention certify @other.json --p 2 --pair 1;2", "--pair is for gamma, got certify"],
    ["fixed-point fit @model.onnx --activation relu", "--activation is for analyze, sets, synthesize, map, got fit"],
    ["fixed-point map --activation relu --one", "--one is for fit, got map"],
  ])("%s: ignores no option of another action", async (line, message) => {
    await expect(check(line)).rejects.toThrow(message);
  });

  it("takes the options of an action, several inputs and defaults that are spelled out", async () => {
    for (const line of [
      "attention gamma --p 3 --positions known --kind accumulator",
      "attention audit @model.onnx --input a=@keys.npy --input b=@keys.npy --seed 3",
      "series converge --bits 4 --digits signed",
      "regimes classify --width 4 --depth 3 --b 2",
      "fixed-point map --activation relu --max-p 3",
    ])
      expect(await check(line)).toEqual([]);
  });
});
