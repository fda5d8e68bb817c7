import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

// Another runtime, build, CPU or day must give these bits. A change of a kernel's order of operations changes them: then, and only then,
// `node test/runtimes/job.mjs scalar > test/fixtures/digests.json`, those of test/runtimes/digests.json too, raise NUMERICS in src/receipt/numerics.ts, and say in CHANGELOG.md that outputs have changed.
it("gives the committed bits for every fixture network and preset, in both builds, in a process of its own", () => {
  const script = fileURLToPath(new URL("../runtimes/job.mjs", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "digests"], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const expected = JSON.parse(readFileSync(new URL("../fixtures/digests.json", import.meta.url), "utf8"));
  expect(Object.keys(expected)).toHaveLength(12);
  const found = JSON.parse(stdout);
  expect(found.scalar).toMatchObject(expected);
  expect(found.simd).toEqual(found.scalar);
  if (found.relaxed !== undefined) expect(found.relaxed).toEqual(found.scalar);
});
