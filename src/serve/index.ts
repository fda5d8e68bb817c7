export { type Entry, findModels, keyOf } from "./catalog.ts";
export { makeLog } from "./log.ts";
export { makeMetrics } from "./metrics.ts";
export { InferenceServer } from "./server.ts";
