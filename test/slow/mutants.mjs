// Puts small faults into the sources and looks whether a test fails:
//
//     npm run mutants -- [--seed 1] [--count 60] [--area graph,program,series,model] [--file src/graph/specialize.ts] [--tests test/graph,test/series] [--json]
//     npm run mutants -- --area assembly
//
// A fault is an operator, a comparison, a bound, a constant or a condition that is another (mutants/faults.mjs). All that are drawn are put into one copy of the project at once, each behind a switch, those of
// assembly/ in a scalar and a SIMD build of the core, in which the same one is on; every test runs once as it is, and once more for each fault that it reaches and no test before it has
// killed (mutants/runner.ts). What is computed when a module is loaded is tried in a process of its own, on the tests that name most of what the file defines; so is what has survived its seconds, on whole files whose tests reach it and had
// not been tried. Prints killed, survived and unreached;
// a survivor either wants a test or changes no behaviour, which a reader must decide (mutants.md has what became of earlier ones).
import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import "../support/typescript.mjs";
import { asText } from "../../scripts/wasm-text.mjs";
import { faultsOf, switched } from "./mutants/faults.mjs";

const { Random } = await import("../support/random.ts");
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The files of each area; of assembly/ what is in the core. */
const AREAS = {
  graph: ["src/graph"],
  program: ["src/program"],
  series: ["src/series"],
  model: ["src/model"],
  assembly: ["depthwise", "gemm", "math", "recurrent", "series", "spatial", "tensor", "layout.ts", "step.ts"].map(
    (name) => `assembly/${name}`,
  ),
};

/** The quick tests. */
const TESTS = [
  ...["operators", "program", "graph", "gemm", "series", "model", "onnx", "cases", "core"],
  ...["early", "edge-cases", "pairs", "progressive", "schedule", "verify"].map((name) => `session/${name}.test.ts`),
];

/** Tests of time, which fail on a machine that does other things too, and of whole networks. */
const LEFT_OUT = ["graph/linear-time", "graph/models", "core/parts", "core/refused-hosts"];

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "60" },
    area: { type: "string", default: "graph,program,series,model" },
    file: { type: "string" },
    tests: { type: "string", default: TESTS.map((name) => `test/${name}`).join(",") },
    json: { type: "boolean", default: false },
  },
});

/** Test files that are tried on what is computed when a module is loaded. */
const NAMING = 8;
/** Test files that a survivor is tried on as wholes. */
const WHOLE = 6;
/** A fault that is on for so long, on a machine that may be busy, does not come to its end. */
const ENDLESS_SECONDS = 180;

function filesOf(path) {
  if (path.endsWith(".ts")) return [path];
  return readdirSync(join(ROOT, path), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith("index.ts"))
    .map((name) => join(path, name))
    .sort();
}

function sampled() {
  const random = new Random(Number(options.seed));
  const pool = options.area
    .split(",")
    .flatMap((area) => AREAS[area].flatMap(filesOf))
    .filter((file) => options.file === undefined || file === options.file)
    .flatMap((file) =>
      faultsOf(readFileSync(join(ROOT, file), "utf8"), { assembly: file.startsWith("assembly") }).map((fault) => ({
        file,
        ...fault,
      })),
    );
  return Array.from({ length: Math.min(Number(options.count), pool.length) }, (_, id) => ({
    id,
    ...pool.splice(random.integer(0, pool.length - 1), 1)[0],
  }));
}

/** The project with switches for the faults. */
function copied(faults) {
  const copy = mkdtempSync(join(tmpdir(), "mutants-"));
  const SKIP = new Set(["node_modules", ".git", "bench", "coverage", "site"].map((name) => join(ROOT, name)));
  cpSync(ROOT, copy, { recursive: true, filter: (path) => !SKIP.has(path), preserveTimestamps: true });
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  mkdirSync(join(copy, "state"));
  const config = `import base from "./vitest.config.mjs";
export default { ...base, test: { ...base.test, globalSetup: [], runner: "./test/slow/mutants/runner.ts", maxWorkers: 2 } };\n`;
  writeFileSync(join(copy, "mutants.config.mjs"), config);
  const core = faults.filter(({ file }) => file.startsWith("assembly"));
  putInto(
    copy,
    faults.filter((fault) => !core.includes(fault)),
    (id) => `globalThis.__fault?.(${id})`,
    "",
  );
  if (core.length > 0) buildCore(copy, core);
  return copy;
}

