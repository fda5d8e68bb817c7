// Types of the CommonJS builds: the declarations of the entries and what these import, once more as .d.cts, in dist/commonjs/types. TypeScript takes a .d.ts of this package for an
// ECMAScript module, which `require` may not ask for before TypeScript 5.8.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const OUT = "dist/commonjs/types";
const IMPORT = /(?<=(?:from|import\()\s*")(\.{1,2}\/[^"]+)\.[jt]s(?=")/g;
/** The reader of protobuf is an ECMAScript module alone. */
const PBF = /^import (?:type )?(\{[^}]*\}) from "pbf";/gm;
const EFFECT = /^import "[^"]+";\n/gm;

/** Writes a declaration file of dist/, and those that it names. */
function copy(path, done) {
  if (done.has(path)) return;
  done.add(path);
  const text = readFileSync(join("dist", `${path}.d.ts`), "utf8");
  const target = join(OUT, `${path}.d.cts`);
  mkdirSync(dirname(target), { recursive: true });
  const pbf = 'import type $1 from "pbf" with { "resolution-mode": "import" };';
  writeFileSync(target, text.replace(IMPORT, "$1.cjs").replace(PBF, pbf).replace(EFFECT, ""));
  for (const [, specifier] of text.matchAll(IMPORT)) copy(join(dirname(path), specifier), done);
}

rmSync(OUT, { recursive: true, force: true });
const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
const done = new Set();
for (const { require } of Object.values(exports)) {
  const path = require?.types?.match(/^\.\/dist\/commonjs\/types\/(.+)\.d\.cts$/)?.[1];
  if (path !== undefined) copy(path, done);
}
