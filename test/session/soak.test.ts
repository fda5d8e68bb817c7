import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const SOAK = fileURLToPath(new URL("../slow/soak.mjs", import.meta.url));

// The short form of `npm run soak`, which tells how memory is looked at.
it("runs, aborts and sessions leave memory flat", () => {
  const counts = ["--runs", "300", "--aborts", "100", "--sessions", "40"];
  const { status, stdout, stderr } = spawnSync(process.execPath, [SOAK, ...counts]);
  expect(stderr.toString()).toBe("");
  expect(status, stdout.toString()).toBe(0);
  expect(stdout.toString()).toMatch(/^runs .*\naborts .*\n.* aborted.*\nsessions .*\n$/);
});
