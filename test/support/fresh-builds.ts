// vitest's global setup: tests never look at a stale build. Tests of the sources load the modules in build/, tests of the command line and of the committed digests
// run dist/. What is older than its sources is made again before any test: a module by the build script, a file of dist/ by erasing its types, which takes
// milliseconds where the whole of `npm run build` takes 15 s. (dist/web, dist/bin and the declarations are no test's matter and stay as they are.)
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export default function setup(): void {
  refreshModules(ROOT);
  refreshDist(ROOT);
}

/** Builds the WASM modules under `root` when one of them is older than what it is made of. */
export function refreshModules(root: string, build = buildModules): void {
  const { targets } = JSON.parse(readFileSync(join(root, "asconfig.json"), "utf8")) as { targets: object };
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
  const stale = Object.keys(targets).filter((name) => modified(join(root, "build", `${name}.wasm`)) < newest);
  if (stale.length > 0) build(root, stale);
}

function buildModules(root: string, names: readonly string[]): void {
  const { status } = spawnSync(process.execPath, [join(root, "scripts/build-wasm.mjs"), ...names], {
    stdio: "inherit",
  });
  if (status !== 0) throw new Error(`building ${names.join(", ")} from assembly/ failed`);
}

/** Makes the files of dist/ under `root` that are missing or older than their source, and takes away those whose source is gone; which they were. */
export function refreshDist(root: string): string[] {
  const [from, to] = [join(root, "src"), join(root, "dist")];
  const sources = filesUnder(from, ".ts").filter((path) => !path.endsWith(".d.ts"));
  const outputs = new Map(sources.map((path) => [join(to, relative(from, path)).replace(/\.ts$/, ".js"), path]));
  const changed: string[] = [];
  for (const [output, source] of outputs) {
    if (modified(output) >= modified(source)) continue;
    mkdirSync(dirname(output), { recursive: true });
    writeFileSync(output, erase(readFileSync(source, "utf8")));
    changed.push(relative(root, output));
  }
  for (const output of filesUnder(to, ".js")) {
    if (outputs.has(output) || /^(web|bin)/.test(relative(to, output))) continue;
    rmSync(output);
    changed.push(relative(root, output));
  }
  return changed;
}

function erase(source: string): string {
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
function modified(path: string): number {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function filesUnder(folder: string, ending: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ending))
    .map((path) => join(folder, path));
}
