// `npm start`: makes what the main job needs and is missing or older than its sources, then runs it, examples/ocr/main.ts. Not the whole of `npm run build`:
// no declarations, bundles or command line, so that a fresh clone reads its first page a minute after `npm ci`. The example finds the package as bundlers do, by its modules: node's
// `--conditions=module`.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { erased, refreshDist, refreshModules } from "./fresh-builds.mjs";

const root = fileURLToPath(new URL("../", import.meta.url));

/** The core for this machine, whichever build its engine takes. */
const MODULES = ["relaxed", "simd-common", "simd-rest", "probe"];

refreshModules(root, { only: MODULES });
refreshDist(root);
erased(root, join(root, "examples/ocr"), join(root, "build/tools/examples/ocr"));
await import("../build/tools/examples/ocr/main.js");
