// A script of the tests as one file, for processes that work through many inputs: where a type is erased by a hook, every `import()` asks the thread of the hooks, also for a
// module that is there. `InferenceSession.create` imports what a model needs, so that a third of the time of a fuzzer went into waiting.
import { pathToFileURL } from "node:url";
import nodeResolve from "@rollup/plugin-node-resolve";
import { rollup } from "rollup";
import { load } from "./typescript-hooks.mjs";

/** Writes `entry`, a module in TypeScript, with all that it imports to the file `to`. Modules find what lies beside them where it was. */
export async function bundle(entry, to) {
  const erasing = {
    name: "erasing",
    load: async (id) => (id.endsWith(".ts") ? (await load(pathToFileURL(id).href, {}, undefined)).source : null),
    resolveImportMeta: (property, { moduleId }) =>
      property === "url" ? JSON.stringify(pathToFileURL(moduleId).href) : null,
  };
  const bundled = await rollup({ input: entry, plugins: [nodeResolve(), erasing], onLog: () => {} });
  await bundled.write({ file: to, format: "es", inlineDynamicImports: true });
  await bundled.close();
}
