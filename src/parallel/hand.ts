import { BitbasisError, hasFiles, nodeModule } from "../core/index.ts";

/** A worker of Node, or of the web. */
interface Wire {
  post(message: unknown): void;
  stop(): Promise<unknown>;
  /** Whether the program goes on for it alone. */
  hold(on: boolean): void;
}

/** Why this runtime cannot have workers, as half a sentence; undefined: it can. */
export function whyNoWorkers(): string | undefined {
  return hasFiles() || typeof Worker === "function" ? undefined : "this runtime has no workers";
}

/** Why it cannot have workers that share memory. */
export function whyNoSharedMemory(): string | undefined {
  const why = whyNoWorkers();
  if (why !== undefined) return why;
  if (typeof SharedArrayBuffer === "function" && globalThis.crossOriginIsolated !== false) return undefined;
  return "this page is not cross-origin isolated (Cross-Origin-Opener-Policy: same-origin, Cross-Origin-Embedder-Policy: require-corp), so there is no shared memory";
}

/** A worker of the package, src/parallel/worker.ts, and whether it lives. */
export class Hand {
  private readonly wire: Wire;
  private ended: BitbasisError | undefined;
  private answer: { resolve(message: unknown): void; reject(why: BitbasisError): void } | undefined;

  /** @param onLost - hears once that the worker is gone, unless it was stopped */
  constructor(private readonly onLost: (why: BitbasisError) => void) {
    const message = (data: unknown): void => {
      this.wire.hold(false);
      this.answer?.resolve(data);
    };
    this.wire = hasFiles() ? nodeWire(message, (why) => this.lose(why)) : webWire(message, (why) => this.lose(why));
  }

  /** Sends a message and waits for the answer to it; the program waits with it. */
  ask(message: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.answer = { resolve, reject };
      if (this.ended !== undefined) {
        reject(this.ended);
        return;
      }
      this.wire.hold(true);
      this.wire.post(message);
    });
  }

  /** Ends the worker, also in the middle of its work. */
  async stop(): Promise<void> {
    this.ended ??= new BitbasisError("RELEASED", "the worker has been stopped");
    await this.wire.stop();
  }

  private lose(why: string): void {
    if (this.ended !== undefined) return;
    this.ended = new BitbasisError("WORKER", `a worker of the session has died: ${why}`);
    this.answer?.reject(this.ended);
    this.onLost(this.ended);
  }
}

type Listen = (message: unknown) => void;

/** Bundlers see the worker in `webWire`; here the file lies beside this one. */
const here = import.meta.url;

function nodeWire(message: Listen, lose: (why: string) => void): Wire {
  const { Worker: NodeWorker } = nodeModule("node:worker_threads");
  const worker = new NodeWorker(new URL("./worker.js", here), { execArgv: [] });
  worker.on("message", message);
  worker.on("error", ({ message: why }) => lose(why));
  worker.on("exit", (code) => lose(`it ended with code ${code}`));
  return {
    post: (data) => worker.postMessage(data),
    stop: () => worker.terminate(),
    hold: (on) => (on ? worker.ref() : worker.unref()),
  };
}

function webWire(message: Listen, lose: (why: string) => void): Wire {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => message(data);
  worker.onmessageerror = () => lose("it could not read a message");
  worker.onerror = (event) => lose(event.message ?? "its script could not be loaded");
  return { post: (data) => worker.postMessage(data), stop: async () => worker.terminate(), hold: () => {} };
}
