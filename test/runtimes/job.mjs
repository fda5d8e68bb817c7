// Prints what a job of networks.mjs finds as JSON, in Node, Deno and Bun, after `npm run build`: `node test/runtimes/job.mjs digests|times`.
// `node test/runtimes/job.mjs scalar > test/fixtures/digests.json` writes the committed digests.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { digests, FILES, times } from "./networks.mjs";

const read = (name) => new Uint8Array(readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url)));
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const ofFiles = ([key]) => FILES.includes(key.split(" ")[0]);
const JOBS = {
  digests: () => digests(read, sha256),
  times: () => times(read),
  scalar: async () => Object.fromEntries(Object.entries((await digests(read, sha256)).scalar).filter(ofFiles)),
};
console.log(JSON.stringify(await JOBS[process.argv[2]](), null, 2));
