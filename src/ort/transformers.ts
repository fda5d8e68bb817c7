import { hasFiles, nodeModule } from "../core/index.ts";
import { type OrtModule, takeOver } from "./backend.ts";

/** Where transformers.js looks for a runtime before it takes its own. */
const RUNTIME = Symbol.for("onnxruntime");

/**
 * Lets transformers.js, imported after this, run on bitbasis. In Node its onnxruntime-node is given our backend under its own names, so that the
 * default device works; elsewhere it finds our onnxruntime where it looks for one, and needs `device: "auto"`.
 */
export function installTransformers(ort: OrtModule): void {
  const own = hasFiles() ? commonOfNode() : undefined;
  if (own !== undefined) takeOver(own);
  else Object.defineProperty(globalThis, RUNTIME, { value: ort, configurable: true });
}

/** onnxruntime-node's copy of onnxruntime-common: a CommonJS one, apart from the one that modules import. undefined where it cannot be found. */
function commonOfNode(): OrtModule | undefined {
  try {
    const { createRequire } = nodeModule("node:module");
    const require = createRequire(import.meta.url);
    for (const from of [[], ["@huggingface/transformers"]]) {
      const near = from.reduce((at, name) => createRequire(at.resolve(name)), require);
      try {
        return createRequire(near.resolve("onnxruntime-node"))("onnxruntime-common") as OrtModule;
      } catch {
        // not installed beside this one
      }
    }
  } catch {
    // no CommonJS here, or no transformers.js
  }
  return undefined;
}
