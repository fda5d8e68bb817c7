import { sha256 } from "../model/sha256.ts";
import { Pool, type PoolModel } from "../pool/index.ts";
import { threadScript } from "../sweep/index.ts";
import type { Runner } from "./batch.ts";
import { openRedis } from "./packages.ts";
import { type JobData, type JobResult, modelKey, pack, QUEUE, refusalOf, unpack } from "./wire.ts";

/** Jobs in Redis at a time: enough for many workers, few enough that their inputs are no matter of memory. */
const WIDTH = 256;
/** How often a job is looked at whose event has not come: events are lost while Redis is away. */
const LOOK_MS = 2000;
/** A worker may be killed in the middle of a job as often as this before the job counts as what kills it. */
const ATTEMPTS = 5;
/** Models stay in Redis for a day after they were last asked for. */
const KEPT_SECONDS = 86_400;

/** Runs the jobs of a batch, or of a sweep, on the workers of a Redis, which BullMQ hands them to; see `startWorker`. */
export async function redisRunner(model: PoolModel, url: string): Promise<Runner> {
  const pool = await Pool.open([model], { workers: 1, script: threadScript(model) });
  const facts = pool.models.get(model.key)!;
  await pool.close();
  const { bullmq, redis, connect, end } = await openRedis(url);
  const sha = sha256(model.bytes);
  const store = (): Promise<unknown> => redis.set(modelKey(sha), Buffer.from(model.bytes), "EX", KEPT_SECONDS);
  await store();
  const queue = new bullmq.Queue<JobData, JobResult>(QUEUE, { connection: redis });
  const events = new bullmq.QueueEvents(QUEUE, { connection: connect() });
  const ring = (): void => undefined;
  const bells = new Map<string, () => void>();
  const heard = ({ jobId }: { readonly jobId: string }): void => (bells.get(jobId) ?? ring)();
  events.on("completed", heard);
  events.on("failed", heard);
  queue.on("error", ring);
  events.on("error", ring);
  await events.waitUntilReady();

  const add = (jobId: string, data: JobData): Promise<unknown> =>
    queue.add("run", data, { jobId, attempts: ATTEMPTS, backoff: { type: "fixed", delay: 100 } });

  return {
    facts,
    width: WIDTH,
    async run(key, feeds, except) {
      const data: JobData = { model: sha, terms: model.terms, feeds: pack(feeds), except };
      // A job of another batch by the same key has the same result; BullMQ does not add it again.
      await add(key, data);
      for (;;) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, LOOK_MS);
          bells.set(key, () => {
            clearTimeout(timer);
            resolve();
          });
        });
        bells.delete(key);
        const job = await bullmq.Job.fromId<JobData, JobResult>(queue, key);
        if (job === undefined || job === null) {
          // Redis came back without it, or another batch has taken its result away: the work is done again, with the same bits.
          await store();
          await add(key, data);
          continue;
        }
        const state = await job.getState();
        if (state === "failed") {
          await job.remove();
          throw new Error(`the job ${key} failed ${ATTEMPTS} times: ${job.failedReason}`);
        }
        if (state !== "completed") continue;
        // Read after the state: what was read before may be of a job that was still running.
        const result = (await bullmq.Job.fromId<JobData, JobResult>(queue, key))?.returnvalue;
        if (result === undefined || result === null) continue;
        await job.remove();
        if ("refused" in result) throw refusalOf(result);
        return { outputs: unpack(result.outputs), worker: result.worker };
      }
    },
    async close() {
      await events.close();
      await queue.close();
      end();
    },
  };
}
