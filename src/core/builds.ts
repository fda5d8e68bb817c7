import simd from "../../build/simd.js";
import { BitbasisError } from "./errors.ts";

/** Builds of the core with one ABI; see ARCHITECTURE.md. */
export type Build = "scalar" | "simd";
export type ModuleName = Build | "lattice";

const compiled = new Map<ModuleName, Promise<WebAssembly.Module>>();

/** The compiled module of the given name; compiled once per process, the bytes are inlined in the package. */
export function loadModule(name: ModuleName): Promise<WebAssembly.Module> {
  let module = compiled.get(name);
  if (module === undefined) {
    module = inlined(name).then((base64) => WebAssembly.compile(decode(base64)));
    module.catch(() => compiled.delete(name));
    compiled.set(name, module);
  }
  return module;
}

/** The default build is part of the bundle, so that no path problem can exist; the others are chunks beside it. */
async function inlined(name: ModuleName): Promise<string> {
  switch (name) {
    case "scalar":
      return (await import("../../build/scalar.js")).default;
    case "simd":
      return simd;
    case "lattice":
      return (await import("../../build/lattice.js")).default;
  }
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

/** `auto` becomes the value of BITBASIS_BUILD, or `simd`. */
export function chooseBuild(build: "auto" | "relaxed" | Build): Build {
  const forced = typeof process === "object" ? process.env["BITBASIS_BUILD"] : undefined;
  const wanted = build === "auto" ? (forced ?? "simd") : build;
  if (wanted === "scalar" || wanted === "simd") return wanted;
  if (wanted === "relaxed") return "simd";
  throw new BitbasisError(
    "BUILD",
    `build expected "auto", "scalar", "simd" or "relaxed", got ${JSON.stringify(wanted)}`,
  );
}
