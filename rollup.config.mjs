import { rmSync } from "node:fs";
import { basename, dirname, relative } from "node:path";
import nodeResolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";
import { plainEnums } from "./scripts/rollup-enums.mjs";

/** What brotli makes least of, 0.5 kB less than by default: what is short elsewhere may be the same as somewhere else here. Functions become arrows: none is called with `new`. */
const smallest = {
  module: true,
  ecma: 2020,
  compress: { passes: 2, unsafe_arrows: true, sequences: false, comparisons: false, inline: 0 },
};
const plugins = [nodeResolve({ browser: true }), plainEnums(), terser(smallest)];

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
/** Those that `import` may. */
const ENTRIES = [...COMMONJS, "chosen", "transformers"];

/**
 * Bundles for Node, whose entries share chunks: to open hundreds of modules takes 160 ms of CPU time, to open these 39. They find what lies beside modules
 * of theirs, workers, where it was.
 */
function node(entries, dir, output, urlOf) {
  const besideModules = {
    name: "beside-modules",
    resolveImportMeta: (property, { moduleId }) => (property === "url" ? urlOf(relative("dist", moduleId)) : null),
  };
  const extension = output.format === "cjs" ? ".cjs" : ".js";
  return {
    input: {
      ...Object.fromEntries(entries.map((name) => [name, `dist/entries/${name}.js`])),
      pool: "dist/pool/index.js",
    },
    external: ["onnxruntime-common"],
    output: {
      ...output,
      dir,
      entryFileNames: `[name]${extension}`,
      chunkFileNames: (chunk) => chunkFileNames(chunk).replace(/\.js$/, extension),
    },
    plugins: [
      nodeResolve(),
      plainEnums(),
      besideModules,
      terser({ compress: { passes: 2 }, mangle: { toplevel: true } }),
    ],
  };
}

const modules = node(
  ENTRIES,
  "dist/node",
  { format: "es" },
  (path) => `new URL(${JSON.stringify(`../${path}`)}, import.meta.url).href`,
);

/** The same for `require`, where a runner of tests, or an old Node, loads no ECMAScript modules. */
const commonjs = node(
  COMMONJS,
  "dist/commonjs",
  { format: "cjs", exports: "named", dynamicImportInCjs: false },
  (path) => `require("node:url").pathToFileURL(require("node:path").join(__dirname, "..", "${path}")).href`,
);

export default () => {
  // Chunks of another day have other names.
  for (const folder of ["dist/web", "dist/node", "dist/commonjs"]) rmSync(folder, { recursive: true, force: true });
  return [download({ bitbasis: "dist/entries/index.js" }, "dist/web"), worker, modules, commonjs];
};
