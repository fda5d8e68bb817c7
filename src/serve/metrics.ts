import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Pool } from "../pool/index.ts";

/** From 1 ms to 30 s. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What /metrics shows, for Prometheus. */
export interface Metrics {
  readonly registry: Registry;
  /** By model, version and status; of paths that name no model, the model is "". */
  readonly requests: Counter;
  /** From the first byte of a request to the last of its answer. */
  readonly seconds: Histogram;
  /** In a worker. */
  readonly runSeconds: Histogram;
  readonly restarts: Counter;
}

export function makeMetrics(pool: () => Pool | undefined): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: (pool: Pool) => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const now = pool();
        this.set(now === undefined ? 0 : read(now));
      },
    });
  };
  gauge("bitbasis_queue_length", "Runs that wait for a worker", ({ queued }) => queued);
  gauge("bitbasis_runs", "Runs under way", ({ busy }) => busy);
  gauge("bitbasis_workers", "Workers that are up", ({ threads }) => threads.length);
  const labelNames = ["model", "version"];
  return {
    registry,
    requests: new Counter({
      name: "bitbasis_requests_total",
      help: "Requests to infer, by status",
      labelNames: [...labelNames, "status"],
      registers,
    }),
    seconds: new Histogram({
      name: "bitbasis_request_seconds",
      help: "Time of a request to infer",
      labelNames,
      buckets: SECONDS,
      registers,
    }),
    runSeconds: new Histogram({
      name: "bitbasis_run_seconds",
      help: "Time of a run in its worker",
      labelNames,
      buckets: SECONDS,
      registers,
    }),
    restarts: new Counter({
      name: "bitbasis_worker_restarts_total",
      help: "Workers that ended by themselves",
      registers,
    }),
  };
}
