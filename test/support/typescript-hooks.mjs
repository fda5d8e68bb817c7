import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const KEPT = new URL("../../build/erased/", import.meta.url);

/** Node's hook: the source of a module, `.ts` with its types erased. */
export async function load(url, context, next) {
  if (!url.endsWith(".ts")) return next(url, context);
  return { format: "module", shortCircuit: true, source: await erased(await readFile(fileURLToPath(url), "utf8")) };
}

/** @param {string} source - a module in TypeScript */
async function erased(source) {
  const kept = new URL(`${createHash("sha256").update(source).digest("hex").slice(0, 32)}.js`, KEPT);
  try {
    return await readFile(kept, "utf8");
  } catch {
    const { default: ts } = await import("typescript");
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        isolatedModules: true,
      },
    });
    await mkdir(KEPT, { recursive: true });
    // Two processes may write the same file: each writes its own and moves it, so that nobody reads half of one.
    const own = new URL(`${kept.href}.${process.pid}`);
    await writeFile(own, outputText);
    await rename(own, kept);
    return outputText;
  }
}
