// The tests that run networks, on the checked build of the core (test/support/checked/core.ts): `npm run test:checked [-- folder…]`.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Not test/attention and what builds on it: its module shares a core's memory, and what it writes is not seen. */
const FOLDERS = ["session", "program", "gemm", "model", "quantize", "series", "core", "ocr"].map(
  (name) => `test/${name}`,
);

const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const folders = process.argv.length > 2 ? process.argv.slice(2) : FOLDERS;
const { status } = spawnSync(process.execPath, [vitest, "run", ...folders], {
  stdio: "inherit",
  env: { ...process.env, BITBASIS_CHECKED: "1" },
});
process.exitCode = status ?? 1;
