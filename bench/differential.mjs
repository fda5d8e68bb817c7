// Random graphs over all operators, opsets and types that the test suite can make, through bitbasis (float32), onnxruntime-node and the interpreter of the tests, which is the third
// opinion where the two differ:
//
//   (cd bench && npm ci --ignore-scripts) && node bench/differential.mjs [--count 1000] [--seed 1] [--nodes 6] [--only OPERATOR] [--verbose]
//
// Prints agreements, differences (with the seed that makes the graph again) and refusals by either side. Exit 1 where onnxruntime and the interpreter agree against us.
import { spawnSync } from "node:child_process";
import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import "../test/support/typescript.mjs";

const { InferenceSession, Tensor } = await import("../src/entries/index.ts");
const { writeOnnx } = await import("../src/onnx/index.ts");
const { disagreement } = await import("../test/support/fuzz/agree.ts");
const { randomGraph } = await import("../test/support/fuzz/random-graph.ts");
const { Refusal } = await import("../test/support/oracle/index.ts");
const ort = createRequire(import.meta.url)("onnxruntime-node");

const SLICE = 500;

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    nodes: { type: "string", default: "6" },
    only: { type: "string" },
    verbose: { type: "boolean", default: false },
    child: { type: "string" },
  },
});

async function ours(bytes, feeds) {
  const session = await InferenceSession.create(bytes, { preset: "float32" });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

async function theirs(bytes, feeds) {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4, graphOptimizationLevel: "disabled" });
  try {
    const given = Object.entries(feeds).map(([name, t]) => [name, new ort.Tensor(t.type, t.data, [...t.dims])]);
    const outputs = await session.run(Object.fromEntries(given));
    return Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, new Tensor(t.type, t.data, t.dims)]));
  } finally {
    await session.release();
  }
}

/** "agrees", "refuses: why" or "differs: why". */
async function opinion(run, graph, bytes, feeds) {
  let outputs;
  try {
    outputs = await run(bytes, feeds);
  } catch (error) {
    return `refuses: ${String(error.message).replaceAll(/\s+/g, " ").slice(0, 160)}`;
  }
  const why = disagreement(graph, feeds, outputs);
  return why === undefined ? "agrees" : `differs: ${why}`;
}

/** One line per seed on stdout: a process that onnxruntime ends by a division by zero loses one graph and no more. */
async function judge(first, end) {
  for (let seed = first; seed < end; seed++) {
    const { graph, feeds } = randomGraph(seed, Number(options.nodes), options.only);
    const nodes = graph.nodes.map(({ op, attributes }) => `${op} ${JSON.stringify(attributes)}`).join("; ");
    const about = { seed, opset: graph.opsets[""], nodes: nodes.slice(0, 400) };
    writeSync(1, `${JSON.stringify(about)}\n`);
    const bytes = writeOnnx(graph);
    try {
      const we = await opinion(ours, graph, bytes, feeds);
      writeSync(1, `${JSON.stringify({ we })}\n`);
      writeSync(1, `${JSON.stringify({ they: await opinion(theirs, graph, bytes, feeds) })}\n`);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      writeSync(1, `${JSON.stringify({ we: "unjudged", they: "unjudged" })}\n`);
    }
  }
}

/** The verdicts of seeds from `first` on, as far as a process came. */
function slice(first, end) {
  const args = [
    ...process.execArgv,
    fileURLToPath(import.meta.url),
    ...process.argv.slice(2),
    "--child",
    `${first}:${end}`,
  ];
  const { stdout } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const rows = [];
  for (const line of stdout.split("\n").filter((text) => text !== "")) {
    const part = JSON.parse(line);
    if ("seed" in part) rows.push({ we: "crashes", they: "crashes", ...part });
    else Object.assign(rows.at(-1), part);
  }
  return rows;
}

function judgeAll() {
  const counts = new Map();
  const first = Number(options.seed);
  const end = first + Number(options.count);
  for (let seed = first; seed < end; ) {
    const rows = slice(seed, Math.min(end, seed + SLICE));
    if (rows.length === 0) throw new Error(`nothing came from the process that began with seed ${seed}`);
    for (const { seed: own, opset, nodes, we: ours, they: theirs } of rows) {
      const [we, they] = [ours, theirs].map((verdict) => verdict.split(":")[0]);
      const key = `bitbasis ${we}, onnxruntime ${they}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      const against = we === "differs" || we === "crashes" || (we === "refuses" && they === "agrees");
      if (against || options.verbose) console.log(`seed ${own}, opset ${opset}: ${ours} | ${theirs}\n    ${nodes}`);
      if (we === "crashes" || (we === "differs" && they === "agrees")) process.exitCode = 1;
    }
    seed = rows.at(-1).seed + 1;
  }
  console.table(Object.fromEntries([...counts].sort()));
}

if (options.child === undefined) judgeAll();
else await judge(...options.child.split(":").map(Number));
