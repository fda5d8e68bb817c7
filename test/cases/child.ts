// The process in which cases run, so that one that hangs or takes all memory is one failure and not the end of the tests. A second thread watches the first:
// it ends the process by SIGKILL when the case has had its CPU seconds, and by SIGTERM when it has more memory than it may.
import { Worker } from "node:worker_threads";
import { failureOf, readCase } from "./contract.ts";

export interface Limits {
  readonly seconds: number;
  readonly megabytes: number;
}

const WATCH = `
const { parentPort } = require("node:worker_threads");
let watched;
parentPort.on("message", (limits) => {
  watched = { ...limits, cpu: process.cpuUsage() };
  parentPort.postMessage("watching");
});
setInterval(() => {
  if (watched === undefined) return;
  const { user, system } = process.cpuUsage(watched.cpu);
  if ((user + system) / 1e6 > watched.seconds) process.kill(process.pid, "SIGKILL");
  if (process.memoryUsage.rss() / 1e6 > watched.megabytes) process.kill(process.pid, "SIGTERM");
}, 20);
`;

const watcher = new Worker(WATCH, { eval: true });

process.on("message", async ({ name, seconds, megabytes }: Limits & { name: string }) => {
  const idle = process.memoryUsage.rss() / 1e6;
  await new Promise((resolve) => {
    watcher.once("message", resolve);
    watcher.postMessage({ seconds, megabytes: idle + megabytes });
  });
  const failure = await failureOf(readCase(name)).catch((error: unknown) => `the runner failed: ${error}`);
  process.send!({ failure });
});
