export { type BatchOptions, type BatchResult, type Runner, runBatch } from "./batch.ts";
export { findItems, type Item } from "./items.ts";
export { localRunner } from "./local.ts";
export { redisRunner } from "./redis.ts";
export { startWorker } from "./worker.ts";
