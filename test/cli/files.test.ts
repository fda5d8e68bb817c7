// What a session of a model that somebody names on the command line may take.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { readModelFile } from "../../src/cli/files.ts";
import { DEFAULT_LIMITS } from "../../src/core/index.ts";
import { isContainer } from "../../src/model/index.ts";

const folder = mkdtempSync(join(tmpdir(), "bitbasis-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("a small file has what every session has", async () => {
  const path = fileURLToPath(new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url));
  expect((await readModelFile(path)).limits).toEqual({ bytes: DEFAULT_LIMITS.bytes });
});

it("a large one has room for its weights at twice their width, and a run", async () => {
  const path = join(folder, "large.safetensors");
  const head = new TextEncoder().encode('\x10\0\0\0\0\0\0\0{"__metadata__":');
  expect(isContainer(head.subarray(0, 16))).toBe(true);
  writeFileSync(path, head);
  // Nothing is written of these bytes, nor looked at by who reads the file.
  truncateSync(path, 150e6);
  expect((await readModelFile(path)).limits).toEqual({ bytes: 1.2e9 });
});
