import simd from "#simd";
import { BitbasisError } from "./errors.ts";
import { environment, needWebAssembly } from "./host.ts";
import { shown } from "./shown.ts";
import { fromText } from "./wasm-text.ts";

/** Builds of the core with one ABI; see ARCHITECTURE.md. */
export type Build = "scalar" | "simd" | "relaxed";
/** "rest" is what the SIMD build of the package has not (assembly/part.ts). */
export type ModuleName = Build | "rest" | "lattice" | "shards" | "probe" | "synth";

const compiled = new Map<ModuleName, Promise<WebAssembly.Module>>();

/** The compiled module of the given name, compiled once per process. */
export function loadModule(name: ModuleName): Promise<WebAssembly.Module> {
  let module = compiled.get(name);
  if (module === undefined) {
    module = packaged(name).then(async (code) => {
      if (typeof code !== "string") return code;
      const bytes = (code === simd ? validated : undefined) ?? fromText(code);
      validated = undefined;
      return compileModule(bytes, notCompiled(name));
    });
    module.catch(() => compiled.delete(name));
    compiled.set(name, module);
  }
  return module;
}

/** Engines say it in words of their own: "blocked by CSP", "violates the following Content Security Policy directive", "disallowed by embedder". */
const FORBIDDEN = /content security policy|\bCSP\b|unsafe-eval|disallowed by embedder/i;

/** What to do where the host forbids WebAssembly; undefined where the engine has said something else. */
function forbidden({ message }: Error): string | undefined {
  return FORBIDDEN.test(message)
    ? `this runtime forbids to compile WebAssembly (${message}): a page's content security policy must allow script-src 'wasm-unsafe-eval'; where nothing is compiled at run time, import "bitbasis/workerd"`
    : undefined;
}

/**
 * Compiles a module.
 *
 * @param fault - what is wrong where the bytes are to blame
 * @throws BitbasisError BUILD for bytes that are not compiled, with what to do where the host forbids it
 */
export async function compileModule(bytes: Uint8Array<ArrayBuffer>, fault: string): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    const { message } = cause as Error;
    throw new BitbasisError("BUILD", forbidden(cause as Error) ?? `${fault}: ${message}`, { cause });
  }
}

/**
 * The exports of a module over a memory.
 *
 * @throws BitbasisError BUILD where the host forbids it: WebKit compiles under every content security policy, and refuses the instance
 */
export async function instantiate<Exports>(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<Exports> {
  try {
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    return exports as unknown as Exports;
  } catch (cause) {
    const why = forbidden(cause as Error);
    throw why === undefined ? cause : new BitbasisError("BUILD", why, { cause });
  }
}

/** What is wrong where a build of ours is not compiled. */
export const notCompiled = (build: ModuleName): string => `this runtime cannot compile the build "${build}"`;

/** The bytes of a module; undefined on workerd, which has none of them. */
export async function moduleBytes(name: ModuleName): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const code = await packaged(name);
  return typeof code === "string" ? fromText(code) : undefined;
}

/**
 * The default build is part of the bundle, so that no path problem can exist; the others are chunks beside it. The names are in package.json's
 * `imports`: bytes as text, but modules on workerd, which compiles none while it runs.
 */
async function packaged(name: ModuleName): Promise<string | WebAssembly.Module> {
  switch (name) {
    case "scalar":
      return (await import("#scalar")).default;
    case "simd":
      return simd;
    case "relaxed":
      return (await import("#relaxed")).default;
    case "probe":
      return (await import("#probe")).default;
    case "rest":
      return (await import("#rest")).default;
    case "lattice":
      return (await import("#lattice")).default;
    case "shards":
      return (await import("#shards")).default;
    case "synth":
      return (await import("#synth")).default;
  }
}

/** The default build while it waits to be compiled: `chooseBuild` has looked at it before. */
let validated: Uint8Array<ArrayBuffer> | undefined;

/** A module that replaces ours must ask for nothing but memory and have all of these functions. */
export function checkModule(module: WebAssembly.Module, functions: readonly string[]): void {
  const named = ({ name, kind }: { name: string; kind: string }): string => `${kind} "${name}"`;
  const given = new Set(WebAssembly.Module.exports(module).map(named));
  const missing = functions.map((name) => named({ kind: "function", name })).find((one) => !given.has(one));
  const surplus = WebAssembly.Module.imports(module).find(
    ({ module: from, name }) => from !== "env" || name !== "memory",
  );
  if (surplus !== undefined || missing !== undefined) {
    const why = surplus === undefined ? `has no ${missing}` : `imports the ${named(surplus)} of "${surplus.module}"`;
    throw new BitbasisError("BUILD", `"wasm" expected a module of bitbasis, got one that ${why}`);
  }
}

let hasSimd: boolean | undefined;

function validate(text: string): boolean {
  needWebAssembly();
  const bytes = fromText(text);
  const valid = WebAssembly.validate(bytes);
  if (valid) validated = bytes;
  return valid;
}

/**
 * A build that is named is used or refused, never another in its place. `auto` becomes the value of BITBASIS_BUILD, else `simd` where the
 * runtime takes it, else `scalar`.
 *
 * @throws BitbasisError BUILD for a build that this package does not have
 */
export function chooseBuild(build: "auto" | Build): Build {
  const wanted = build === "auto" ? (environment("BITBASIS_BUILD") ?? "auto") : build;
  if (wanted === "scalar" || wanted === "simd" || wanted === "relaxed") return wanted;
  if (wanted === "auto") {
    hasSimd ??= typeof simd !== "string" || validate(simd);
    return hasSimd ? "simd" : "scalar";
  }
  throw new BitbasisError("BUILD", `build expected "auto", "scalar", "simd" or "relaxed", got ${shown(wanted)}`);
}