function putInto(copy, faults, call, tail) {
  for (const file of new Set(faults.map((fault) => fault.file))) {
    const text = readFileSync(join(ROOT, file), "utf8");
    const own = faults.filter((fault) => fault.file === file);
    writeFileSync(join(copy, file), switched(text, own, call) + (own.length > 0 ? tail : ""));
  }
}

/** Both builds of the core with the switches; a fault that the compiler does not take, which wants a constant or has types that do not meet, is `refused`. */
function buildCore(copy, faults) {
  const tail = `\n@external("env", "fault") declare function __fault(id: i32): bool;\n`;
  for (const name of ["scalar", "simd"]) {
    for (;;) {
      for (const { file } of faults) cpSync(join(ROOT, file), join(copy, file));
      putInto(
        copy,
        faults.filter((fault) => !fault.refused),
        (id) => `__fault(${id})`,
        tail,
      );
      const asc = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
      const { status, stderr } = spawnSync(process.execPath, [asc, `assembly/${name}.ts`, "--target", name], {
        cwd: copy,
        encoding: "utf8",
      });
      if (status === 0) break;
      const places = [...stderr.matchAll(/in (assembly\/[\w/]+\.ts)\((\d+),/g)].map(
        ([, file, line]) => `${file}:${line}`,
      );
      const refused = faults.filter(({ file, line, refused }) => !refused && places.includes(`${file}:${line}`));
      if (refused.length === 0) throw new Error(stderr);
      for (const fault of refused) fault.refused = true;
    }
    const code = `export default "${asText(readFileSync(join(copy, `build/${name}.wasm`)))}";\n`;
    const modules = name === "scalar" ? ["scalar"] : ["simd-common", "simd-rest"];
    for (const module of modules) writeFileSync(join(copy, `build/${module}.js`), code);
  }
}

/** Who goes on for ever, or has ended its process, is seen by its test. */
function endEndless(state, seconds = ENDLESS_SECONDS) {
  for (const name of readdirSync(state).filter((one) => one.startsWith("trying-"))) {
    const path = join(state, name);
    const info = statSync(path, { throwIfNoEntry: false });
    if (info === undefined || Date.now() - info.mtimeMs < seconds * 1000) continue;
    appendFileSync(join(state, "killed"), `${readFileSync(path, "utf8")} by its end\n`);
    rmSync(path);
    try {
      process.kill(Number(name.slice("trying-".length)), "SIGKILL");
    } catch {
      // It is gone.
    }
  }
}

/** vitest over the tests; whoever is endless there is ended. Its exit code. */
function vitest(copy, tests, env) {
  const state = join(copy, "state");
  const left = LEFT_OUT.flatMap((name) => ["--exclude", `test/${name}.test.ts`]);
  const args = ["node_modules/vitest/vitest.mjs", "run", "--config", "mutants.config.mjs", "--reporter=dot"];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...args, ...left, ...tests], {
      cwd: copy,
      stdio: "ignore",
      detached: true,
      env: { ...process.env, ...env, MUTANTS_STATE: state },
    });
    const watch = setInterval(() => endEndless(state), 5000);
    const end = "MUTANTS_ON" in env ? setTimeout(() => process.kill(-child.pid, "SIGKILL"), 2000 * ENDLESS_SECONDS) : 0;
    child.on("close", (code) => {
      clearInterval(watch);
      clearTimeout(end);
      resolve(code);
    });
  });
}

