import { availableParallelism } from "node:os";
import type { Command } from "cac";
import { printAside } from "./print.ts";
import { BUILDS, choice, integer, UsageError } from "./usage.ts";
import { packageVersion } from "./version.ts";

interface Options {
  readonly redis?: unknown;
  readonly workers?: unknown;
  readonly build?: unknown;
}

export function registerWorker(command: Command): void {
  command
    .option("--redis <url>", "The Redis of the batches")
    .option("--workers <n>", "Threads (default: one per core)")
    .option("--build <B>", `${BUILDS.join(", ")}: used or refused; the outputs are the same`, { default: "auto" })
    .example("bitbasis worker --redis redis://queue:6379")
    .action(async (options: Options) => {
      if (options.redis === undefined) throw new UsageError("worker expected --redis URL");
      const workers = integer("--workers", options.workers ?? availableParallelism(), 1, 1024);
      const build = choice("--build", options.build, BUILDS);
      const { startWorker } = await import("../batch/index.ts");
      const worker = await startWorker({ url: String(options.redis), workers, build, version: packageVersion() });
      printAside("bitbasis: ready for jobs");
      await new Promise<void>((resolve) => {
        for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, resolve);
      });
      await worker.close();
    });
}
