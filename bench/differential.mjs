// Random graphs over all operators, opsets and types that the test suite can make, through bitbasis (float32), onnxruntime-node and the interpreter of the tests, which is the third
// opinion where the two differ:
//
//   (cd bench && npm ci --ignore-scripts) && node bench/differential.mjs [--count 1000] [--seed 1] [--nodes 6] [--only OPERATOR] [--verbose]
//
// Prints agreements, differences (with the seed that makes the graph again) and refusals by either side. Exit 1 where onnxruntime and the interpreter agree against us.
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import "../test/support/typescript.mjs";

const { InferenceSession, Tensor } = await import("../src/entries/index.ts");
const { writeOnnx } = await import("../src/onnx/index.ts");
const { disagreement } = await import("../test/support/fuzz/agree.ts");
const { randomGraph } = await import("../test/support/fuzz/random-graph.ts");
const { Refusal } = await import("../test/support/oracle/index.ts");
const ort = createRequire(import.meta.url)("onnxruntime-node");

const { values: options } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    nodes: { type: "string", default: "6" },
    only: { type: "string" },
    verbose: { type: "boolean", default: false },
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

const counts = new Map();
const first = Number(options.seed);
for (let seed = first; seed < first + Number(options.count); seed++) {
  const { graph, feeds } = randomGraph(seed, Number(options.nodes), options.only);
  const bytes = writeOnnx(graph);
  let verdicts;
  try {
    verdicts = [await opinion(ours, graph, bytes, feeds), await opinion(theirs, graph, bytes, feeds)];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    verdicts = ["the interpreter refuses", "the interpreter refuses"];
  }
  const [we, they] = verdicts.map((verdict) => verdict.split(":")[0]);
  const key = `bitbasis ${we}, onnxruntime ${they}`;
  counts.set(key, (counts.get(key) ?? 0) + 1);
  const against = we === "differs" || (we === "refuses" && they === "agrees");
  if (against || options.verbose) {
    const nodes = graph.nodes.map(({ op, attributes }) => `${op} ${JSON.stringify(attributes)}`);
    console.log(
      `seed ${seed}, opset ${graph.opsets[""]}: ${verdicts.join(" | ")}\n    ${nodes.join("; ").slice(0, 400)}`,
    );
  }
  if (we === "differs" && they === "agrees") process.exitCode = 1;
}
console.table(Object.fromEntries([...counts].sort()));
