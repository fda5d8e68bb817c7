// Runs each test as it is, sees which switches it asks, and runs it again with each of them on (faults.mjs): the fault is killed where the test then fails. What an earlier test has killed is not tried again.
//
// MUTANTS_STATE names a folder: `killed` gets a line for each that is killed, `spent` for the seconds that each was on in a test file, `skipped` for a file some of whose tests it was not tried on, `trying-PID` says which is on, for the case
// that it ends the process. MUTANTS_ON is one that is on from the start, for what is computed when a module is loaded, and for a second look: then tests are run once.
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunnerTestCase } from "vitest";
import { VitestTestRunner } from "vitest/runners";

/** CPU seconds that a fault gets, as long as no test fails for it, and of these in one file: where hundreds of cases reach it, those of another file differ more. */
const SECONDS = 15;
const SECONDS_IN_FILE = 1.5;
/** A fault that makes a loop endless asks its switch more often than these times as the test without it. */
const OFTEN = 100;

const state = process.env["MUTANTS_STATE"]!;
const constant = process.env["MUTANTS_ON"];

let on = constant === undefined ? -1 : Number(constant);
let left = Number.POSITIVE_INFINITY;
let asked = new Map<number, number>();

function fault(id: number): boolean {
  if (on === id && --left < 0) throw new Error(`the fault ${id} goes on for ever`);
  if (on < 0) asked.set(id, (asked.get(id) ?? 0) + 1);
  return on === id;
}
Object.assign(globalThis, { __fault: fault });

const { instantiate } = WebAssembly;
WebAssembly.instantiate = ((module: WebAssembly.Module, imports: { env: object }) =>
  instantiate(module, { ...imports, env: { ...imports.env, fault } })) as unknown as typeof WebAssembly.instantiate;

const lines = (name: string): string[] =>
  existsSync(join(state, name)) ? readFileSync(join(state, name), "utf8").split("\n") : [];
const killed = new Set(lines("killed").map((line) => Number.parseInt(line, 10)));
/** Seconds that faults have had in test files before this one, each of which has a process, and in this one. */
const spent = new Map<number, number>();
for (const line of lines("spent")) {
  const [id, seconds] = line.split(" ").map(Number) as [number, number];
  spent.set(id, (spent.get(id) ?? 0) + (seconds ?? 0));
}
const before = new Map(spent);
/** Faults that have had their seconds, and a file with tests that reach them and have not been tried. */
const skipped = new Map<number, string>();

export default class extends VitestTestRunner {
  async runTask(test: RunnerTestCase): Promise<void> {
    const run = VitestTestRunner.getTestFn(test as never);
    asked = new Map();
    await run();
    if (constant !== undefined) return;
    for (const [id, times] of asked) {
      const had = spent.get(id) ?? 0;
      if (killed.has(id)) continue;
      if (had > SECONDS || had - (before.get(id) ?? 0) > SECONDS_IN_FILE) {
        skipped.set(id, test.file.name);
        continue;
      }
      const begun = process.cpuUsage();
      const failed = await fails(run, id, times);
      const { user, system } = process.cpuUsage(begun);
      spent.set(id, had + (user + system) / 1e6);
      // What fails a second time without the fault says nothing of it.
      if (failed && !(await fails(run, -1, 0))) {
        killed.add(id);
        appendFileSync(join(state, "killed"), `${id} ${test.file.name}: ${test.name.replaceAll("\n", " ")}\n`);
      }
    }
    left = Number.POSITIVE_INFINITY;
  }

  override onAfterRunFiles(): void {
    super.onAfterRunFiles();
    const own = [...spent].map(([id, seconds]) => `${id} ${seconds - (before.get(id) ?? 0)}\n`);
    appendFileSync(join(state, "spent"), own.join(""));
    appendFileSync(join(state, "skipped"), [...skipped].map((one) => `${one.join(" ")}\n`).join(""));
  }
}

async function fails(run: () => unknown, id: number, times: number): Promise<boolean> {
  const trying = join(state, `trying-${process.pid}`);
  writeFileSync(trying, String(id));
  [on, left] = [id, OFTEN * times + 10_000];
  try {
    await run();
    return false;
  } catch {
    return true;
  } finally {
    on = -1;
    rmSync(trying);
  }
}
