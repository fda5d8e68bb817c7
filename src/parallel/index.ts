export type { Crew, Elsewhere } from "./crew.ts";
export { CUTS, type Cut, type Part, partition } from "./partition.ts";
export { type ShardCost, Shards } from "./shards.ts";
export { piecesOf, Threads } from "./threads.ts";
