import { rmSync } from "node:fs";
import { basename, dirname } from "node:path";
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

export default () => {
  // Chunks of another day have other names.
  rmSync("dist/web", { recursive: true, force: true });
  return [download({ bitbasis: "dist/entries/index.js" }, "dist/web"), worker];
};
