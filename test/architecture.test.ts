import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Folders of src/ and what each may import, read from the table in ARCHITECTURE.md. */
function allowed(): Map<string, Set<string>> {
  const table = new Map<string, Set<string>>();
  for (const line of readFileSync(join(ROOT, "ARCHITECTURE.md"), "utf8").split("\n")) {
    const match = /^\| `src\/([\w-]+)\/` \|.*\| ([^|]*) \|$/.exec(line);
    if (match === null) continue;
    const [, folder = "", list = ""] = match;
    const names = list === "all above" ? [...table.keys()] : list === "–" ? [] : list.split(", ");
    table.set(folder, new Set([folder, ...names]));
  }
  return table;
}

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(folder, file));
}

describe("the folders' one direction of imports", () => {
  const table = allowed();

  it("has a row for every folder", () => {
    const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((e) => e.isDirectory());
    expect([...table.keys()].sort()).toEqual(expect.arrayContaining(folders.map((e) => e.name).sort()));
  });

  it("is kept by every import", () => {
    const broken: string[] = [];
    let imports = 0;
    for (const file of sources("src")) {
      const own = relative("src", file).split("/")[0]!;
      const text = readFileSync(join(ROOT, file), "utf8");
      for (const match of text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)) {
        const target = relative(join(ROOT, "src"), resolve(ROOT, dirname(file), match[1]!));
        if (target.startsWith("../build/")) continue;
        imports++;
        if (!table.get(own)?.has(target.split("/")[0]!)) broken.push(`${file} imports ${target}`);
      }
    }
    expect(imports).toBeGreaterThan(50);
    expect(broken).toEqual([]);
  });
});

describe("WASM modules", () => {
  it.each(["scalar", "simd", "lattice", "shards", "synth"])("%s imports nothing but its memory", (name) => {
    const module = new WebAssembly.Module(readFileSync(join(ROOT, `build/${name}.wasm`)));
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
  });
});
