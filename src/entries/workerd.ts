/**
 * `bitbasis/workerd`: for Cloudflare's runtime, which compiles no WebAssembly while it runs; the core is a module of the bundle.
 *
 * @module
 */
import simd from "../../build/simd.workerd.js";
import type { SessionOptions } from "../session/options.ts";
import { InferenceSession as Session } from "../session/session.ts";
import type { Source } from "../session/source.ts";

export * from "./index.ts";

/** The InferenceSession of "bitbasis", whose `wasm` option has the bundle's module for a default. */
export const InferenceSession: typeof Session = new Proxy(Session, {
  get: (session, key) => (key === "create" ? create : Reflect.get(session, key)),
});
export type InferenceSession = Session;

function create(source: Source | Promise<Source>, options?: SessionOptions): Promise<Session> {
  return Session.create(source, { wasm: simd, ...options });
}
