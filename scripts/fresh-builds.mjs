// Makes again what is older than its sources: a WASM module by the build script, a JavaScript file by erasing the types of its TypeScript, which takes
// milliseconds where the whole of `npm run build` takes minutes. For `npm start`, and vitest's global setup: tests never look at a stale build. Tests of the
// sources load the modules in build/, tests of the command line and of the committed digests run dist/. (dist/web, dist/node, dist/commonjs, dist/bin and the declarations are not made here.)
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Vitest's global setup. */
export default function setup() {
  refreshModules(ROOT);
  refreshDist(ROOT);
}

/** Builds the WASM modules under `root`, or those that are named, when one of them is older than what it is made of. `build(root, names)` does it. */
export function refreshModules(root, { only, build = buildModules } = {}) {
  const { targets } = JSON.parse(readFileSync(join(root, "asconfig.json"), "utf8"));
  const sources = [
    join(root, "asconfig.json"),
    join(root, "asconfig.standalone.json"),
    join(root, "scripts/make-header.mjs"),
    join(root, "scripts/build-wasm.mjs"),
    join(root, "scripts/wasm-text.mjs"),
    ...filesUnder(join(root, "assembly"), ".ts"),
    ...filesUnder(join(root, "src/core/abi"), ".ts"),
  ];
  const newest = Math.max(...sources.map(modified));
  const names = only ?? Object.keys(targets);
  const stale = names.filter((name) => modified(join(root, "build", `${name}.wasm`)) < newest);
  if (stale.length > 0) build(root, stale);
}

function buildModules(root, names) {
  const { status } = spawnSync(process.execPath, [join(root, "scripts/build-wasm.mjs"), ...names], {
    // What it says is progress: the output of the program that needs the modules stays its own.
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) throw new Error(`building ${names.join(", ")} from assembly/ failed`);
}

/** Makes the files of dist/ under `root` that are missing or older than their source, and takes away those whose source is gone; which they were. */
export function refreshDist(root) {
  const to = join(root, "dist");
  const { outputs, changed } = erased(root, join(root, "src"), to);
  for (const output of filesUnder(to, ".js")) {
    if (outputs.has(output) || /^(web|node|bin)/.test(relative(to, output))) continue;
    rmSync(output);
    changed.push(relative(root, output));
  }
  return changed;
}

/** Makes the JavaScript of the TypeScript files under `from`, below `to`, where it is missing or older; all outputs, and those of them that were made. */
export function erased(root, from, to) {
  const sources = filesUnder(from, ".ts").filter((path) => !path.endsWith(".d.ts"));
  const outputs = new Set();
  const changed = [];
  for (const source of sources) {
    const output = join(to, relative(from, source)).replace(/\.ts$/, ".js");
    outputs.add(output);
    if (modified(output) >= modified(source)) continue;
    mkdirSync(dirname(output), { recursive: true });
    writeFileSync(output, erase(readFileSync(source, "utf8")));
    changed.push(relative(root, output));
  }
  return { outputs, changed };
}

function erase(source) {
  return ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      isolatedModules: true,
      rewriteRelativeImportExtensions: true,
    },
  }).outputText;
}

/** Milliseconds; 0 for a file that is not there. */
function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function filesUnder(folder, ending) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ending))
    .map((path) => join(folder, path));
}
