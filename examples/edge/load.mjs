// Load of the examples on this machine's loopback: time from the start to the first answer, then requests at a concurrency of 16, each of whose answers
// must be the one that a session here gives, and the memory of the processes.
//
//   npm run build && npm run edge:load [-- node workerd service-worker] [--requests 1000]
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { InferenceSession } from "bitbasis";
import { quantize } from "bitbasis/quantize";
import { installedBrowsers, serve, visit } from "../../test/hosts/browsers.mjs";
import { bundle, wasmModules } from "../../test/runtimes/bundled.mjs";
import { Missing } from "../../test/runtimes/missing.mjs";
import { installedBinary } from "../../test/runtimes/npm.mjs";
import { answerOf, PIXELS, pictureOf } from "./picture.mjs";

const HERE = fileURLToPath(new URL("./", import.meta.url));
const MODEL = new URL("../../test/fixtures/models/fmnist_mobilenet.onnx", import.meta.url);
const CONCURRENCY = 16;
const PICTURES = 8;
/** Resident memory may grow by as much from the first tenth of the requests to the last: a leak of 32 kB a request is found in 1,000. */
const FLAT_BYTES = 32e6;

const picture = (i) =>
  Float32Array.from({ length: PIXELS }, (_, at) => (Math.imul(at + i, 2654435761) >>> 8) / 2 ** 24);

/** What a session of this process answers to each picture. */
async function expectedAnswers(container) {
  const session = await InferenceSession.create(container);
  const answers = [];
  for (let i = 0; i < PICTURES; i++) {
    const image = await pictureOf(new Response(picture(i)));
    answers.push(answerOf((await session.run({ image })).logits.data));
  }
  await session.release();
  return answers;
}

