// The same networks in every runtime that can be had: the build that the runtime takes, one thread, the least of three repetitions of 100 ms.
// Their bits are what test/runtimes/ compares; here it is time.
//
//   npm run build && npm run bench:runtimes [-- node@22 bun firefox] [--out docs/bench]
//
// Writes runtimes.json, runtimes.md (a table) and runtimes.svg (a chart).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Missing } from "../test/runtimes/missing.mjs";
import { RUNTIMES } from "../test/runtimes/runtimes.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string", default: "docs/bench" } },
});
const unknown = positionals.filter((name) => !(name in RUNTIMES));
if (unknown.length > 0) throw new RangeError(`no runtime ${unknown}; there are ${Object.keys(RUNTIMES).join(", ")}`);

const folder = mkdtempSync(join(tmpdir(), "bitbasis-bench-"));
const [runtimes, missing] = [{}, {}];
for (const [name, run] of Object.entries(RUNTIMES)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  console.error(`${name} …`);
  try {
    runtimes[name] = await run(name, join(folder, name.replace(/\W/g, "-")), "times");
  } catch (error) {
    if (!(error instanceof Missing)) process.exitCode = 1;
    missing[name] = error.message;
  }
}
rmSync(folder, { recursive: true, force: true, maxRetries: 3 });

const keys = Object.keys(Object.values(runtimes)[0] ?? {});
const machine = `${cpus()[0].model.trim()}, ${cpus().length} cores`;
const text = markdown();
mkdirSync(values.out, { recursive: true });
writeFileSync(
  join(values.out, "runtimes.json"),
  `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), machine, runtimes, missing }, null, 2)}\n`,
);
writeFileSync(join(values.out, "runtimes.md"), text);
writeFileSync(join(values.out, "runtimes.svg"), chart());
console.log(text);

function markdown() {
  const rows = Object.entries(runtimes).map(([name, times]) => {
    const cells = keys.map((key) => `${times[key].runMs.toFixed(2)} (${times[key].createMs.toFixed(1)})`);
    return `| ${name} | ${cells.join(" | ")} |`;
  });
  const absent = Object.entries(missing).map(([name, why]) => `- Not measured: ${name}: ${why}`);
  return [
    "# The same networks in every runtime",
    "",
    `Milliseconds of one run of two pictures, in brackets of creating the session from the ONNX file: ${machine}, one thread. \`npm run bench:runtimes\` writes this.`,
    "",
    `| runtime | ${keys.join(" | ")} |`,
    `|---|${"---|".repeat(keys.length)}`,
    ...rows,
    "",
    ...(absent.length > 0 ? [...absent, ""] : []),
    "![](runtimes.svg)",
    "",
  ].join("\n");
}

/** Bars of a run's time: a group for each network and preset, each on a scale of its own. */
function chart() {
  const [row, left, width, names] = [16, 120, 400, Object.keys(runtimes)];
  const group = row * (names.length + 2);
  const escaped = (one) => one.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const groups = keys.map((key, g) => {
    const most = Math.max(...names.map((name) => runtimes[name][key].runMs));
    const bars = names.map((name, i) => {
      const { runMs } = runtimes[name][key];
      const [y, long] = [g * group + (i + 1) * row, ((width * runMs) / most).toFixed(1)];
      return `<text x="${left - 6}" y="${y + 12}" text-anchor="end">${escaped(name)}</text><rect x="${left}" y="${y + 2}" width="${long}" height="${row - 4}" fill="#4477aa"/><text x="${left + Number(long) + 5}" y="${y + 12}">${runMs.toFixed(2)} ms</text>`;
    });
    return `<text x="${left}" y="${g * group + 12}" font-weight="bold">${key}</text>${bars.join("")}`;
  });
  const size = [left + width + 80, group * keys.length];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size[0]}" height="${size[1]}" font-family="sans-serif" font-size="11"><title>Time of one run by runtime</title>${groups.join("\n")}</svg>\n`;
}
