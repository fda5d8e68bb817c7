// Faults of a batch over Redis: 2,000 jobs over 4 workers, a mixed fleet (this node with the best build and with the scalar one, node 26 and bun where npm has them), which are
// killed at random (SIGKILL) and started again; Redis is killed once, with its log on disk, and started again. Every output must be there once, with the bytes of a run on the
// threads of one process.
//
//     npm run batch:faults [-- JOBS]
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { dump } from "npyjs";
import { installedBinary } from "../test/runtimes/npm.mjs";

const MAIN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const MODEL = fileURLToPath(new URL("../test/fixtures/models/fmnist_mobilenet.onnx", import.meta.url));
const JOBS = Number(process.argv[2] ?? 2000);
const KILLS = 8;
const VERIFY = 50;

if (spawnSync("redis-server", ["--version"]).status !== 0) {
  console.error("redis-server is not installed: apt-get install redis-server");
  process.exit(1);
}

let state = 2463534242;
/** Xorshift of 32 bits (Marsaglia 2003), from 0 to 1. */
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}

const folder = mkdtempSync(join(tmpdir(), "bitbasis-faults-"));
const port = await freePort();
const url = `redis://127.0.0.1:${port}`;
mkdirSync(join(folder, "in"));
for (let i = 0; i < JOBS; i++) {
  const pixels = Float32Array.from({ length: 784 }, (_, j) => ((j * 37 + 101 * i) % 256) / 255 + i / 65536);
  writeFileSync(join(folder, `in/n${String(i).padStart(5, "0")}.npy`), new Uint8Array(dump(pixels, [1, 1, 28, 28])));
}

const FLEET = [
  [process.execPath],
  [process.execPath, "--build", "scalar"],
  await another("node@26"),
  await another("bun"),
];
const WORKERS = FLEET.length;

let redis = startRedis();
const workers = FLEET.map((_, i) => startWorker(i));
const begun = performance.now();
const batch = run([
  "batch",
  MODEL,
  join(folder, "in"),
  "--output",
  join(folder, "remote"),
  "--redis",
  url,
  "--verify",
  String(VERIFY),
  "--json",
]);
let over = false;
batch.then(() => {
  over = true;
});
let kills = 0;
let restarts = 0;
// Faults are spread over the batch by how much of it is done.
while (!over) {
  const part = done() / JOBS;
  if (kills < KILLS && part > (kills + 0.5) / (KILLS + 1)) {
    const at = Math.floor(random() * WORKERS);
    workers[at].kill("SIGKILL");
    workers[at] = startWorker(at);
    kills++;
  }
  if (restarts === 0 && part > 0.5) {
    redis.kill("SIGKILL");
    await new Promise((resolve) => redis.once("exit", resolve));
    redis = startRedis();
    restarts++;
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
}
const { status, stdout, stderr } = await batch;
const seconds = (performance.now() - begun) / 1000;
for (const child of [...workers, redis]) child.kill("SIGKILL");

const local = await run([
  "batch",
  MODEL,
  join(folder, "in"),
  "--output",
  join(folder, "local"),
  "--workers",
  "1",
  "--json",
]);
const lines = readFileSync(join(folder, "remote/journal.jsonl"), "utf8").trim().split("\n");
const names = readdirSync(join(folder, "local")).filter((name) => name.endsWith(".npy") || name === "results.jsonl");
const differing = names.filter(
  (name) =>
    !existsSync(join(folder, "remote", name)) ||
    !readFileSync(join(folder, "remote", name)).equals(readFileSync(join(folder, "local", name))),
);
const report = {
  jobs: JOBS,
  workers: FLEET.map(([program, ...options]) => [basename(program), versionOf(program), ...options].join(" ")),
  workersKilled: kills,
  redisKilled: restarts,
  seconds: Math.round(10 * seconds) / 10,
  ...JSON.parse(stdout),
  linesOfTheJournal: lines.length,
  filesCompared: names.length,
  filesThatDiffer: differing.length,
};
console.log(JSON.stringify(report, undefined, 2));
rmSync(folder, { recursive: true });
const whole =
  status === 0 && local.status === 0 && lines.length === JOBS && names.length === JOBS + 1 && differing.length === 0;
if (!whole) {
  console.error(stderr);
  process.exitCode = 1;
}

function done() {
  try {
    return readFileSync(join(folder, "remote/journal.jsonl"), "utf8").split("\n").length - 1;
  } catch {
    return 0;
  }
}

function startRedis() {
  return spawn(
    "redis-server",
    ["--port", String(port), "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", ""],
    { stdio: "ignore" },
  );
}

function startWorker(i) {
  const [program, ...options] = FLEET[i];
  return spawn(program, [MAIN, "worker", "--redis", url, "--workers", "1", ...options], { stdio: "ignore" });
}

function versionOf(program) {
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} does not start`);
  return stdout.trim();
}

/** A runtime that npm installs; this one where it cannot. */
async function another(name) {
  try {
    const binary = installedBinary(name, join(tmpdir(), `bitbasis-${name}`));
    versionOf(binary);
    return [binary];
  } catch (error) {
    console.error(`${name}: ${error.message}; a worker runs on ${process.version} instead`);
    return [process.execPath];
  }
}

function run(args) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.once("close", (status) => resolve({ status, stdout, stderr })));
}

async function freePort() {
  const probe = createServer().listen(0);
  await new Promise((resolve) => probe.once("listening", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
