// The process in which a slice of the inputs is judged. A second thread looks whether the first still moves: an input that takes more than 5 CPU seconds or a
// process of more than 1 GB is a fault, and the end of the process; the parent goes on behind it. A line for every input, so that none of those before that end is forgotten.
import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { inputOf } from "./inputs.ts";
import { FAULTS, judge } from "./judge.ts";

const [seed, first, count] = process.argv.slice(2).map(Number) as [number, number, number];
const SECONDS = 5;
const MEGABYTES = 1000;

const progress = new Int32Array(new SharedArrayBuffer(4));
const WATCH = `
const { workerData } = require("node:worker_threads");
const { writeSync } = require("node:fs");
let [index, cpu] = [-1, process.cpuUsage()];
setInterval(() => {
  const now = Atomics.load(workerData.progress, 0);
  if (now !== index) [index, cpu] = [now, process.cpuUsage()];
  const { user, system } = process.cpuUsage(cpu);
  const slow = (user + system) / 1e6 > workerData.seconds;
  if (!slow && process.memoryUsage.rss() / 1e6 < workerData.megabytes) return;
  writeSync(1, JSON.stringify({ index: now, outcome: slow ? "slow" : "large", why: "" }) + "\\n");
  process.kill(process.pid, "SIGKILL");
}, 50);
`;
new Worker(WATCH, { eval: true, workerData: { progress, seconds: SECONDS, megabytes: MEGABYTES } }).unref();

// After the module: what it imports when it is asked to stands in the same file, behind it (../bundle.mjs).
setImmediate(async () => {
  for (let index = first; index < first + count; index++) {
    Atomics.store(progress, 0, index);
    const { kind, bytes, feeds, graph } = await inputOf(seed, index);
    const { outcome, why } = await judge(bytes, feeds, graph);
    writeSync(1, `${JSON.stringify(FAULTS.has(outcome) ? { index, outcome, kind, why } : { index, outcome })}\n`);
  }
  process.exit(0);
});
