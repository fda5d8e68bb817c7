// The probes on bitbasis/ort and on onnxruntime-web, beside each other:
//
//   (cd bench && npm ci --ignore-scripts) && node --import ./test/support/typescript.mjs test/ort/main.ts
//
// With UPDATE_PROBES=1 what onnxruntime-web gives becomes test/fixtures/ort-probes.json, which the tests compare with.
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import * as ours from "../../src/entries/ort.ts";
import { type Ort, PROBES, probe } from "./probes.ts";

const require = createRequire(new URL("../../bench/package.json", import.meta.url));
const path = require.resolve("onnxruntime-web").replace(/[^/]*$/, "ort.node.min.mjs");
const theirs = (await import(pathToFileURL(path).href)) as Ort;

const recorded: Record<string, unknown> = {};
let agree = 0;
for (const name of Object.keys(PROBES)) {
  const [expected, got] = [await probe(name, theirs), await probe(name, ours as unknown as Ort)];
  recorded[name] = expected;
  if (isDeepStrictEqual(expected, got)) agree++;
  else console.log(`${name}\n  onnxruntime-web ${JSON.stringify(expected)}\n  bitbasis/ort    ${JSON.stringify(got)}`);
}
console.log(`${agree} of ${Object.keys(PROBES).length} probes agree`);
if (process.env["UPDATE_PROBES"] !== undefined) {
  const file = new URL("../fixtures/ort-probes.json", import.meta.url);
  writeFileSync(file, `${JSON.stringify(recorded, null, 2)}\n`);
}
process.exit(0);
