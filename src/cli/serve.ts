import { availableParallelism } from "node:os";
import type { Command } from "cac";
import { isContainer } from "../model/index.ts";
import { Pool, poolModel } from "../pool/index.ts";
import { PRESETS, type Preset } from "../series/index.ts";
import type { InferenceServer } from "../serve/index.ts";
import { naming, readModelFile } from "./files.ts";
import { printText } from "./print.ts";
import { withProgress } from "./progress.ts";
import { choice, integer } from "./usage.ts";
import { packageVersion } from "./version.ts";

interface Options {
  readonly port: unknown;
  readonly host: unknown;
  readonly workers?: unknown;
  readonly queue: unknown;
  readonly timeout: unknown;
  readonly maxBody: unknown;
  readonly maxMemory: unknown;
  readonly maxMacs: unknown;
  readonly preset: unknown;
  readonly terms?: unknown;
  readonly logLevel: unknown;
}

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

export function registerServe(command: Command): void {
  command
    .option("--port <n>", "Port; 0 takes a free one, which is printed", { default: 8080 })
    .option("--host <address>", "Address to listen at; 0.0.0.0 is all", { default: "127.0.0.1" })
    .option("--workers <n>", "Threads, each with all models (default: one per core)")
    .option("--queue <n>", "Most requests that wait; more are answered 429", { default: 256 })
    .option("--timeout <seconds>", "Time of a request to arrive, and again to be answered", { default: 30 })
    .option("--max-body <bytes>", "Longest body of a request", { default: 2 ** 25 })
    .option("--max-memory <bytes>", "Most memory of a model in a worker", { default: 2 ** 30 })
    .option("--max-macs <n>", "Most multiply-accumulates of a request", { default: 1e12 })
    .option("--preset <P>", `For .onnx files: ${PRESETS.join(", ")}`, { default: "faithful" })
    .option("--terms <n>", "Weight terms to use at most")
    .option("--log-level <level>", LEVELS.join(", "), { default: "info" })
    .example("bitbasis serve digits@1=old.safetensors digits@2=new.safetensors --port 8080")
    .action(async (words: readonly string[], options: Options) => {
      // No other command needs the server and its packages.
      const { findModels, InferenceServer: Server, keyOf, makeLog, makeMetrics } = await import("../serve/index.ts");
      const workers = integer("--workers", options.workers ?? availableParallelism(), 1, 1024);
      const limits = {
        bytes: integer("--max-memory", options.maxMemory, 1, 2 ** 34),
        macs: integer("--max-macs", options.maxMacs, 1, Number.MAX_SAFE_INTEGER),
      };
      const settings = { preset: choice<Preset>("--preset", options.preset, PRESETS), limits };
      const terms = options.terms === undefined ? undefined : integer("--terms", options.terms, 1, 8);
      const queue = integer("--queue", options.queue, 0, 1e6);
      const port = integer("--port", options.port, 0, 65_535);
      const timeout = 1000 * integer("--timeout", options.timeout, 1, 86_400);
      const maxBody = integer("--max-body", options.maxBody, 1, 2 ** 30);
      const log = makeLog(choice("--log-level", options.logLevel, LEVELS));
      const entries = await findModels(words);
      let pool: Pool | undefined;
      const metrics = makeMetrics(() => pool);
      const models = await Promise.all(
        entries.map(async (entry) => {
          const { bytes, externalData } = await readModelFile(entry.path);
          const plan = isContainer(bytes.subarray(0, 16)) ? {} : { ...settings, externalData };
          const making = () =>
            withProgress((onProgress) => poolModel(keyOf(entry), bytes, { ...plan, terms, onProgress }));
          return naming(entry.path, making);
        }),
      );
      pool = await Pool.open(models, {
        workers,
        queue,
        limits,
        onLost: (reason) => {
          metrics.restarts.inc();
          log.error({ reason }, "a worker was lost");
        },
      });
      let server: InferenceServer;
      try {
        server = new Server({ pool, entries, metrics, log, version: packageVersion(), maxBody, timeout });
        printText(`http://${options.host}:${await server.listen(port, String(options.host))}`);
      } catch (error) {
        await pool.close();
        throw error;
      }
      for (const { name, version, path } of entries) {
        const { digest } = pool.models.get(keyOf({ name, version }))!;
        log.info({ name, version, path, digest, workers }, "serving");
      }
      await new Promise<void>((resolve) => {
        for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, resolve);
      });
      log.info("draining");
      await server.drain();
      log.info("ended");
    });
}
