// "The same bits in every runtime": runs the networks of networks.mjs in every runtime that can be had, prints the table of digests, and compares
// with the committed ones.
//
//   npm run build && npm run runtimes            all runtimes
//   npm run runtimes -- node@22 bun firefox      some of them
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Missing } from "./missing.mjs";
import { RUNTIMES } from "./runtimes.mjs";
import { digestTable } from "./table.mjs";

const committed = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
const expected = { ...committed("../fixtures/digests.json"), ...committed("digests.json") };
const folder = mkdtempSync(join(tmpdir(), "bitbasis-runtimes-"));
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in RUNTIMES));
if (unknown.length > 0) {
  console.error(`no runtime ${unknown.join(", ")}; there are ${Object.keys(RUNTIMES).join(", ")}`);
  process.exit(1);
}

const [rows, failed] = [{}, []];
for (const [name, run] of Object.entries(RUNTIMES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  try {
    rows[name] = await run(name, join(folder, name.replace(/\W/g, "-")), "digests");
  } catch (error) {
    if (error instanceof Missing) console.error(`${name}: skipped: ${error.message}`);
    else failed.push(`${name}: ${error.message}`);
  }
}
rmSync(folder, { recursive: true, force: true });

const { text, different } = digestTable(rows, expected);
console.log(text);
for (const one of failed) console.log(`FAILED ${one}`);
for (const one of different) console.log(`OTHER BITS ${one}`);
const wrong = failed.length + different.length;
console.log(wrong === 0 ? "no runtime differs" : `${wrong} results differ or fail`);
process.exitCode = wrong === 0 ? 0 : 1;
