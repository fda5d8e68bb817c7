// What runs in a worker: a thread of a session, or a shard of its model. dist/web/worker.js is a bundle of its own.
import type { ThreadSetup } from "./control.ts";
import type { ShardJob, ShardSetup } from "./shard-job.ts";
import { ShardWorker } from "./shard-worker.ts";
import { serveThread } from "./thread-worker.ts";

interface Port {
  postMessage(message: unknown): void;
}

const node = (globalThis as { process?: { getBuiltinModule?(name: string): unknown } }).process?.getBuiltinModule?.(
  "node:worker_threads",
) as { parentPort: Port & { on(event: "message", listen: (data: unknown) => void): void } } | undefined;

let shard: ShardWorker | undefined;

function hear(message: unknown, port: Port): void {
  if (shard !== undefined) {
    port.postMessage(shard.run(message as ShardJob));
    return;
  }
  const setup = message as ThreadSetup | ShardSetup;
  if ("control" in setup) {
    serveThread(setup, () => port.postMessage("ready"));
    return;
  }
  shard = new ShardWorker(setup.module);
  port.postMessage("ready");
}

if (node !== undefined) node.parentPort.on("message", (message) => hear(message, node.parentPort));
else {
  const scope = globalThis as unknown as Port & { onmessage: (event: { data: unknown }) => void };
  scope.onmessage = ({ data }) => hear(data, scope);
}
