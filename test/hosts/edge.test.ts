// The short form of `npm run edge:load`.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const LOAD = fileURLToPath(new URL("../../examples/edge/load.mjs", import.meta.url));

it("the Node handler answers 64 requests at a concurrency of 16 with a session's bits, and refuses what is no picture", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [LOAD, "node", "--requests", "64"], {
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/^node: 64 requests, 0 errors; first answer after \d+ ms; .* MB, then \d+ MB\n$/);
});
