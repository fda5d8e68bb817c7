import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Plugin, rolldown } from "rolldown";
import { afterAll, describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MODEL = join(ROOT, "test/fixtures/models/fmnist_mobilenet.onnx");
const PACKAGE = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const DIGESTS = JSON.parse(readFileSync(join(ROOT, "test/fixtures/digests.json"), "utf8"));

const folder = mkdtempSync(join(tmpdir(), "bitbasis-hosts-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** An application: its output as hex, for the digest that test/fixtures/digests.json has of the same picture. */
const APPLICATION = `
import { InferenceSession, Tensor } from "bitbasis";
export async function main(bytes, picture) {
  const session = await InferenceSession.create(bytes, { preset: "fast" });
  const { logits } = await session.run({ image: new Tensor("float32", picture, [2, 1, 28, 28]) });
  await session.release();
  return new Uint8Array(logits.data.buffer);
}
`;

async function bundle(conditionNames: string[], plugins: Plugin[]): Promise<{ file: string; code: string }> {
  const entry = join(folder, "app.js");
  writeFileSync(entry, APPLICATION);
  const build = await rolldown({
    input: entry,
    platform: "browser",
    external: ["node:fs"],
    resolve: { conditionNames },
    plugins: [...plugins, { name: "self", resolveId: (id) => (id === "bitbasis" ? target(conditionNames) : null) }],
  });
  const file = join(folder, `${conditionNames[0]}.mjs`);
  const { output } = await build.write({ file, format: "es", codeSplitting: false });
  return { file, code: output[0].code };
}

/** What a condition leads to: a file, or more conditions. */
type Target = string | { readonly [condition: string]: Target };

/** What "bitbasis" is under conditions. */
function target(conditions: readonly string[], to: Target = PACKAGE.exports["."]): string {
  if (typeof to === "string") return join(ROOT, to);
  const [, next] = Object.entries(to).find(([name]) => conditions.includes(name) || name === "default")!;
  return target(conditions, next);
}

/** All files of an export, and the names of the conditions of each choice. */
function choices(to: Target): { files: string[]; names: string[][] } {
  if (typeof to === "string") return { files: [to], names: [] };
  const within = Object.values(to).map(choices);
  const leads = Object.values(to).every((next) => typeof next === "string");
  return {
    files: within.flatMap(({ files }) => files),
    names: [...(leads ? [Object.keys(to)] : []), ...within.flatMap(({ names }) => names)],
  };
}

/** Runs a bundle in a Node that `before` has changed into another host; the digest of its output. */
function run(file: string, before: string): string {
  const script = join(folder, "run.mjs");
  writeFileSync(
    script,
    `import { createHash } from "node:crypto";
     import { readFileSync } from "node:fs";
     import { randomTensor, uniformNumbers } from ${JSON.stringify(join(ROOT, "dist/tensor/index.js"))};
     const bytes = new Uint8Array(readFileSync(${JSON.stringify(MODEL)}));
     const picture = randomTensor("float32", [2, 1, 28, 28], uniformNumbers(2026)).data;
     const { log } = console;
     ${before}
     const { main } = await import(${JSON.stringify(file)});
     log(createHash("sha256").update(await main(bytes, picture)).digest("hex"));`,
  );
  const { stdout, stderr } = spawnSync(process.execPath, [script], { encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.trim();
}

describe("package.json", () => {
  const exported = Object.entries(PACKAGE.exports as Record<string, Target>);

  it.each(exported)("%s leads to what there is, types first and the default last", (_, to) => {
    const { files, names } = choices(to);
    for (const path of files) {
      const source = path.replace(/^\.\/dist\/(?!web|node|commonjs)(.*?)(\.d\.ts|\.js)$/, "./src/$1.ts");
      if (!/^\.\/dist\/(web|node)/.test(path)) expect(existsSync(join(ROOT, source)), source).toBe(true);
      expect(
        PACKAGE.files.some((part: string) => path.startsWith(`./${part.replace(/\*.*/, "")}`)) ||
          path === "./package.json",
      ).toBe(true);
    }
    for (const conditions of names) expect([conditions[0], conditions.at(-1)]).toEqual(["types", "default"]);
  });

  it("gives require the exports that import gets", async () => {
    const require = createRequire(import.meta.url);
    const entries = exported.map(([, to]) => to as { require?: { default: string }; default: { default: string } });
    const both = entries.filter((to) => to.require !== undefined);
    expect(both.length).toBeGreaterThan(9);
    for (const to of both) {
      const module: object = await import(/* @vite-ignore */ pathToFileURL(join(ROOT, to.default.default)).href);
      const required: object = require(join(ROOT, to.require!.default));
      // The download shares letters with its chunks.
      const names = (of: object): string[] =>
        Object.keys(of)
          .filter((name) => name.length > 2)
          .sort();
      expect(names(required), to.require!.default).toEqual(names(module));
    }
  });

  // Node opens some files then instead of 250. All entries share them: an error of one is an instance of the class of another.
  // Tools that copy what a server needs (Nitro, which builds Nuxt) ask as Node and as a bundler at once: what they find has to be what Node opens.
  it("gives Node, and tools that build for it, bundles that share one library, and other bundlers the modules", async () => {
    const classes = new Set<unknown>();
    for (const [name, to] of exported) {
      if (typeof to === "string" || to["node"] === undefined) continue;
      const node = target(["import", "node"], to);
      expect(node, name).toMatch(/dist\/node\/[a-z-]+\.js$/);
      const modules = (to["default"] as { default: string }).default;
      for (const kind of ["import", "require"]) {
        expect(target(["module", "node", kind], to), name).toBe(target(["node", kind], to));
        expect(target(["module", "browser", kind], to), name).toBe(join(ROOT, modules));
      }
      // They register with onnxruntime-common, which takes one of each only.
      if (name === "./ort" || name === "./transformers") continue;
      const imported: object = await import(/* @vite-ignore */ pathToFileURL(node).href);
      const module: object = await import(/* @vite-ignore */ pathToFileURL(join(ROOT, modules)).href);
      expect(Object.keys(imported).sort(), name).toEqual(Object.keys(module).sort());
      if ("BitbasisError" in imported) classes.add(imported.BitbasisError);
    }
    expect(exported.filter(([, to]) => typeof to === "object" && "node" in to).length).toBe(12);
    expect(classes.size).toBe(1);
  });

  it("has users of the library install one package", () => {
    expect(Object.keys(PACKAGE.dependencies)).toEqual(["pbf"]);
  });
});

describe("a bundle for the browser", () => {
  it("has no specifier of Node's, and runs without process and beside a page's own", async () => {
    const { file, code } = await bundle(["browser", "import"], []);
    expect(code).not.toMatch(/(from|import\(|require\()\s*["'](node:|fs|path)/);
    for (const process of ["delete globalThis.process;", "globalThis.process = {};"]) {
      expect(run(file, process)).toBe(DIGESTS["fmnist_mobilenet fast"]);
    }
  });

  it("compiles nothing from text, so that a content security policy need allow 'wasm-unsafe-eval' only", async () => {
    const { code } = await bundle(["browser", "import"], []);
    expect(code).not.toMatch(/\beval\(|new Function\(|createObjectURL/);
  });
});

describe("a bundle of onnxruntime's API", () => {
  it("keeps what puts bitbasis behind it, though an application takes names of onnxruntime-common only", async () => {
    const entry = join(folder, "ort.js");
    writeFileSync(entry, 'export { InferenceSession } from "bitbasis/ort";');
    // The resolver itself has to find the file, since it reads "sideEffects" beside it.
    const alias = { "bitbasis/ort": join(ROOT, PACKAGE.exports["./ort"].default.default) };
    const build = await rolldown({ input: entry, platform: "node", resolve: { alias } });
    const { output } = await build.generate({ format: "es", codeSplitting: false });
    expect(output[0].code).toContain("takeOver(");
  });
});

describe("a bundle for workerd", () => {
  /** workerd gives the module of a .wasm file that is imported. */
  const modules: Plugin = {
    name: "wasm",
    load(id) {
      if (!id.endsWith(".wasm")) return null;
      const code = `import { readFileSync } from "node:fs";
                    export default new WebAssembly.Module(readFileSync(${JSON.stringify(id)}));`;
      return { code, moduleType: "js" };
    },
  };
  /** It refuses to compile bytes, and to instantiate them. */
  const REFUSES = `
    await new Response("").text(); // Node compiles its own HTTP parser now
    await new Promise((resolve) => setTimeout(resolve, 50));
    delete globalThis.process;
    const { instantiate } = WebAssembly;
    const refuse = async () => { throw new WebAssembly.CompileError("Wasm code generation disallowed by embedder"); };
    WebAssembly.compile = refuse;
    WebAssembly.instantiate = (code, imports) => (code instanceof WebAssembly.Module ? instantiate(code, imports) : refuse());
  `;

  it("compiles nothing while it runs, and carries no second copy of the core", async () => {
    const { file, code } = await bundle(["workerd", "import"], [modules]);
    expect(code.length).toBeLessThan(1.35e6);
    expect(code).not.toContain("aagbhdgn");
    expect(run(file, REFUSES)).toBe(DIGESTS["fmnist_mobilenet fast"]);
  });
});
