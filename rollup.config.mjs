import { rmSync } from "node:fs";
import { basename, dirname, relative } from "node:path";
import nodeResolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";
import { plainEnums } from "./scripts/rollup-enums.mjs";

const plugins = [nodeResolve({ browser: true }), plainEnums(), terser({ module: true, compress: { passes: 2 } })];

/** A chunk has the name of its module, or of the folder that the module is the index of. */
function chunkFileNames({ name, facadeModuleId }) {
  return `${name === "index" && facadeModuleId ? basename(dirname(facadeModuleId)) : name}.js`;
}

/** A file with the common part of the simd build inlined; what few need – other builds, rare operators, the reader of ONNX files – is chunks that load when they are asked for. */
export function download(input, dir) {
  return {
    input,
    // Else what the entry shares with a chunk moves to a third file, and the entry is a line that fetches it.
    preserveEntrySignatures: "allow-extension",
    output: { dir, format: "es", chunkFileNames },
    plugins,
  };
}

/** What runs in a worker has a bundle of its own: it shares nothing with the download. */
const worker = {
  input: "dist/parallel/worker.js",
  output: { file: "dist/web/worker.js", format: "es" },
  plugins,
};

/** Entries of the package that Node's `require` may ask for. */
const COMMONJS = ["advise", "attention", "fixed-point", "index", "ort", "quantize", "receipt", "regimes", "series"];

/** Modules find what lies beside them: workers. */
const besideModules = {
  name: "beside-modules",
  resolveImportMeta: (property, { moduleId }) =>
    property === "url"
      ? `require("node:url").pathToFileURL(require("node:path").join(__dirname, "..", "${relative("dist", moduleId)}")).href`
      : null,
};

/** The same for `require`, where a runner of tests, or an old Node, loads no ECMAScript modules. */
const commonjs = {
  input: {
    ...Object.fromEntries(COMMONJS.map((name) => [name, `dist/entries/${name}.js`])),
    pool: "dist/pool/index.js",
  },
  external: ["onnxruntime-common"],
  output: {
    dir: "dist/commonjs",
    format: "cjs",
    exports: "named",
    dynamicImportInCjs: false,
    entryFileNames: "[name].cjs",
    chunkFileNames: (chunk) => chunkFileNames(chunk).replace(/\.js$/, ".cjs"),
  },
  plugins: [
    nodeResolve(),
    plainEnums(),
    besideModules,
    terser({ compress: { passes: 2 }, mangle: { toplevel: true } }),
  ],
};

export default () => {
  // Chunks of another day have other names.
  for (const folder of ["dist/web", "dist/commonjs"]) rmSync(folder, { recursive: true, force: true });
  return [download({ bitbasis: "dist/entries/index.js" }, "dist/web"), worker, commonjs];
};
