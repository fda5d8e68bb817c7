// Checks the sizes of downloads, minified and in brotli, the simd build counted: what runs containers; what reads and quantizes ONNX files; every operator of
// ai.onnx and com.microsoft with it, but for Tokenizer and the Cast of texts, which come with those of ai.onnx.ml; and a bundle of chosen operators. `node scripts/size.mjs` after `npm run build`.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";
import { rollup } from "rollup";
import { download } from "../rollup.config.mjs";

const WEB = new URL("../dist/web/", import.meta.url);
const ONNX = ["bitbasis.js", "open-onnx.js", "simd-rest.js"];
const OPERATORS = ["uncommon.js", "between.js", "rare.js", "contrib.js"];

/**
 * Files of dist/web with all that they import, by what they are for; budgets in bytes. Two more imports give other names to what chunks share, and 100 bytes
 * more or less without more code: there is room for that.
 */
const BUDGETS = [
  ["run containers", ["bitbasis.js"], 99_800],
  ["run ONNX files", ONNX, 148_600],
  ["run ONNX files with any operator", [...ONNX, ...OPERATORS], 195_300],
];
/** A bundle of its own, with the operators of an image classifier. */
const CHOSEN = [
  'import { basics, convolution, InferenceSession, normalization, pooling, products, Tensor, use } from "bitbasis/chosen";',
  "use(basics, convolution, pooling, products, normalization);",
  "export { InferenceSession, Tensor };",
].join("\n");
const CHOSEN_BUDGET = 98_900;

/** The files and what they import, that again included. */
function closure(names, found = new Map()) {
  for (const name of names) {
    if (found.has(name)) continue;
    const code = readFileSync(new URL(name, WEB), "utf8");
    found.set(name, code);
    const imports = [...code.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)].map(([, path]) => path);
    closure(imports, found);
  }
  return found;
}

async function chosen() {
  const virtual = {
    name: "chosen",
    resolveId: (id) => {
      if (id === "chosen") return `\0${id}`;
      return id === "bitbasis/chosen" ? new URL("../dist/entries/chosen.js", import.meta.url).pathname : null;
    },
    load: (id) => (id === "\0chosen" ? CHOSEN : null),
  };
  const { plugins, ...options } = download({ chosen: "chosen" });
  const bundle = await rollup({ ...options, plugins: [virtual, ...plugins] });
  const { output } = await bundle.generate(options.output);
  const files = new Map(output.map(({ fileName, code }) => [fileName, code]));
  const [first] = output;
  return [first.code, ...first.imports.map((name) => files.get(name))];
}

let failed = false;
function weigh(what, codes, budget) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
  const bytes = codes.reduce((sum, code) => sum + code.length, 0);
  const brotli = codes.reduce((sum, code) => sum + brotliCompressSync(code, { params }).length, 0);
  const fits = brotli <= budget;
  failed ||= !fits;
  console.log(`${what}: ${bytes} bytes, ${brotli} brotli, budget ${budget}: ${fits ? "fits" : "TOO LARGE"}`);
}

for (const [what, names, budget] of BUDGETS) {
  const files = closure(names);
  weigh(`${what} (${[...files.keys()].join(" + ")})`, [...files.values()], budget);
}
weigh("run containers with chosen operators", await chosen(), CHOSEN_BUDGET);
process.exitCode = failed ? 1 : 0;
