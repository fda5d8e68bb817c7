import { randomUUID } from "node:crypto";
import type { Job } from "bullmq";
import { Pool, type PoolOptions } from "../pool/index.ts";
import { sweepSpec, threadScript } from "../sweep/index.ts";
import { openRedis } from "./packages.ts";
import { isRefusal, type JobData, type JobResult, modelKey, pack, QUEUE, unpack } from "./wire.ts";

export interface WorkerOptions {
  readonly url: string;
  /** Threads. */
  readonly workers: number;
  readonly build?: PoolOptions["build"];
  /** Of this package. */
  readonly version: string;
}

/** A lock that its worker no longer renews is given up after this time, and the job goes to another one. Threads do the work, so that the renewals never wait for it. */
const LOCK_MS = 10_000;
const STALLED_MS = 5000;
/** How often a job may lose its worker. */
const STALLED = 10;
/** A job that must run elsewhere comes back after this time. */
const ELSEWHERE_MS = 200;
/** Models that stay open: the jobs of a batch are of one. */
const MODELS = 4;

/** Takes jobs of batches from a Redis until it is told to end. */
export async function startWorker({
  url,
  workers,
  build,
  version,
}: WorkerOptions): Promise<{ close(): Promise<void> }> {
  const { bullmq, redis, connect, end } = await openRedis(url);
  const process = randomUUID();
  const pools = new Map<string, Promise<Pool>>();

  async function poolOf({ model, terms }: JobData): Promise<Pool> {
    const key = `${model}:${terms ?? ""}`;
    const open = pools.get(key) ?? openPool(model, terms);
    pools.delete(key);
    pools.set(key, open);
    if (pools.size > MODELS) {
      const [oldest, pool] = [...pools][0]!;
      pools.delete(oldest);
      void pool.then((one) => one.close());
    }
    open.catch(() => pools.delete(key));
    return open;
  }

  async function openPool(model: string, terms: number | undefined): Promise<Pool> {
    const bytes = await redis.getBuffer(modelKey(model));
    if (bytes === null) throw new Error(`Redis has no model ${model}`);
    const sweep = sweepSpec(bytes);
    if (sweep !== undefined && sweep.version !== version) {
      throw new RangeError(
        `the sweep is of bitbasis ${sweep.version}, a worker is ${version}: its outcomes may differ`,
      );
    }
    const one = { key: model, bytes, terms };
    return Pool.open([one], { workers, build, script: threadScript(one) });
  }

  async function run(job: Job<JobData, JobResult>, token?: string): Promise<JobResult> {
    const { model, feeds, except } = job.data;
    const [elsewhere, thread] = except?.split("/") ?? [];
    if (elsewhere === process && workers === 1) {
      await job.moveToDelayed(Date.now() + ELSEWHERE_MS, token);
      throw new bullmq.DelayedError();
    }
    try {
      const pool = await poolOf(job.data);
      const result = await pool.run({
        model,
        feeds: unpack(feeds),
        except: elsewhere === process ? Number(thread) : undefined,
      });
      return { outputs: pack(result.outputs), worker: `${process}/${result.worker}` };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const { name, message, code } = error as Error & { readonly code?: string };
      return { refused: { name, message, code } };
    }
  }

  const worker = new bullmq.Worker<JobData, JobResult>(QUEUE, run, {
    connection: connect(),
    concurrency: workers,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_MS,
    maxStalledCount: STALLED,
  });
  worker.on("error", () => undefined);
  return {
    async close() {
      // Jobs under way are handed in, but to a Redis that is away: they go to another worker when it is back.
      await worker.close(redis.status !== "ready");
      await Promise.all([...pools.values()].map(async (pool) => (await pool.catch(() => undefined))?.close()));
      end();
    },
  };
}
