// Set enumeration and exhaustive verification; a module of its own, so that inference never downloads it.
export function abi(): i32 {
  return 1;
}
export * from "./attention";
