export * from "./codes";
export * from "./retrieval";
