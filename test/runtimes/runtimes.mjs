// The runtimes that the networks run in: those that npm can install, the browsers of this machine, and what has no JavaScript. Each runs a job of
// networks.mjs; what cannot be had is an error whose message says why.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { runBrowser, runWorkerd } from "./bundled.mjs";
import { runComponent } from "./component.mjs";
import { Missing } from "./missing.mjs";
import { installedBinary } from "./npm.mjs";
import { runC, runWabt, runWasmtime } from "./without-javascript.mjs";

const SCRIPT = fileURLToPath(new URL("job.mjs", import.meta.url));

/** Runs a program of a package of npm. */
function fromNpm(run) {
  return (name, home, job) => run(installedBinary(name, home), home, job);
}

function program(binary, job, before = []) {
  const { status, stdout, stderr, error } = spawnSync(binary, [...before, SCRIPT, job], { encoding: "utf8" });
  if (error?.code === "ENOENT") throw new Missing("npm has no binary for this machine");
  if (status !== 0) throw new Error(error?.message ?? stderr.trim().split("\n").slice(-3).join(" "));
  return JSON.parse(stdout);
}

const node = fromNpm((binary, _, job) => program(binary, job));

/** Without JavaScript: digests only. Each of the tools, with options, ends with 0 where it is there. */
function native(run, ...tools) {
  return async (_, home, job) => {
    if (job !== "digests") throw new Missing("program images are timed in docs/without-javascript.md");
    const absent = tools.filter(([tool, ...options]) => spawnSync(tool, options).status !== 0);
    if (absent.length > 0) throw new Missing(`${absent.map((one) => one.join(" ")).join(", ")} cannot be run`);
    return run(home);
  };
}

const versioned = (tool) => [tool, "--version"];

/** By name: `(name, folder, job)` to what the job finds. */
export const RUNTIMES = {
  "node@20": node,
  "node@22": node,
  "node@24": node,
  "node@26": node,
  deno: fromNpm((binary, _, job) => program(binary, job, ["run", "--allow-read"])),
  bun: node,
  workerd: fromNpm(runWorkerd),
  chromium: runBrowser,
  firefox: runBrowser,
  webkit: runBrowser,
  "plain C": native(runC, ...["wasm2c", "cc", "ar"].map(versioned)),
  wasmtime: native(runWasmtime, ["python3", "-c", "import wasmtime"]),
  "wasi:nn component": native(runComponent),
  "wabt's interpreter": native(runWabt, ...["wasm2wat", "wat2wasm", "wasm-interp"].map(versioned)),
};
