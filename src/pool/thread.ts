import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import {
  type Answer,
  buffersOf,
  type Failure,
  type ModelFacts,
  type Order,
  type Parcels,
  type Setup,
} from "./messages.ts";

/** A run that a thread is asked for. */
export interface ThreadRun extends Omit<Extract<Order, { run: number }>, "run"> {
  readonly signal: AbortSignal;
}

/** What a thread of a Pool does with the models of its setup. */
export interface ThreadWork {
  /** By key of the model. */
  readonly facts: Readonly<Record<string, ModelFacts>>;
  run(request: ThreadRun): Promise<Parcels>;
}

/** The thread's side of a Pool: opens its models, says so, and answers runs in the order in which they come. */
export async function serveThread(open: (setup: Setup) => Promise<ThreadWork>): Promise<void> {
  const port = parentPort as MessagePort;
  const aborts = new Map<number, AbortController>();
  const answer = (message: Answer, transfer: readonly ArrayBuffer[] = []): void => port.postMessage(message, transfer);

  async function run({ run: done, ...request }: Extract<Order, { run: number }>, work: ThreadWork): Promise<void> {
    const controller = new AbortController();
    aborts.set(done, controller);
    const start = performance.now();
    try {
      const outputs = await work.run({ ...request, signal: controller.signal });
      answer({ done, outputs, milliseconds: performance.now() - start }, buffersOf(outputs));
    } catch (error) {
      answer({ done, failure: failureOf(error) });
    } finally {
      aborts.delete(done);
    }
  }

  try {
    const work = await open(workerData as Setup);
    port.on("message", (order: Order) => {
      if ("abort" in order) aborts.get(order.abort)?.abort(new DOMException("the run was aborted", "AbortError"));
      else void run(order, work);
    });
    answer({ ready: work.facts });
  } catch (error) {
    answer({ failed: failureOf(error) });
  }
}

function failureOf(error: unknown): Failure {
  const { name = "Error", message = String(error), code } = error as Error & { readonly code?: unknown };
  return { name, message, ...(typeof code === "string" && { code }) };
}
