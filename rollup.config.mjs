import nodeResolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";

/** The download: `dist/web/bitbasis.js` with the simd build inlined; the other builds are chunks that load when they are asked for. */
export default {
  input: { bitbasis: "dist/entries/index.js" },
  output: { dir: "dist/web", format: "es", chunkFileNames: "[name].js" },
  plugins: [nodeResolve({ browser: true }), terser({ module: true, compress: { passes: 2 } })],
};
