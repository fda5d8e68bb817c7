/** The same networks and lines in onnxruntime-web, where it is installed: `cd bench && npm ci --ignore-scripts`. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { Picture } from "./picture.ts";
import { prepareLine } from "./prepare.ts";

/** What is used of onnxruntime-web. */
interface OnnxRuntime {
  readonly env: { readonly wasm: { numThreads: number } };
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => object;
  readonly InferenceSession: {
    create(model: Uint8Array, options: { readonly executionProviders: readonly ["wasm"] }): Promise<OnnxSession>;
  };
}

interface OnnxSession {
  readonly inputNames: readonly string[];
  run(feeds: Record<string, object>): Promise<unknown>;
  release(): Promise<void>;
}

/** Milliseconds of the network per line, each after one run that is not counted; undefined where onnxruntime-web is not installed. */
export async function rivalTimes(
  onnx: Uint8Array,
  lines: readonly Picture[],
  bench: URL,
): Promise<readonly number[] | undefined> {
  const runtime = await onnxruntimeWeb(bench);
  if (runtime === undefined) return undefined;
  runtime.env.wasm.numThreads = 1;
  const session = await runtime.InferenceSession.create(onnx, { executionProviders: ["wasm"] });
  const times: number[] = [];
  for (const line of lines) {
    const { data, dims } = prepareLine(line);
    for (const counted of [false, true]) {
      const feeds = { [session.inputNames[0]!]: new runtime.Tensor("float32", data.slice(), dims) };
      const start = performance.now();
      await session.run(feeds);
      if (counted) times.push(performance.now() - start);
    }
  }
  await session.release();
  return times;
}

async function onnxruntimeWeb(bench: URL): Promise<OnnxRuntime | undefined> {
  let path: string;
  try {
    path = createRequire(new URL("package.json", bench)).resolve("onnxruntime-web");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
  return (await import(pathToFileURL(path).href)) as OnnxRuntime;
}
