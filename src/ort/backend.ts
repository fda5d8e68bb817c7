import type { Backend, Env, registerBackend } from "onnxruntime-common";
import type { SessionOptions } from "../session/options.ts";
import { InferenceSession } from "../session/session.ts";
import { Handler } from "./handler.ts";
import { checkWords } from "./words.ts";

/** What is used of a copy of onnxruntime-common, of which an application may have several. */
export interface OrtModule {
  readonly registerBackend: typeof registerBackend;
  readonly env: Env;
}

/** Execution providers that onnxruntime has elsewhere: asking for nothing but these is an error that says what there is. */
const OTHERS = ["webgpu", "webgl", "webnn", "cuda", "dml", "coreml", "nnapi", "qnn", "tensorrt", "xnnpack"] as const;
const OWN = ["wasm", "cpu"] as const;

/** bitbasis as a backend of onnxruntime-common. Options of `extra.bitbasis` go before those beside it: a typed place for `preset` and `plan`. */
export function backendOf(env: Env): Backend {
  return {
    init: async (name) => {
      if ((OTHERS as readonly string[]).includes(name)) {
        throw new TypeError(`bitbasis runs on "bitbasis", "wasm" and "cpu"; it has no "${name}"`);
      }
    },
    createInferenceSessionHandler: async (source, given = {}) => {
      const options = given as SessionOptions;
      checkWords(options);
      const { extra, preferredOutputLocation: location, intraOpNumThreads: threads } = options;
      const own = extra?.["bitbasis"] as SessionOptions | undefined;
      const elsewhere = [location].flat().find((at) => at !== undefined && !isCpu(at));
      if (elsewhere !== undefined) {
        throw new TypeError(`"preferredOutputLocation" expected "cpu", got ${JSON.stringify(elsewhere)}`);
      }
      const { numThreads, simd } = env.wasm;
      const session = await InferenceSession.create(source, {
        ...(numThreads !== undefined && numThreads > 0 && { numThreads: Math.min(numThreads, MOST_THREADS) }),
        ...(simd === false && { build: "scalar" as const }),
        ...options,
        ...(threads !== undefined && { intraOpNumThreads: Math.min(threads, MOST_THREADS) }),
        ...own,
      });
      const handler = new Handler(session);
      if (options.enableProfiling) handler.startProfiling();
      return handler;
    },
  };
}

/** Of a session. Programs ask for as many as the machine has, which may be more. */
const MOST_THREADS = 64;

function isCpu(location: NonNullable<SessionOptions["preferredOutputLocation"]>): boolean {
  return [location].flatMap((at) => (typeof at === "string" ? [at] : Object.values(at))).every((at) => at === "cpu");
}

/** Above onnxruntime-web's (10) and onnxruntime-node's (100), which register the same names in one copy of onnxruntime-common. */
const ABOVE = 1000;

/** Makes every execution provider mean bitbasis, in one copy of onnxruntime-common. */
export function takeOver({ registerBackend, env }: OrtModule): void {
  const backend = backendOf(env);
  for (const name of OTHERS) registerBackend(name, backend, -1);
  for (const name of OWN) registerBackend(name, backend, ABOVE);
  registerBackend("bitbasis", backend, ABOVE + 1);
}
