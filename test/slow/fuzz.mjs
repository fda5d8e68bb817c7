// Damaged and random models against three oracles (test/support/fuzz/judge.ts):
//
//     npm run fuzz -- [--seed 1] [--count 1000000] [--slice 5000] [--only INDEX] [--json]
//
// Inputs: valid random graphs over all operators; the same with fields, edges, types, extents, versions and names changed; with bytes changed; committed small models (and those
// of the folder in BITBASIS_FUZZ_MODELS) with bytes changed; containers with their graph, plan or tables changed and right digests. Input INDEX of a seed is always the same;
// --only judges one and writes it to fuzz-INDEX.bin. Counts by outcome; exit 1 when there is a fault.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { refreshModules } from "../../scripts/fresh-builds.mjs";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1000000" },
    slice: { type: "string", default: "5000" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [seed, count, slice] = [values.seed, values.count, values.slice].map(Number);
const LOADER = new URL("../support/typescript.mjs", import.meta.url).href;
const CHILD = fileURLToPath(new URL("../support/fuzz/child.ts", import.meta.url));
const FAULTS = ["bare", "outside", "unwritten", "differs", "slow", "large"];

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
  const counts = Object.fromEntries(FAULTS.map((outcome) => [outcome, 0]));
  const faults = [];
  for (let first = 0; first < count; ) {
    const { done, next } = await runSlice(first, Math.min(slice, count - first), faults);
    for (const [outcome, n] of Object.entries(done)) counts[outcome] = (counts[outcome] ?? 0) + n;
    first = next;
    if (!values.json) process.stderr.write(`\r${first} of ${count}, ${faults.length} faults `);
  }
  if (!values.json) process.stderr.write("\n");
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
function runSlice(first, length, faults) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", LOADER, CHILD, String(seed), String(first), String(length)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let [done, last] = [undefined, first];
    createInterface({ input: child.stdout }).on("line", (line) => {
      const message = JSON.parse(line);
      if (message.done !== undefined) done = message.done;
      else {
        faults.push(message);
        if (!values.json) process.stderr.write(`\n${JSON.stringify(message)}\n`);
        last = message.index;
      }
    });
    child.on("close", (code) => {
      if (done !== undefined) return resolve({ done, next: first + length });
      if (!["slow", "large"].includes(faults.at(-1)?.outcome))
        throw new Error(`the slice from ${first} ended with ${code}`);
      resolve({ done: { [faults.at(-1).outcome]: 1 }, next: last + 1 });
    });
  });
}
