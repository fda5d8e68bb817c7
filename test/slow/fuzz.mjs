// Damaged and random models against three oracles (test/support/fuzz/judge.ts):
//
//     npm run fuzz -- [--seed 1] [--first 0] [--count 1000000] [--slice 5000] [--only INDEX] [--json]
//
// Inputs: valid random graphs over all operators; the same with fields, edges, types, extents, versions and names changed; with bytes changed; committed small models (and those
// of the folder in BITBASIS_FUZZ_MODELS) with bytes changed; containers with their graph, plan or tables changed and right digests. Input INDEX of a seed is always the same;
// --only judges one and writes it to fuzz-INDEX.bin. Counts by outcome, after every slice those of the slice (a line of JSON each under --json), so that a search that is ended tells what it has seen,
// and another goes on behind it with --first; exit 1 when there is a fault.
import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { refreshModules } from "../../scripts/fresh-builds.mjs";
import { bundle } from "../support/bundle.mjs";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    first: { type: "string", default: "0" },
    count: { type: "string", default: "1000000" },
    slice: { type: "string", default: "5000" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [seed, first, count, slice] = [values.seed, values.first, values.count, values.slice].map(Number);
const CHILD = fileURLToPath(new URL("../support/fuzz/child.ts", import.meta.url));
const BUNDLE = fileURLToPath(new URL(`../../build/fuzz-${process.pid}.js`, import.meta.url));
/**
 * Every input takes ways of its own through the code, for a few milliseconds: what V8 optimizes on the way is thrown away again. Of 2,500 inputs (CPU seconds): 12.4 as Node is, 8.8 on
 * one thread, 5.3 when a function must run a million units to be optimized.
 */
const FLAGS = ["--single-threaded", "--sparkplug", "--interrupt-budget=1000000"];
const FAULTS = new Set(["bare", "outside", "unwritten", "differs", "slow", "large"]);

await import("../support/typescript.mjs");
// Modules older than their sources would be judged in the place of these.
refreshModules(fileURLToPath(new URL("../../", import.meta.url)));
if (values.only !== undefined) await judgeOne(Number(values.only));
else await judgeAll();

async function judgeOne(index) {
  const { inputOf } = await import("../support/fuzz/inputs.ts");
  const { judge } = await import("../support/fuzz/judge.ts");
  const { kind, bytes, feeds, graph } = await inputOf(seed, index);
  writeFileSync(`fuzz-${index}.bin`, bytes);
  console.log(kind, await judge(bytes, feeds, graph));
  if (graph !== undefined) console.dir({ opsets: graph.opsets, nodes: graph.nodes }, { depth: 6 });
}

async function judgeAll() {
  const counts = Object.fromEntries([...FAULTS].map((outcome) => [outcome, 0]));
  const faults = [];
  await bundle(CHILD, BUNDLE);
  try {
    for (let at = first; at < first + count; ) {
      const { seen, found, next } = await runSlice(at, Math.min(slice, first + count - at));
      faults.push(...found);
      for (const [outcome, n] of Object.entries(seen)) counts[outcome] = (counts[outcome] ?? 0) + n;
      if (values.json) console.log(JSON.stringify({ first: at, next, counts: seen, faults: found }));
      else console.log(`${at} to ${next}: ${JSON.stringify(seen)}`);
      at = next;
    }
  } finally {
    rmSync(BUNDLE);
  }
  const ordered = Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
  if (values.json) console.log(JSON.stringify({ counts: ordered, faults }));
  else {
    for (const fault of faults)
      console.log(`seed ${seed} input ${fault.index} (${fault.kind ?? "?"}): ${fault.outcome}: ${fault.why}`);
    console.table(ordered);
  }
  process.exitCode = faults.length > 0 ? 1 : 0;
}

/** One process for a slice; where it ends before its end, the next slice begins behind the input that ended it. */
function runSlice(from, length) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...FLAGS, BUNDLE, String(seed), String(from), String(length)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [seen, found] = [{}, []];
    let last;
    createInterface({ input: child.stdout }).on("line", (line) => {
      last = JSON.parse(line);
      seen[last.outcome] = (seen[last.outcome] ?? 0) + 1;
      if (!FAULTS.has(last.outcome)) return;
      found.push(last);
      if (!values.json) console.log(line);
    });
    child.on("close", (code) => {
      if (code !== 0 && !["slow", "large"].includes(last?.outcome))
        return reject(new Error(`the slice from ${from} ended with ${code} behind input ${last?.index}`));
      resolve({ seen, found, next: last.index + 1 });
    });
  });
}
