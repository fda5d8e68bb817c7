// A bare engine has ECMAScript and WebAssembly: shells of engines, where cross-runtime benchmarks run, and embedded ones. A new context of node:vm is one.
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { beforeAll, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { bundleDownload } from "../support/download.ts";

const MODEL = readFileSync(new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url));
const PICTURE = Float32Array.from({ length: 784 }, (_, i) => (i % 29) / 29);

/** What a page's global object has and the standard of ECMAScript has not. */
const HOST = [
  "TextDecoder",
  "performance",
  "setTimeout",
  "MessageChannel",
  "AbortController",
  "Response",
  "URL",
  "fetch",
];

let script: string;
beforeAll(async () => {
  script = await bundleDownload("iife");
});

const RUN = `(async () => {
  const session = await bitbasis.InferenceSession.create(new Uint8Array(model), { preset: "fast" });
  const image = new bitbasis.Tensor("float32", new Float32Array(picture), [1, 1, 28, 28]);
  const { logits } = await session.run({ image });
  await session.release();
  return Array.from(logits.data);
})()`;

async function bits(globals: Record<string, unknown>): Promise<readonly number[]> {
  const context = createContext({ model: Array.from(MODEL), picture: Array.from(PICTURE), ...globals });
  runInContext(script, context);
  return Array.from((await runInContext(RUN, context)) as readonly number[]);
}

it("runs an ONNX file with the same bits", async () => {
  const session = await InferenceSession.create(MODEL, { preset: "fast" });
  const { logits } = await session.run({ image: new Tensor("float32", PICTURE, [1, 1, 28, 28]) });
  expect(await bits({})).toEqual(Array.from(logits!.data as Float32Array));
  await session.release();
  expect(HOST.filter((name) => runInContext(`typeof ${name}`, createContext({})) !== "undefined")).toEqual([]);
});

it("says what it expected of a source and of a signal", async () => {
  const context = createContext({});
  runInContext(script, context);
  const failure = (call: string): Promise<string> =>
    runInContext(`bitbasis.InferenceSession.create(${call}).then(() => "created", String)`, context) as Promise<string>;
  expect(await failure(`"https://example.com/model.onnx"`)).toMatch(
    /BitbasisError: cannot fetch https:\/\/example.com\/model.onnx: fetch is not defined/,
  );
  expect(await failure(`"model.onnx"`)).toMatch(/BitbasisError: cannot fetch model.onnx/);
  expect(await failure("{}")).toMatch(/TypeError: "source" expected a URL, path, Request/);
  expect(await failure("new Uint8Array(8), { signal: {} }")).toMatch(/TypeError: "signal" expected an AbortSignal/);
});
