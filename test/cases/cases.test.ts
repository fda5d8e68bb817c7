import { type ChildProcess, fork } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { CASES, type Case, readCase } from "./contract.ts";
import { KNOWN } from "./known.ts";

const CHILD = fileURLToPath(new URL("child.ts", import.meta.url));
const LOADER = new URL("../support/typescript.mjs", import.meta.url).href;
/** For cases that state no limit of their own. */
const SECONDS = 30;
const MEGABYTES = 1000;

let child: ChildProcess | undefined;

/** Runs a case in the child; what is wrong, or undefined. */
async function failureOf({ name, seconds = SECONDS, megabytes }: Case): Promise<string | undefined> {
  // What a process once had it keeps: a case with a limit of its own starts from a fresh one.
  if (megabytes !== undefined) end();
  child ??= fork(CHILD, { execArgv: ["--import", LOADER], serialization: "advanced" });
  const running = child;
  return new Promise((resolve) => {
    const ended = (_: number | null, signal: string | null): void => {
      if (running === child) child = undefined;
      if (signal === "SIGKILL") resolve(`not finished after ${seconds} CPU seconds`);
      else if (signal === "SIGTERM") resolve(`more than ${megabytes ?? MEGABYTES} MB`);
      else resolve("the process ended");
    };
    running.once("exit", ended);
    running.once("message", ({ failure }: { failure?: string }) => {
      running.off("exit", ended);
      resolve(failure);
    });
    running.send({ name, seconds, megabytes: megabytes ?? MEGABYTES });
  });
}

function end(): void {
  child?.removeAllListeners();
  child?.kill();
  child = undefined;
}

afterAll(end);

const names = readdirSync(CASES)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length));

describe("cases", () => {
  it("are all read, and the list of known failures names nothing else", () => {
    expect(names.length).toBeGreaterThanOrEqual(122);
    expect(Object.keys(KNOWN).filter((name) => !names.includes(name))).toEqual([]);
  });

  it.each(names.filter((name) => !(name in KNOWN)))("%s", async (name) => {
    const c = readCase(name);
    expect((await failureOf(c)) ?? "passes", c.why).toBe("passes");
  });
});

// A case that passes must leave the list, else nothing would see it break again.
it("known failures still fail", async () => {
  for (const name of Object.keys(KNOWN)) {
    expect((await failureOf(readCase(name))) ?? "passes", `take ${name} out of known.ts`).not.toBe("passes");
  }
});
