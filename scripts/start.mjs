// `npm start`: builds what is missing or older than its sources, then runs the main job, examples/ocr/main.ts.
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);

/** Newest modification time under a folder, 0 when it does not exist. */
function newest(folder) {
  let time = 0;
  try {
    for (const entry of readdirSync(new URL(folder, root), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) time = Math.max(time, statSync(`${entry.parentPath ?? entry.path}/${entry.name}`).mtimeMs);
    }
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  return time;
}

function run(command, args) {
  const { status } = spawnSync(command, args, {
    cwd: fileURLToPath(root),
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) process.exit(status ?? 1);
}

const sources = Math.max(newest("src/"), newest("assembly/"));
if (newest("dist/entries/") < sources) {
  console.error("building (half a minute, once) …");
  run("npm", ["run", "build"]);
}
run("npx", ["tsc", "-p", "tsconfig.tools.json"]);
await import("../build/tools/examples/ocr/main.js");
