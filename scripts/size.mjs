// Checks the size of the download: the minified bundle with every operator and the simd build inlined, brotli. `node scripts/size.mjs` after
// `npm run build`.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";

const BUDGETS = { "dist/web/bitbasis.js": 140_000 };

let failed = false;
for (const [file, budget] of Object.entries(BUDGETS)) {
  const bytes = readFileSync(new URL(`../${file}`, import.meta.url));
  const other = /(?:from|import)\s*"(\.[^"]+)"/.exec(bytes.toString());
  if (other !== null) throw new Error(`${file} is not the whole download: it imports ${other[1]}`);
  const { length } = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  const fits = length <= budget;
  failed ||= !fits;
  console.log(`${file}: ${bytes.length} bytes, ${length} brotli, budget ${budget}: ${fits ? "fits" : "TOO LARGE"}`);
}
process.exitCode = failed ? 1 : 0;
