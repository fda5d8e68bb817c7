// Puts small faults into the sources, one at a time, and looks whether a test fails:
//
//     npm run mutants -- [--seed 1] [--count 40] [--area graph,program,series,model,assembly] [--file src/graph/specialize.ts] [--quick] [--json]
//
// A fault is an operator, a comparison, a bound, a constant, a condition or an early return that is another. The work is done in a copy of the project, so the tree that is worked in stays as it is; modules of assembly/
// are built again by the tests' global setup. First run the tests that name most of what the file defines, then those of the area from the quickest to the slowest, and all stop at the first that fails; a test that fails
// without the fault too ends the search. --quick leaves out the slowest of the area. Prints killed and survived with the line of each survivor; a survivor either wants a test or changes no behaviour, which a reader must decide.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import ts from "typescript";
import "../support/typescript.mjs";

const { Random } = await import("../support/random.ts");
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SECONDS = 900;

/** Tests of each area, the quickest first. */
const AREAS = {
  graph: [
    "test/program/standard.test.ts",
    "test/graph test/operators",
    "test/session/edge-cases.test.ts test/onnx test/cases",
  ],
  program: ["test/program test/operators", "test/session/edge-cases.test.ts", "test/gemm test/session test/cases"],
  series: ["test/series", "test/quantize test/model", "test/session"],
  model: ["test/model", "test/quantize test/session"],
  assembly: ["test/program", "test/gemm test/series", "test/session"],
};

/** Tests of time: they fail on a machine that does other things too, and would be taken for killers. */
const TIMED = ["abort", "gaps", "kernel-times", "limits", "relaxed", "soak", "throttled"].flatMap((name) => [
  "--exclude",
  `test/session/${name}.test.ts`,
]);

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "40" },
    area: { type: "string", default: Object.keys(AREAS).join(",") },
    file: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

/** Test files that run before those of the area. */
const NAMING = 8;

const SWAPS = new Map([
  ["+", "-"],
  ["-", "+"],
  ["*", "+"],
  ["/", "*"],
  ["%", "*"],
  ["<", "<="],
  ["<=", "<"],
  [">", ">="],
  [">=", ">"],
  ["===", "!=="],
  ["!==", "==="],
  ["==", "!="],
  ["!=", "=="],
  ["&&", "||"],
  ["||", "&&"],
  ["??", "&&"],
  ["<<", ">>"],
  [">>", "<<"],
  ["&", "|"],
  ["|", "&"],
]);

/** Every fault that the file may get: where, how long, and what comes instead. */
function faultsOf(text) {
  const source = ts.createSourceFile("x.ts", text, ts.ScriptTarget.Latest, true);
  const faults = [];
  const put = (node, to) => faults.push({ at: node.getStart(), length: node.getWidth(), to });
  const visit = (node) => {
    // A message is not behaviour, and a type is none either.
    if (ts.isTypeNode(node) || ts.isThrowStatement(node) || ts.isImportDeclaration(node) || ts.isEnumDeclaration(node))
      return;
    if (ts.isBinaryExpression(node)) {
      const to = SWAPS.get(node.operatorToken.getText());
      if (to !== undefined) put(node.operatorToken, to);
    } else if (ts.isNumericLiteral(node))
      put(node, node.text === "0" ? "1" : node.text === "1" ? "0" : `${Number(node.text) + 1}`);
    else if (node.kind === ts.SyntaxKind.TrueKeyword) put(node, "false");
    else if (node.kind === ts.SyntaxKind.FalseKeyword) put(node, "true");
    else if (ts.isIfStatement(node)) put(node.expression, `!(${node.expression.getText()})`);
    else if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken)
      put(node, node.operand.getText());
    else if (
      ts.isPropertyAccessExpression(node) &&
      ["min", "max"].includes(node.name.text) &&
      node.expression.getText() === "Math"
    )
      put(node.name, node.name.text === "min" ? "max" : "min");
    else if (ts.isPropertyAccessExpression(node) && ["floor", "ceil"].includes(node.name.text))
      put(node.name, node.name.text === "floor" ? "ceil" : "floor");
    ts.forEachChild(node, visit);
  };
  visit(source);
  return faults;
}

function filesOf(area) {
  const folder = area === "assembly" ? "assembly" : `src/${area}`;
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith("index.ts") && !path.includes("__tests__"))
    .map((path) => join(folder, path))
    .sort();
}

