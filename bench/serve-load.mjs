// Load of `bitbasis serve`: 10,000 requests at a concurrency of 32, of mixed shapes, in JSON and as binary data, one in a hundred malformed; then an open stream of
// requests at 70 % of the capacity that was seen; a worker is ended in the middle of the first. The server runs in a process of its own, whose memory is read.
//
//     npm run serve:load [-- REQUESTS]
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

const SELF = fileURLToPath(import.meta.url);
const MODEL = new URL("../test/fixtures/models/fmnist_mobilenet.onnx", import.meta.url);
const WORKERS = Math.max(1, Math.min(4, cpus().length));
const CONCURRENCY = 32;

const sums = [0];
let state = 12345;

if (process.env.BITBASIS_SERVE_LOAD === undefined) await measure(Number(process.argv[2] ?? 10_000));
else await host();

/** The server; ends a worker when it is told to, and tells its memory and CPU time. */
async function host() {
  const { Pool, poolModel } = await import("../dist/pool/index.js");
  const { InferenceServer, keyOf, makeLog, makeMetrics } = await import("../dist/serve/index.js");
  const entry = { name: "digits", version: "1", path: MODEL.pathname };
  let pool;
  const metrics = makeMetrics(() => pool);
  const models = [await poolModel(keyOf(entry), readFileSync(MODEL))];
  pool = await Pool.open(models, { workers: WORKERS, queue: 256, onLost: () => metrics.restarts.inc() });
  const server = new InferenceServer({
    pool,
    entries: [entry],
    metrics,
    log: makeLog("silent"),
    version: "0",
    maxBody: 2 ** 22,
    timeout: 30_000,
  });
  const port = await server.listen(0, "127.0.0.1");
  process.on("disconnect", () => process.exit());
  process.on("message", async (order) => {
    if (order === "kill") await pool.threads[0].terminate();
    if (order === "cost") process.send({ cost: { rss: process.memoryUsage().rss, cpu: process.cpuUsage() } });
    if (order === "end") {
      await server.drain();
      process.disconnect();
    }
  });
  process.send({ port });
}

async function measure(total) {
  const child = fork(SELF, { env: { ...process.env, BITBASIS_SERVE_LOAD: "1" } });
  const told = (key) =>
    new Promise((resolve) => {
      child.on("message", function hear(message) {
        if (!(key in message)) return;
        child.off("message", hear);
        resolve(message[key]);
      });
    });
  const cost = async () => {
    const answer = told("cost");
    child.send("cost");
    const { rss, cpu } = await answer;
    return { rss, cpuMs: (cpu.user + cpu.system) / 1000 };
  };
  const port = await told("port");
  const agent = new Agent({ keepAlive: true, maxSockets: 1024 });
  const send = (i) => post(agent, port, i % 100 === 99 ? malformed(i) : wellFormed(i));

  for (let i = 0; i < 98; i++) await send(i);
  const results = [];
  const rss = [];
  let next = 0;
  const before = await cost();
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (next < total) {
        const i = next++;
        if (i === Math.floor(total / 2)) child.send("kill");
        if (i % Math.ceil(total / 10) === 0) rss.push((await cost()).rss);
        results[i] = await send(i);
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  const after = await cost();
  rss.push(after.rss);
  const good = results.filter((_, i) => i % 100 !== 99);
  const bad = results.filter((_, i) => i % 100 === 99);
  const lost = good.filter(({ status }) => status === 503).length;
  const wrong = good.filter(({ status }) => status !== 200 && status !== 503).length;
  const clear = bad.filter(({ status, error }) => status >= 400 && status < 500 && error.length > 10).length;

  const rate = (0.7 * total) / seconds;
  const open = [];
  const count = Math.min(total, Math.ceil(20 * rate));
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    // A Poisson stream: intervals -ln(u) / rate, of a fixed sequence.
    const due = start + (i === 0 ? 0 : (intervals(i) / rate) * 1000);
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    open.push(send(i - (i % 100 === 99 ? 1 : 0)));
  }
  const times = (await Promise.all(open)).filter(({ status }) => status === 200).map(({ ms }) => ms);
  times.sort((a, b) => a - b);
  const [p50, p99] = [times[Math.floor(times.length / 2)], times[Math.floor(0.99 * times.length)]];
  const idle = rss.slice(2, -1);
  const growth = rss.at(-1) / Math.max(...idle.slice(0, Math.ceil(idle.length / 2)));
  const report = {
    workers: WORKERS,
    requests: total,
    perSecond: round(total / seconds),
    cpuMsOfTheServerPerRequest: round((after.cpuMs - before.cpuMs) / total),
    good: good.length,
    lostWithTheWorker: lost,
    otherErrorsOfGood: wrong,
    malformed: bad.length,
    clear4xx: clear,
    rssMB: rss.map((bytes) => Math.round(bytes / 1e6)),
    rssEndOverFirstHalf: round(growth),
    at70Percent: {
      perSecond: round(rate),
      answered: times.length,
      asked: count,
      p50: round(p50),
      p99: round(p99),
      ratio: round(p99 / p50),
    },
  };
  console.log(JSON.stringify(report, undefined, 2));
  child.send("end");
  agent.destroy();
  const ok =
    wrong === 0 && lost <= 1 && clear === bad.length && growth < 1.2 && p99 <= 5 * p50 && times.length === count;
  if (!ok) process.exitCode = 1;
}

/** The i-th arrival of a Poisson process of rate 1. */
function intervals(i) {
  while (sums.length <= i) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    sums.push(sums.at(-1) - Math.log((state + 1) / 2 ** 32));
  }
  return sums[i];
}

function wellFormed(i) {
  const rows = 1 + (i % 4);
  const pixels = Float32Array.from({ length: 784 * rows }, (_, j) => ((j * 37 + i) % 255) / 255);
  const input = { name: "image", shape: [rows, 1, 28, 28], datatype: "FP32" };
  if (i % 2 === 0) return { body: Buffer.from(JSON.stringify({ inputs: [{ ...input, data: Array.from(pixels) }] })) };
  const head = Buffer.from(
    JSON.stringify({
      inputs: [{ ...input, parameters: { binary_data_size: pixels.byteLength } }],
      parameters: { binary_data_output: true },
    }),
  );
  return {
    body: Buffer.concat([head, Buffer.from(pixels.buffer)]),
    headers: { "inference-header-content-length": head.length },
  };
}

function malformed(i) {
  const bodies = [
    "{",
    '{"inputs":[]}',
    '{"inputs":[{"name":"image","shape":[1,1,28,28],"datatype":"FP32","data":[1]}]}',
    '{"inputs":[{"name":"x"}]}',
    "\0",
  ];
  return { body: Buffer.from(bodies[Math.floor(i / 100) % bodies.length]) };
}

function post(agent, port, { body, headers }) {
  const begun = performance.now();
  return new Promise((resolve) => {
    const sent = request(
      {
        port,
        agent,
        method: "POST",
        path: "/v2/models/digits/infer",
        headers: { ...headers, "content-length": body.length },
      },
      (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const { statusCode: status } = response;
          resolve({ status, ms: performance.now() - begun, error: status === 200 ? "" : JSON.parse(text).error });
        });
      },
    );
    sent.on("error", (error) => resolve({ status: 0, ms: 0, error: error.message }));
    sent.end(body);
  });
}

function round(value) {
  return Math.round(100 * value) / 100;
}
