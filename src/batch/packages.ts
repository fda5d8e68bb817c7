import type * as BullMQ from "bullmq";
import type { Redis } from "ioredis";

/** BullMQ, and connections that wait for a Redis that goes away. BullMQ closes only those that it makes itself: `end` closes these. */
export interface OpenRedis {
  readonly bullmq: typeof BullMQ;
  /** Is connected. */
  readonly redis: Redis;
  /** One more: what waits for messages can do nothing else. */
  readonly connect: () => Redis;
  readonly end: () => void;
}

/** A Redis that starts together with its workers is there by then; one that is not is most likely at another address. */
const PATIENCE_MS = 30_000;

/**
 * Resolves once Redis answers. From then on an outage is waited for, however long it is.
 *
 * @param patience for the first answer, in milliseconds
 * @throws Error that says what to install: both are optional peers, which only batches on many machines need
 * @throws Error when Redis has not answered in time
 */
export async function openRedis(url: string, patience = PATIENCE_MS): Promise<OpenRedis> {
  let bullmq: typeof BullMQ;
  let ioredis: Pick<typeof import("ioredis"), "Redis">;
  try {
    [bullmq, ioredis] = await Promise.all([import("bullmq"), import("ioredis")]);
  } catch (cause) {
    throw new Error("--redis needs the packages bullmq and ioredis: npm install bullmq ioredis", { cause });
  }
  const connections: Redis[] = [];
  const connect = (): Redis => {
    const redis = new ioredis.Redis(url, {
      maxRetriesPerRequest: null,
      retryStrategy: (times) => Math.min(100 * times, 2000),
    });
    // Told once an outage, not at every try.
    let away = false;
    redis.on("error", (error: Error) => {
      if (!away) process.stderr.write(`bitbasis: Redis: ${error.message}; waiting for it\n`);
      away = true;
    });
    redis.on("ready", () => {
      away = false;
    });
    connections.push(redis);
    return redis;
  };
  const end = (): void => {
    for (const redis of connections) redis.disconnect();
  };
  const redis = connect();
  try {
    await answered(redis, patience);
  } catch (error) {
    end();
    throw error;
  }
  return { bullmq, redis, connect, end };
}

/** @throws Error when the connection is not ready in time, with what it failed of last; the address has no password in it */
async function answered(redis: Redis, patience: number): Promise<void> {
  let last = "no answer";
  const failed = ({ message }: Error): void => {
    last = message;
  };
  redis.on("error", failed);
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      redis.once("ready", resolve);
      timer = setTimeout(() => {
        const { host, port, path } = redis.options;
        const seconds = patience / 1000;
        reject(new Error(`--redis: no Redis at ${path ?? `${host}:${port}`} within ${seconds} s: ${last}`));
      }, patience);
    });
  } finally {
    clearTimeout(timer);
    redis.off("error", failed);
  }
}