function sampled() {
  const random = new Random(Number(options.seed));
  const pool = options.area.split(",").flatMap((area) =>
    filesOf(area)
      .filter((file) => options.file === undefined || file === options.file)
      .flatMap((file) => faultsOf(readFileSync(join(ROOT, file), "utf8")).map((fault) => ({ area, file, ...fault }))),
  );
  return Array.from(
    { length: Math.min(Number(options.count), pool.length) },
    () => pool.splice(random.integer(0, pool.length - 1), 1)[0],
  );
}

const tests = readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".test.ts") && !TIMED.includes(`test/${path}`))
  .map((path) => ({ path: `test/${path}`, words: wordsOf(readFileSync(join(ROOT, "test", path), "utf8")) }));

function wordsOf(text) {
  return new Set(text.match(/[A-Za-z][A-Za-z0-9]{2,}/g));
}

/** The tests that name most of what a file exports, operators included; a word counts the less, the more tests have it. */
function naming(file) {
  const text = readFileSync(join(ROOT, file), "utf8");
  const names = [
    ...[...text.matchAll(/^ {2}"[a-z.]*\/(\w+)":/gm)].map((match) => match[1]),
    ...[...text.matchAll(/^export (?:async )?(?:function|const|class) (\w+)/gm)].map((match) => match[1]),
  ];
  const weights = names.map((name) => [name, 1 / Math.max(1, tests.filter(({ words }) => words.has(name)).length)]);
  return tests
    .map(({ path, words }) => ({ path, score: weights.reduce((sum, [n, w]) => sum + (words.has(n) ? w : 0), 0) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, NAMING)
    .map(({ path }) => path);
}

/** The first test file that fails among these files and folders; undefined when none does. */
function failing(copy, list) {
  const report = join(copy, "report.json");
  rmSync(report, { force: true });
  const { status } = spawnSync(
    "npx",
    ["vitest", "run", "--bail", "1", "--reporter=json", `--outputFile=${report}`, ...TIMED, ...list],
    { cwd: copy, stdio: "ignore", timeout: SECONDS * 1000 },
  );
  if (status === 0) return undefined;
  // One that hangs, or that ends the whole process, is told by no report.
  if (!existsSync(report)) return list.join(" ");
  const failed = JSON.parse(readFileSync(report, "utf8")).testResults.find((result) => result.status === "failed");
  return failed === undefined ? list.join(" ") : failed.name.slice(realpathSync(copy).length + 1);
}

/** The tests that fail with the fault; undefined when none does. */
function killer(copy, area, file) {
  const folders = AREAS[area].map((list) => list.split(" "));
  for (const list of [naming(file), ...(options.quick ? folders.slice(0, -1) : folders)]) {
    const found = list.length === 0 ? undefined : failing(copy, list);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Tests that pass without a fault. */
const sound = new Set();

const copy = mkdtempSync(join(tmpdir(), "mutants-"));
const SKIP = new Set(["node_modules", ".git", "bench", "coverage"].map((name) => join(ROOT, name)));
cpSync(ROOT, copy, { recursive: true, filter: (path) => !SKIP.has(path), preserveTimestamps: true });
symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
const results = [];
try {
  for (const { area, file, at, length, to } of sampled()) {
    const text = readFileSync(join(ROOT, file), "utf8");
    writeFileSync(join(copy, file), text.slice(0, at) + to + text.slice(at + length));
    const tests = killer(copy, area, file);
    writeFileSync(join(copy, file), text);
    if (tests !== undefined && !sound.has(tests)) {
      if (failing(copy, tests.split(" ")) !== undefined) throw new Error(`${tests} fails without any fault`);
      sound.add(tests);
    }
    const line = text.slice(0, at).split("\n").length;
    const fault = `${file}:${line}: ${text.slice(at, at + length).slice(0, 60)} → ${to.slice(0, 60)}`;
    results.push({ fault, killed: tests !== undefined });
    if (!options.json)
      console.log(
        `${tests === undefined ? "SURVIVED" : "killed  "} ${fault}${tests === undefined ? "" : ` [${tests}]`}`,
      );
  }
} finally {
  rmSync(copy, { recursive: true });
}
const killed = results.filter((r) => r.killed).length;
if (options.json)
  console.log(
    JSON.stringify({ killed, of: results.length, survived: results.filter((r) => !r.killed).map((r) => r.fault) }),
  );
else console.log(`${killed} of ${results.length} killed`);
