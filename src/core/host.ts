// What there is of WebAssembly and of Node here. `process` is looked up, never named, and modules are asked for by a call: bundlers neither see a "node:" specifier nor
// put in a polyfill. Pages define a `process` without anything in it, and Deno has one that throws.

import { BitbasisError } from "./errors.ts";

/**
 * Everything that is computed is computed in WebAssembly: iOS in its lockdown mode and `node --jitless` have none.
 *
 * @throws BitbasisError BUILD where there is none
 */
export function needWebAssembly(): void {
  if (typeof WebAssembly === "undefined") {
    throw new BitbasisError(
      "BUILD",
      "bitbasis expected a runtime with WebAssembly, got one that has none or has it turned off",
    );
  }
}

/** @internal – users need not have the types of Node */
interface NodeModules {
  readonly "node:fs/promises": typeof import("node:fs/promises");
  readonly "node:module": typeof import("node:module");
  readonly "node:path": typeof import("node:path");
  readonly "node:url": typeof import("node:url");
  readonly "node:worker_threads": typeof import("node:worker_threads");
}

interface Process {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly versions?: { readonly node?: string };
  getBuiltinModule?(name: string): unknown;
}

function host(): Process | undefined {
  return (globalThis as { process?: Process }).process ?? undefined;
}

/** Whether a path can be read: Node, Deno, Bun. */
export function hasFiles(): boolean {
  return typeof host()?.versions?.node === "string";
}

/** An environment variable; undefined where there is none, or where it may not be read. */
export function environment(name: string): string | undefined {
  try {
    const value = host()?.env?.[name];
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A module of Node's. Throws TypeError where there are none.
 * @internal
 */
export function nodeModule<Name extends keyof NodeModules>(name: Name): NodeModules[Name] {
  const module = host()?.getBuiltinModule?.(name);
  if (module === undefined) {
    throw new TypeError(`a path can be read in Node 20.16 or newer, Deno and Bun; there is no ${name} here`);
  }
  return module as NodeModules[Name];
}
