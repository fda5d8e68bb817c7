// Makes build/component-scalar.wasm and build/component-simd.wasm, components that export wasi:nn: node scripts/build-component.mjs FOLDER, where npm's
// @bytecodealliance/jco is installed, which is too large (340 MB) to be a dependency.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import binaryen from "assemblyscript/binaryen";

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const jco = join(process.argv[2] ?? ".", "node_modules/@bytecodealliance/jco/dist/api.js");
const { componentEmbed, componentNew } = await import(pathToFileURL(jco).href);
const witSource = readFileSync(path("native/component/world.wit"), "utf8");

const of = (name) => `wasi:nn/${name}@0.2.0-rc-2024-06-25#`;
/** Names of the canonical ABI for what assembly/component.ts exports. */
const NAMES = {
  allocate: ["cabi_realloc"],
  tensorNew: [`${of("tensor")}[constructor]tensor`],
  tensorDimensions: [`${of("tensor")}[method]tensor.dimensions`],
  tensorType: [`${of("tensor")}[method]tensor.ty`],
  tensorData: [`${of("tensor")}[method]tensor.data`],
  tensorDrop: [`${of("tensor")}[dtor]tensor`],
  errorNew: [`${of("errors")}[constructor]error`],
  errorCode: [`${of("errors")}[method]error.code`],
  errorData: [`${of("errors")}[method]error.data`],
  errorDrop: [`${of("errors")}[dtor]error`],
  loadGraph: [`${of("graph")}load`],
  loadByName: [`${of("graph")}load-by-name`],
  initContext: [`${of("graph")}[method]graph.init-execution-context`],
  drop: [`${of("graph")}[dtor]graph`, `${of("inference")}[dtor]graph-execution-context`],
  compute: [`${of("inference")}[method]graph-execution-context.compute`],
};

for (const build of ["scalar", "simd"]) {
  const file = path(`build/component-${build}.wasm`);
  const asc = [
    path("node_modules/assemblyscript/bin/asc.js"),
    "--config",
    "asconfig.component.json",
    "--target",
    build,
  ];
  const { status } = spawnSync(process.execPath, asc, { cwd: path(""), stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  const module = binaryen.readBinary(readFileSync(file));
  module.setFeatures(binaryen.Features.All);
  for (const [name, given] of Object.entries(NAMES)) {
    const { value } = binaryen.getExportInfo(module.getExport(name));
    module.removeExport(name);
    for (const one of given) module.addFunctionExport(value, one);
  }
  const core = await componentEmbed({ binary: module.emitBinary(), witSource, world: "bitbasis" });
  writeFileSync(file, await componentNew(core, []));
  module.dispose();
}
