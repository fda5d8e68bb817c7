// Compiles assembly/ into build/<name>.wasm and, beside each, build/<name>.js with the same bytes as text (wasm-text.mjs),
// so that no path problem can exist where a bundler or a worker loads the package. build/<name>.workerd.js is for workerd, which
// compiles nothing while it runs, but gives a module for the file; package.json's "imports" chooses between the two. With a build of the core goes its checked twin, which tests use.
//
// `node scripts/build-wasm.mjs [name…]`: all, or those named; "simd" is also what begins with it, its two parts. As many compilers run at once as there are cores: each is one thread.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { makeHeader } from "./make-header.mjs";
import { asText } from "./wasm-text.mjs";

const root = new URL("../", import.meta.url);
const asc = fileURLToPath(new URL("node_modules/assemblyscript/bin/asc.js", root));
const checked = fileURLToPath(new URL("build-checked.mjs", import.meta.url));
mkdirSync(new URL("build/", root), { recursive: true });

const only = process.argv.slice(2);
const { targets } = JSON.parse(readFileSync(new URL("asconfig.json", root), "utf8"));
const names = Object.keys(targets).filter(
  (name) => only.length === 0 || only.some((one) => name === one || name.startsWith(`${one}-`)),
);
const core = names.filter((name) => name === "scalar" || name === "simd");
// The longest first.
const tasks = [
  ...core.map((name) => () => node(checked, name)),
  // The same build for hosts without JavaScript: build/bitbasis-<name>.wasm.
  ...core.map((name) => () => node(asc, "--config", "asconfig.standalone.json", "--target", name)),
  ...names.map((name) => () => compile(name)),
  ...(core.length > 0 ? [() => node(checked, "guard")] : []),
];
await Promise.all(Array.from({ length: availableParallelism() }, worker));
await makeHeader();

async function worker() {
  for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) await task();
}

async function compile(name) {
  await node(asc, `assembly/${name}.ts`, "--target", name);
  const bytes = readFileSync(new URL(`build/${name}.wasm`, root));
  // The SIMD build is bundled in two parts; whole, it is for those who load the file.
  if (name !== "simd") writeFileSync(new URL(`build/${name}.js`, root), `export default "${asText(bytes)}";\n`);
  writeFileSync(new URL(`build/${name}.workerd.js`, root), `export { default } from "./${name}.wasm";\n`);
  const type = "string | WebAssembly.Module";
  writeFileSync(new URL(`build/${name}.d.ts`, root), `declare const code: ${type};\nexport default code;\n`);
  const module = "declare const module: WebAssembly.Module;\nexport default module;\n";
  writeFileSync(new URL(`build/${name}.workerd.d.ts`, root), module);
  console.log(`build/${name}.wasm ${bytes.length} bytes`);
}

/** A script in a process of its own; the build ends with the first that fails. */
async function node(...args) {
  const child = spawn(process.execPath, args, { cwd: fileURLToPath(root), stdio: "inherit" });
  const status = await new Promise((resolve) => child.on("close", resolve));
  if (status !== 0) process.exit(status ?? 1);
}
