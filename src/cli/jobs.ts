import { availableParallelism } from "node:os";
import type { Runner } from "../batch/index.ts";
import type { PoolModel } from "../pool/index.ts";
import { integer, UsageError } from "./usage.ts";

/** Options of commands whose jobs run on the threads of this machine, or over Redis on those of others. */
export interface JobOptions {
  readonly workers?: unknown;
  readonly redis?: unknown;
  readonly verify: unknown;
}

export interface Jobs {
  /** Every so many jobs run twice; 0 for none. */
  readonly verify: number;
  open(model: PoolModel): Promise<Runner>;
}

/** @throws UsageError for options that do not go together, or that are out of range */
export function jobsOf({ workers: given, redis, verify: every }: JobOptions): Jobs {
  if (redis !== undefined && given !== undefined) {
    throw new UsageError(
      "--workers is for this machine, --redis for workers that bitbasis worker starts: give one of them",
    );
  }
  const workers = integer("--workers", given ?? availableParallelism(), 1, 1024);
  const verify = integer("--verify", every, 0, 1e9);
  if (verify > 0 && redis === undefined && workers < 2) throw new UsageError("--verify needs two workers");
  return {
    verify,
    async open(model) {
      // No other command needs these and their packages.
      const { localRunner, redisRunner } = await import("../batch/index.ts");
      return redis === undefined ? localRunner(model, workers) : redisRunner(model, String(redis));
    },
  };
}
