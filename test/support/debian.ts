import { spawnSync } from "node:child_process";

/** Whether a command can be run, after its Debian package has been installed where that is possible. */
export function installed(command: string, name: string): boolean {
  const there = (): boolean => spawnSync(command, ["--version"]).status === 0;
  return there() || (spawnSync("apt-get", ["install", "-y", name], { timeout: 45_000 }).status === 0 && there());
}
