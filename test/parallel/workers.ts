import { createHash } from "node:crypto";
import workers from "node:worker_threads";
import { vi } from "vitest";
import type { Tensor } from "../../src/entries/index.ts";

export function digest({ data }: Tensor): string {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return createHash("sha256")
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest("hex");
}

/** The workers that sessions start from now on, made by `make`, until mocks are restored. */
export function recordWorkers(
  make: (url: URL) => workers.Worker = (url) => new workers.Worker(url, { execArgv: [] }),
): workers.Worker[] {
  const made: workers.Worker[] = [];
  const real = process.getBuiltinModule("node:worker_threads");
  function Recorded(url: URL): workers.Worker {
    const worker = make(url);
    made.push(worker);
    return worker;
  }
  const found = process.getBuiltinModule;
  const find = (name: string): unknown =>
    name === "node:worker_threads" ? { ...real, Worker: Recorded } : found(name as "node:path");
  vi.spyOn(process, "getBuiltinModule").mockImplementation(find as never);
  return made;
}

export function isGone(worker: workers.Worker): boolean {
  return worker.threadId === -1;
}
