export type { ModelFacts, Parcel, Parcels, PoolLimits, PoolModel, ValueFacts } from "./messages.ts";
export { poolModel } from "./model.ts";
export { Pool, PoolFull, type PoolOptions, type RunRequest, type RunResult, WorkerLost } from "./pool.ts";
export { serveThread, type ThreadRun, type ThreadWork } from "./thread.ts";
