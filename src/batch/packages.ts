import type * as BullMQ from "bullmq";
import type { Redis } from "ioredis";

/** BullMQ, and connections that wait for a Redis that is away. BullMQ closes only those that it makes itself: `end` closes these. */
export interface OpenRedis {
  readonly bullmq: typeof BullMQ;
  readonly connect: () => Redis;
  readonly end: () => void;
}

/**
 * @throws Error that says what to install: both are optional peers, which only batches on many machines need
 */
export async function openRedis(url: string): Promise<OpenRedis> {
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
  return {
    bullmq,
    connect,
    end: () => {
      for (const redis of connections) redis.disconnect();
    },
  };
}
