export * from "./allocator.ts";
export * from "./builds.ts";
export * from "./core.ts";
export * from "./errors.ts";
export * from "./lattice.ts";
export * from "./linear.ts";
export * from "./pointers.ts";
export * from "./steps.ts";
