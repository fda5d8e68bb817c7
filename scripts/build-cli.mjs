// Bundles dist/cli/ into dist/bin/, with the packages that only the command line needs, so that those who import the library do not install
// them; their licences go with them. The modules of the library stay where they are and are imported. rolldown, since cli-progress is CommonJS.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));

function external(id) {
  if (/^(node:|#|pbf|vega|bullmq|ioredis)/.test(id)) return true;
  const folder = relative(DIST, id).split("/")[0];
  return id.startsWith(DIST) && !["cli", "experiments", "serve", "batch", "sweep"].includes(folder);
}

const bundle = await rolldown({
  input: { bitbasis: `${DIST}cli/main.js`, "sweep-thread": `${DIST}sweep/sweep-thread.js` },
  platform: "node",
  external,
});
rmSync(`${DIST}bin`, { recursive: true, force: true });
// Of two inputs rolldown takes the modules outside for relative to `dir`, so that is what holds them.
const names = "bin/[name].js";
const { output } = await bundle.write({ dir: DIST, format: "es", entryFileNames: names, chunkFileNames: names });

const packages = new Set(
  output.flatMap(({ moduleIds = [] }) =>
    moduleIds.flatMap((id) => /^.*\/node_modules\/(@[^/]+\/)?[^/]+\//.exec(id)?.[0] ?? []),
  ),
);
const licences = [...packages].sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}package.json`, "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? "" : `\n${readFileSync(folder + file, "utf8").trim()}\n`;
  return `${name} ${version}, ${license}\n${text}`;
});
writeFileSync(`${DIST}bin/LICENSES.txt`, licences.join("\n----\n\n"));
