// Set enumeration and exhaustive verification; a module of its own, so that inference never downloads it.
export * from "./attention";
export { gcds, reach } from "./sets/closed";
export { closure } from "./sets/enumerate";
export { separate } from "./sets/separation";
export { verify } from "./sets/network";
export { evaluateDyadic } from "./regimes/evaluate";