/** Tries the tests in processes of their own, once as they are and once with the fault on: whether it is killed; undefined where they fail without it. */
async function triedAlone(copy, id, tests) {
  const [sound, faulty] = [
    await vitest(copy, tests, { MUTANTS_ON: "-2" }),
    await vitest(copy, tests, { MUTANTS_ON: String(id) }),
  ];
  return sound === 0 ? faulty !== 0 : undefined;
}

/** Files with tests that a survivor has not been tried on, those first that name most of what it is in. */
function untried(copy, { id, file }) {
  const path = join(copy, "state/skipped");
  const lines = existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  const own = new Set(
    lines.filter((line) => Number.parseInt(line, 10) === id).map((line) => line.replace(/^\d+ /, "")),
  );
  return [...new Set([...naming(file).filter((test) => own.has(test)), ...own])].slice(0, WHOLE);
}

/** Ids in the lines of a file of the state, with what follows them. */
function linesOf(copy, name) {
  const path = join(copy, "state", name);
  if (!existsSync(path)) return new Map();
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return new Map(lines.map((line) => [Number.parseInt(line, 10), line.replace(/^\d+ ?/, "")]));
}

/** The tests that name most of what a file exports, operators included; a word counts the less, the more tests have it. */
function naming(file) {
  const text = readFileSync(join(ROOT, file), "utf8");
  const names = [
    ...[...text.matchAll(/^ {2}"[a-z.]*\/(\w+)":/gm)].map((match) => match[1]),
    ...[...text.matchAll(/^export (?:async )?(?:function|const|class) (\w+)/gm)].map((match) => match[1]),
  ];
  const weights = names.map((name) => [name, 1 / Math.max(1, texts.filter(({ words }) => words.has(name)).length)]);
  return texts
    .map(({ path, words }) => ({ path, score: weights.reduce((sum, [n, w]) => sum + (words.has(n) ? w : 0), 0) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, NAMING)
    .map(({ path }) => path);
}

const texts = options.tests
  .split(",")
  .flatMap((folder) =>
    folder.endsWith(".ts")
      ? [folder]
      : readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  )
  .filter((path) => path.endsWith(".test.ts"))
  .map((path) => ({
    path,
    words: new Set(readFileSync(join(ROOT, path), "utf8").match(/[A-Za-z][A-Za-z0-9]{2,}/g)),
  }));

const faults = sampled();
const copy = copied(faults);
try {
  await vitest(copy, options.tests.split(","), {});
  endEndless(join(copy, "state"), 0);
  const [killed, reached] = [linesOf(copy, "killed"), linesOf(copy, "spent")];
  for (const { id, file } of faults.filter(({ once }) => once)) {
    const tests = naming(file);
    if (tests.length === 0) continue;
    const isKilled = await triedAlone(copy, id, tests);
    if (isKilled !== undefined) (isKilled ? killed : reached).set(id, "");
  }
  for (const fault of faults.filter(({ id }) => reached.has(id) && !killed.has(id))) {
    const tests = untried(copy, fault);
    if (tests.length > 0 && (await triedAlone(copy, fault.id, tests))) killed.set(fault.id, "a second look");
  }
  const tried = faults.filter(({ refused }) => !refused);
  const outcomes = tried.map((fault) => ({
    fault: `${fault.file}:${fault.line}: ${fault.shown}`,
    outcome: killed.has(fault.id) ? "killed" : reached.has(fault.id) ? "SURVIVED" : "UNREACHED",
    by: killed.get(fault.id) ?? "",
  }));
  const count = outcomes.filter(({ outcome }) => outcome === "killed").length;
  if (options.json) console.log(JSON.stringify({ killed: count, of: tried.length, outcomes }));
  else {
    for (const { fault, outcome, by } of outcomes) console.log(`${outcome.padEnd(9)} ${fault}${by && ` [${by}]`}`);
    console.log(`${count} of ${tried.length} killed`);
  }
} finally {
  rmSync(copy, { recursive: true });
}
