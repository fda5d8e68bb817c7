/**
 * `bitbasis/ort`: onnxruntime-common with bitbasis behind it, in the place of onnxruntime-web or onnxruntime-node.
 *
 * @example
 * import * as ort from "bitbasis/ort"; // was "onnxruntime-web"
 * const session = await ort.InferenceSession.create("model.onnx", { extra: { bitbasis: { preset: "fast" } } });
 * const { y } = await session.run({ x: new ort.Tensor("float32", data, [1, 3]) });
 *
 * @module
 */
import * as common from "onnxruntime-common";
import { backendOf, type OrtModule, takeOver } from "../ort/index.ts";

takeOver(common);

export * from "onnxruntime-common";
export default common;

/**
 * Makes `executionProviders: ["bitbasis"]` work in an application that stays with its own onnxruntime.
 *
 * @param priority - default −1: only when it is named; above 10 it is what onnxruntime-web takes when nothing is named, above 100 onnxruntime-node
 * @param runtime - the onnxruntime of the application: onnxruntime-web's files have a copy of onnxruntime-common in them
 * @example
 * import * as ort from "onnxruntime-web";
 * register(-1, ort);
 * await ort.InferenceSession.create("model.onnx", { executionProviders: ["bitbasis"] });
 */
export function register(priority = -1, runtime: OrtModule = common): void {
  runtime.registerBackend("bitbasis", backendOf(runtime.env), priority);
}
