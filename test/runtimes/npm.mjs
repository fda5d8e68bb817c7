import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { NPM } from "../../scripts/npm.mjs";
import { Missing } from "./missing.mjs";

/** The program of a package of npm, installed into `home`. */
export function installedBinary(name, home) {
  installInto(home, name);
  return join(home, "node_modules/.bin", name.split("@")[0]);
}

/** Installs a package of npm into the folder `home`. */
export function installInto(home, name) {
  mkdirSync(home, { recursive: true });
  const [npm, ...before] = NPM;
  const args = [...before, "install", "--silent", "--no-save", "--prefix", home, name];
  const { status, stderr } = spawnSync(npm, args, { encoding: "utf8" });
  if (status !== 0) throw new Missing(stderr.trim().split("\n")[0]);
}
