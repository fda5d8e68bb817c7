import { setFlagsFromString } from "node:v8";

/**
 * Lets this process compile the relaxed build: Node 20 has relaxed SIMD behind a flag, and only its second compiler gets it right.
 * Modules that are compiled from now on are concerned.
 */
export function allowRelaxed(): void {
  if (Number.parseInt(process.versions.node, 10) > 20) return;
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  setFlagsFromString("--no-liftoff");
}

/** The same with both compilers: what the probe must refuse. */
export function allowWrongRelaxed(): boolean {
  if (Number.parseInt(process.versions.node, 10) > 20) return false;
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  setFlagsFromString("--liftoff");
  return true;
}
