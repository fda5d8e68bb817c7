// Checks the size of the download, minified and in brotli: what runs containers, with the simd build inlined, and beside it the chunk that an .onnx
// source imports, which reads and quantizes. `node scripts/size.mjs` after `npm run build`.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";

const RUNTIME = "dist/web/bitbasis.js";
const BUDGETS = { [RUNTIME]: 130_000, [`${RUNTIME} + dist/web/open-onnx.js`]: 152_000 };

let failed = false;
for (const [files, budget] of Object.entries(BUDGETS)) {
  const parts = files.split(" + ").map((file) => readFileSync(new URL(`../${file}`, import.meta.url)));
  for (const bytes of parts) {
    const other = /(?:from|import)\s*"(\.[^"]+)"/.exec(bytes.toString())?.[1];
    if (other !== undefined && other !== "./bitbasis.js")
      throw new Error(`${files} is not the whole download: it imports ${other}`);
  }
  const bytes = parts.reduce((sum, { length }) => sum + length, 0);
  const brotli = parts.reduce((sum, part) => {
    return sum + brotliCompressSync(part, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
  }, 0);
  const fits = brotli <= budget;
  failed ||= !fits;
  console.log(`${files}: ${bytes} bytes, ${brotli} brotli, budget ${budget}: ${fits ? "fits" : "TOO LARGE"}`);
}
process.exitCode = failed ? 1 : 0;
