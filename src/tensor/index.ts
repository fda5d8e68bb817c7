export * from "./cast.ts";
export * from "./random.ts";
export * from "./shape.ts";
export * from "./small-float.ts";
export * from "./tensor.ts";
export * from "./types.ts";
