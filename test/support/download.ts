import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type InputOptions, type Plugin, rollup } from "rollup";
// @ts-expect-error: configuration in JavaScript
import { download } from "../../rollup.config.mjs";

/** What `npm run build` makes dist/web/bitbasis.js of, not minified, in one script; made of a dist/ that is fresh. */
export async function bundleDownload(format: "es" | "iife"): Promise<string> {
  const { plugins, input } = download({ bitbasis: "dist/entries/index.js" }) as InputOptions & { plugins: Plugin[] };
  const nowhere: Plugin = { name: "nowhere", resolveImportMeta: () => '""' };
  const kept = plugins.filter(({ name }) => name !== "terser");
  const bundle = await rollup({ input: input!, plugins: [...kept, nowhere], onwarn: () => undefined });
  const { output } = await bundle.generate({ format, name: "bitbasis", inlineDynamicImports: true });
  return output[0].code;
}

/** Imports a module's text. */
export async function importText(code: string): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), "bitbasis-download-"));
  try {
    writeFileSync(join(folder, "module.mjs"), code);
    return await import(/* @vite-ignore */ pathToFileURL(join(folder, "module.mjs")).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
