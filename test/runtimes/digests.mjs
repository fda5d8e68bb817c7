// Prints the digests of networks.mjs as JSON, in Node, Deno and Bun: `node test/runtimes/digests.mjs` after `npm run build`.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { digests } from "./networks.mjs";

const read = (name) => new Uint8Array(readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url)));
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
console.log(JSON.stringify(await digests(read, sha256), null, 2));
