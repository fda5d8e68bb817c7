import { cac } from "cac";
import { describe, expect, it } from "vitest";
import { STDIO } from "../../src/cli/stdio.ts";
import { integer, positive, real } from "../../src/cli/usage.ts";
import { guarded, unguarded } from "../../src/cli/words.ts";

/** What a command sees of a command line. */
function seen(...words: readonly string[]): { args: unknown; options: Record<string, unknown> } {
  const cli = cac("x");
  cli
    .command("do <file> [...more]")
    .option("-o, --output <file>", "")
    .option("--range <LOW,HIGH>", "")
    .option("--json", "")
    .action(() => undefined);
  cli.parse(["node", "x", ...guarded(["do", ...words])], { run: false });
  const { "--": _, ...options } = unguarded(cli.options);
  return { args: unguarded(cli.args), options };
}

describe("words of a command line", () => {
  it.each(["007", "1e3", "0x10", "2024", ".5", "Infinity"])("leaves the file name %s alone", (name) => {
    expect(seen(name, name, "--output", name)).toEqual({ args: [name, name], options: { o: name, output: name } });
    expect(seen("a", `--output=${name}`).options["output"]).toBe(name);
    expect(seen("a", "--json", name)).toEqual({ args: ["a", name], options: { json: true } });
  });

  it("takes nothing for nothing", () => {
    expect(seen("", "-o", "")).toEqual({ args: [""], options: { o: "", output: "" } });
    expect(seen("a", "--output=", "--json")).toEqual({ args: ["a"], options: { o: "", output: "", json: true } });
  });

  it("takes numbers below 0 for values, not for options", () => {
    expect(seen("a", "--range", "-1,1").options["range"]).toBe("-1,1");
    expect(seen("a", "--range", "-.5,1", "--range=-2,2").options["range"]).toEqual(["-.5,1", "-2,2"]);
  });

  it("knows stdin and stdout", () => {
    expect(seen("-", "-o", "-")).toEqual({ args: [STDIO], options: { o: STDIO, output: STDIO } });
    expect(seen("a", "--output=-").options["output"]).toBe(STDIO);
  });

  it("reads numbers from words, and none from nothing", () => {
    expect([integer("--n", "007", 0, 9), real("--n", "-1e-3"), positive("--n", "0.5")]).toEqual([7, -1e-3, 0.5]);
    expect(() => integer("--n", "", 0, 9)).toThrow("--n expected an integer in 0..9, got ");
    expect(() => real("--n", " ")).toThrow("--n expected a number");
    expect(() => positive("--n", "0")).toThrow("--n expected a positive number, got 0");
  });
});
