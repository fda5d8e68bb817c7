import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const { refreshDist, refreshModules } = (await import(
  new URL("../../scripts/fresh-builds.mjs", import.meta.url).href
)) as {
  refreshModules(root: string, options: { only?: string[]; build(root: string, names: string[]): void }): void;
  refreshDist(root: string): string[];
};

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fresh-"));
  for (const folder of ["src/a", "dist/a", "dist/web", "assembly", "src/core/abi", "build"])
    mkdirSync(join(root, folder), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, text: string, seconds: number): void {
  writeFileSync(join(root, path), text);
  utimesSync(join(root, path), seconds, seconds);
}

it("makes what is older than its source, leaves what is newer, takes away what has no source", () => {
  write("src/a/old.ts", 'import { x } from "./new.ts";\nexport const y: number = x;\n', 200);
  write("dist/a/old.js", "stale", 100);
  write("src/a/new.ts", "export const x = 1;\n", 100);
  write("dist/a/new.js", "fresh", 200);
  write("dist/a/gone.js", "left", 300);
  write("dist/web/page.js", "bundle", 50);
  expect(refreshDist(root).sort()).toEqual(["dist/a/gone.js", "dist/a/old.js"]);
  expect(readFileSync(join(root, "dist/a/old.js"), "utf8")).toBe(
    'import { x } from "./new.js";\nexport const y = x;\n',
  );
  expect(readFileSync(join(root, "dist/a/new.js"), "utf8")).toBe("fresh");
  expect(existsSync(join(root, "dist/a/gone.js"))).toBe(false);
  expect(existsSync(join(root, "dist/web/page.js"))).toBe(true);
});

it("builds the modules that are older than assembly/ or the ABI", () => {
  write("asconfig.json", '{ "targets": { "simd": {}, "scalar": {} } }', 100);
  write("assembly/vm.ts", "", 200);
  write("src/core/abi/opcode.ts", "", 300);
  write("build/simd.wasm", "", 400);
  write("build/scalar.wasm", "", 250);
  const built: string[] = [];
  const build = (_: string, names: string[]) => built.push(...names);
  refreshModules(root, { only: ["simd"], build });
  expect(built).toEqual([]);
  refreshModules(root, { build });
  expect(built).toEqual(["scalar"]);
});
