// "The same bits in every runtime": runs digests.mjs in each runtime that npm can install and compares with the committed digests.
//
//   npm run build && npm run runtimes            all runtimes
//   npm run runtimes -- node@22 bun              some of them
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const RUNTIMES = {
  "node@20": { arguments: [] },
  "node@22": { arguments: [] },
  "node@24": { arguments: [] },
  "node@26": { arguments: [] },
  deno: { arguments: ["run", "--allow-read", "--allow-env"] },
  bun: { arguments: [] },
};

const script = fileURLToPath(new URL("digests.mjs", import.meta.url));
const expected = readFileSync(new URL("../fixtures/digests.json", import.meta.url), "utf8").trim();
const asked = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "bitbasis-runtimes-"));
let failed = 0;
for (const [name, runtime] of Object.entries(RUNTIMES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const home = join(folder, name.replace("@", "-"));
  const install = spawnSync("npm", ["install", "--silent", "--no-save", "--prefix", home, name], { encoding: "utf8" });
  const binary = join(home, "node_modules", ".bin", name.split("@")[0]);
  const { status, stdout, stderr, error } = spawnSync(binary, [...runtime.arguments, script], { encoding: "utf8" });
  if (error?.code === "ENOENT") {
    console.log(`${name}: skipped, npm could not install it: ${install.stderr.trim().split("\n")[0]}`);
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
