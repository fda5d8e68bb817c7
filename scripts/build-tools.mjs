// Compiles what the scripts of bench/ and test/slow/ use of examples/, test/support/ and src/ into build/tools/, with the modules that
// src/ looks for beside itself.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const build = new URL("../build/", import.meta.url);
const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.tools.json"], {
  cwd: fileURLToPath(new URL("../", import.meta.url)),
  stdio: "inherit",
});
if (status !== 0) process.exit(status ?? 1);
mkdirSync(new URL("tools/build/", build), { recursive: true });
for (const name of readdirSync(build)) {
  if (name.endsWith(".js")) copyFileSync(new URL(name, build), new URL(`tools/build/${name}`, build));
}
