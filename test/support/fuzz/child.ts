// The process in which a slice of the inputs is judged. A second thread looks whether the first still moves: an input that takes more than 5 CPU seconds or a
// process of more than 1 GB is a fault, and the end of the process; the parent goes on behind it.
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

const counts: Record<string, number> = {};
for (let index = first; index < first + count; index++) {
  Atomics.store(progress, 0, index);
  const { kind, bytes, feeds, graph } = await inputOf(seed, index);
  const { outcome, why } = await judge(bytes, feeds, graph);
  counts[outcome] = (counts[outcome] ?? 0) + 1;
  if (FAULTS.has(outcome)) writeSync(1, `${JSON.stringify({ index, kind, outcome, why })}\n`);
}
writeSync(1, `${JSON.stringify({ done: counts })}\n`);
process.exit(0);
