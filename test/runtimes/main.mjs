// "The same bits in every runtime": runs the networks of networks.mjs in each runtime that npm can install, and in the browsers of this
// machine, and compares with the committed digests.
//
//   npm run build && npm run runtimes            all runtimes
//   npm run runtimes -- node@22 bun firefox      some of them
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runBrowser, runWorkerd } from "./bundled.mjs";

const script = fileURLToPath(new URL("digests.mjs", import.meta.url));
const expected = readFileSync(new URL("../fixtures/digests.json", import.meta.url), "utf8").trim();
const folder = mkdtempSync(join(tmpdir(), "bitbasis-runtimes-"));

/** Runs a program of a package of npm. */
function fromNpm(run) {
  return (name, home) => {
    const install = spawnSync("npm", ["install", "--silent", "--no-save", "--prefix", home, name], {
      encoding: "utf8",
    });
    if (install.status !== 0) return { error: { code: "ENOENT" }, why: install.stderr.trim().split("\n")[0] };
    return run(join(home, "node_modules", ".bin", name.split("@")[0]), home);
  };
}

const program = (...before) => fromNpm((binary) => spawnSync(binary, [...before, script], { encoding: "utf8" }));

const RUNTIMES = {
  "node@20": program(),
  "node@22": program(),
  "node@24": program(),
  "node@26": program(),
  deno: program("run", "--allow-read"),
  bun: program(),
  workerd: fromNpm(runWorkerd),
  chromium: runBrowser,
  firefox: runBrowser,
};

const asked = process.argv.slice(2);
let failed = 0;
for (const [name, run] of Object.entries(RUNTIMES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const home = join(folder, name.replace("@", "-"));
  mkdirSync(home);
  const { status, stdout, stderr, error, why = "this machine does not have it" } = await run(name, home);
  if (error?.code === "ENOENT") {
    console.log(`${name}: skipped: ${why}`);
  } else if (status === 0 && stdout.trim() === expected) {
    console.log(`${name}: the same bits`);
  } else {
    failed++;
    console.log(`${name}: ${status === 0 ? "OTHER BITS" : `failed: ${stderr.trim().split("\n").slice(-3).join(" ")}`}`);
  }
}
rmSync(folder, { recursive: true });
console.log(failed === 0 ? "no runtime differs" : `${failed} runtimes differ or fail`);
process.exitCode = failed === 0 ? 0 : 1;
