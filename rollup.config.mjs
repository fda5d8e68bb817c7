import { rmSync } from "node:fs";
import nodeResolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";

// Chunks of another day have other names.
rmSync("dist/web", { recursive: true, force: true });

/** The download: `dist/web/bitbasis.js` with the simd build inlined; the other builds and rare operators are chunks that load when they are asked for. */
const download = {
  input: { bitbasis: "dist/entries/index.js" },
  // Else what the entry shares with a chunk moves to a third file, and the entry is a line that fetches it.
  preserveEntrySignatures: "allow-extension",
  output: { dir: "dist/web", format: "es", chunkFileNames: "[name].js" },
  plugins: [nodeResolve({ browser: true }), terser({ module: true, compress: { passes: 2 } })],
};

/** What runs in a worker has a bundle of its own: it shares nothing with the download. */
const worker = {
  input: "dist/parallel/worker.js",
  output: { file: "dist/web/worker.js", format: "es" },
  plugins: download.plugins,
};

export default [download, worker];