/** Resident bytes of a process, as Linux tells. */
function resident(pid) {
  return 1024 * Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The first answer, however long the server takes to listen. */
async function firstAnswer(url, child) {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the server has ended: ${child.exitCode}`);
    try {
      return await post(url, 0);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function post(url, i) {
  const response = await fetch(url, { method: "POST", body: picture(i % PICTURES) });
  return `${response.status === 200 ? "" : response.status}${await response.text()}`;
}

/** The figures of a server that `start` spawns for a port. */
async function measure(start, requests, expected) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/classify`;
  const started = performance.now();
  const child = start(port);
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  try {
    const first = await firstAnswer(url, child);
    const coldStartMs = performance.now() - started;
    let [next, errors, early, wrong] = [0, 0, 0, undefined];
    const judge = (answer, i) => {
      if (answer === expected[i % PICTURES]) return;
      errors++;
      wrong ??= `expected ${expected[i % PICTURES]}, got ${answer}`;
    };
    judge(first, 0);
    const took = [];
    const client = async () => {
      while (next < requests) {
        const i = next++;
        const start = performance.now();
        const answer = await post(url, i).catch(String);
        took.push(performance.now() - start);
        judge(answer, i);
        if (took.length === Math.ceil(requests / 10)) early = resident(child.pid);
      }
    };
    const begun = performance.now();
    await Promise.all(Array.from({ length: CONCURRENCY }, client));
    const seconds = (performance.now() - begun) / 1000;
    const bad = await fetch(url, { method: "POST", body: "no picture" });
    if (bad.status !== 400) throw new Error(`a body that is no picture: expected status 400, got ${bad.status}`);
    const late = resident(child.pid);
    took.sort((a, b) => a - b);
    const [p50, p99] = [0.5, 0.99].map((share) => took[Math.floor(share * (took.length - 1))]);
    return { requests, errors, coldStartMs, p50, p99, perSecond: requests / seconds, early, late, wrong };
  } catch (error) {
    throw new Error(`${error.message} ${said.trim().split("\n").slice(-3).join(" ")}`);
  } finally {
    child.kill();
  }
}

const EXAMPLES = {
  async node(folder, requests, expected) {
    const start = (port) => spawn(process.execPath, [join(HERE, "node.mjs"), join(folder, "model.safetensors"), port]);
    return measure(start, requests, expected);
  },

  async workerd(folder, requests, expected) {
    const binary = installedBinary("workerd", join(folder, "npm"));
    const home = join(folder, "workerd");
    mkdirSync(home);
    await bundle(join(home, "bundle.mjs"), join(HERE, "workerd.mjs"), ["workerd"]);
    writeFileSync(join(home, "config.capnp"), workerdConfig(wasmModules(home), folder));
    const start = (port) =>
      spawn(binary, ["serve", "config.capnp", `--socket-addr=http=127.0.0.1:${port}`], { cwd: home });
    return measure(start, requests, expected);
  },

  async "service-worker"(folder, requests, expected) {
    const browser = Object.entries(installedBrowsers())[0];
    if (browser === undefined) throw new Missing("no browser on this machine");
    const site = join(folder, "site");
    mkdirSync(site);
    await bundle(join(site, "service-worker.mjs"), join(HERE, "service-worker.mjs"), ["browser"]);
    copyFileSync(join(folder, "model.safetensors"), join(site, "model.safetensors"));
    writeFileSync(
      join(site, "index.html"),
      '<!doctype html><title>bitbasis</title><script type="module" src="page.mjs"></script>',
    );
    const numbers = JSON.stringify({ requests, CONCURRENCY, PICTURES, PIXELS, expected });
    writeFileSync(join(site, "page.mjs"), `const given = ${numbers};\n(${pageLoad})(given);`);
    const server = await serve(site);
    try {
      const said = await visit(browser, `${server.origin}/`, server.report("load"));
      if (!said.startsWith("{")) throw new Error(said);
      return { ...JSON.parse(said), downloads: server.requests("/model.safetensors") };
    } finally {
      server.close();
    }
  },
};

/** Runs in the page. */
async function pageLoad({ requests, CONCURRENCY, PICTURES, PIXELS, expected }) {
  const send = (text) => fetch("/report/load", { method: "POST", body: text });
  const picture = (i) =>
    Float32Array.from({ length: PIXELS }, (_, at) => (Math.imul(at + i, 2654435761) >>> 8) / 2 ** 24);
  const post = async (i) => (await fetch("classify", { method: "POST", body: picture(i % PICTURES) })).text();
  try {
    const started = performance.now();
    await navigator.serviceWorker.register("service-worker.mjs", { type: "module" });
    while (!navigator.serviceWorker.controller) await new Promise((resolve) => setTimeout(resolve, 5));
    let [next, errors] = [0, (await post(0)) === expected[0] ? 0 : 1];
    const coldStartMs = performance.now() - started;
    const took = [];
    const client = async () => {
      while (next < requests) {
        const i = next++;
        const start = performance.now();
        if ((await post(i)) !== expected[i % PICTURES]) errors++;
        took.push(performance.now() - start);
      }
    };
    const begun = performance.now();
    await Promise.all(Array.from({ length: CONCURRENCY }, client));
    const perSecond = (1000 * requests) / (performance.now() - begun);
    took.sort((a, b) => a - b);
    const [p50, p99] = [0.5, 0.99].map((share) => took[Math.floor(share * (took.length - 1))]);
    await send(JSON.stringify({ requests, errors, coldStartMs, p50, p99, perSecond }));
  } catch (error) {
    await send(`failed: ${error.stack}`);
  }
}

function workerdConfig(modules, folder) {
  const embedded = ['(name = "bundle.mjs", esModule = embed "bundle.mjs")', ...modules].join(", ");
  return `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [(name = "main", worker = .worker), (name = "models", disk = ${JSON.stringify(folder)})],
      sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]);
    const worker :Workerd.Worker = (compatibilityDate = "2026-01-01", modules = [${embedded}],
      bindings = [(name = "MODELS", service = "models")]);`;
}

function line({ requests, errors, coldStartMs, p50, p99, perSecond, early, late, downloads, wrong }) {
  const memory = early === undefined ? "" : `; ${Math.round(early / 1e6)} MB, then ${Math.round(late / 1e6)} MB`;
  const network = downloads === undefined ? "" : `; the container was downloaded ${downloads} times`;
  return `${requests} requests, ${errors} errors; first answer after ${Math.round(coldStartMs)} ms; ${Math.round(perSecond)} a second, median ${p50.toFixed(1)} ms, 99 % ${p99.toFixed(1)} ms${memory}${network}${wrong === undefined ? "" : `; ${wrong}`}`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { requests: { type: "string", default: "1000" } },
});
const folder = mkdtempSync(join(tmpdir(), "bitbasis-edge-"));
const { bytes } = await quantize(new Uint8Array(readFileSync(MODEL)));
writeFileSync(join(folder, "model.safetensors"), bytes);
const expected = await expectedAnswers(bytes);
for (const name of positionals.length > 0 ? positionals : Object.keys(EXAMPLES)) {
  try {
    const found = await EXAMPLES[name](folder, Number(values.requests), expected);
    const { errors, early = 0, late = 0, downloads = 1 } = found;
    if (errors > 0 || late - early > FLAT_BYTES || downloads !== 1) process.exitCode = 1;
    console.log(`${name}: ${line(found)}${process.exitCode === 1 ? ": FAILED" : ""}`);
  } catch (error) {
    if (!(error instanceof Missing)) process.exitCode = 1;
    console.log(`${name}: ${error instanceof Missing ? "skipped" : "FAILED"}: ${error.message}`);
  }
}
rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
