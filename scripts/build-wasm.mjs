// Compiles assembly/ into build/<name>.wasm and, beside each, build/<name>.js with the same bytes as text (wasm-text.mjs),
// so that no path problem can exist where a bundler or a worker loads the package. build/<name>.workerd.js is for workerd, which
// compiles nothing while it runs, but gives a module for the file; package.json's "imports" chooses between the two. With a build of the core goes its checked twin, which tests use.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { buildChecked } from "./build-checked.mjs";
import { makeHeader } from "./make-header.mjs";
import { asText } from "./wasm-text.mjs";

const root = new URL("../", import.meta.url);
mkdirSync(new URL("build/", root), { recursive: true });

const only = process.argv.slice(2);
const { targets } = JSON.parse(readFileSync(new URL("asconfig.json", root), "utf8"));
for (const name of Object.keys(targets)) {
  // "simd" is also what begins with it: its two parts.
  if (only.length > 0 && !only.some((one) => name === one || name.startsWith(`${one}-`))) continue;
  compile(`assembly/${name}.ts`, "--target", name);
  const bytes = readFileSync(new URL(`build/${name}.wasm`, root));
  // The SIMD build is bundled in two parts; whole, it is for those who load the file.
  if (name !== "simd") writeFileSync(new URL(`build/${name}.js`, root), `export default "${asText(bytes)}";\n`);
  writeFileSync(new URL(`build/${name}.workerd.js`, root), `export { default } from "./${name}.wasm";\n`);
  const type = "string | WebAssembly.Module";
  writeFileSync(new URL(`build/${name}.d.ts`, root), `declare const code: ${type};\nexport default code;\n`);
  const module = "declare const module: WebAssembly.Module;\nexport default module;\n";
  writeFileSync(new URL(`build/${name}.workerd.d.ts`, root), module);
  console.log(`build/${name}.wasm ${bytes.length} bytes`);
  if (name !== "scalar" && name !== "simd") continue;
  // The same build for hosts without JavaScript: build/bitbasis-<name>.wasm.
  compile("--config", "asconfig.standalone.json", "--target", name);
  await buildChecked(name);
}
await makeHeader();

function compile(...options) {
  const asc = fileURLToPath(new URL("node_modules/assemblyscript/bin/asc.js", root));
  const { status } = spawnSync(process.execPath, [asc, ...options], { cwd: fileURLToPath(root), stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
