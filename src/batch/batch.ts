import { stat } from "node:fs/promises";
import { join } from "node:path";
import { BitbasisError } from "../core/index.ts";
import { sha256 } from "../model/sha256.ts";
import type { ModelFacts, Parcel, Parcels } from "../pool/index.ts";
import { digestOf } from "../receipt/digest.ts";
import { NUMERICS } from "../receipt/numerics.ts";
import { fileReason } from "../session/file-reason.ts";
import { Tensor } from "../tensor/index.ts";
import type { Item } from "./items.ts";
import { type Done, type DoneOutput, Journal } from "./journal.ts";

/** What runs the jobs of a batch. */
export interface Runner {
  readonly facts: ModelFacts;
  /** Jobs that keep it busy. */
  readonly width: number;
  /**
   * @param key - the same for the same work
   * @param except - a worker that must not run it
   */
  run(key: string, feeds: Parcels, except?: string): Promise<{ readonly outputs: Parcels; readonly worker: string }>;
  close(): Promise<void>;
}

export interface BatchOptions {
  readonly items: readonly Item[];
  readonly folder: string;
  readonly runner: Runner;
  readonly read: (item: Item) => Promise<Parcels>;
  /** How an output is written: as a file, whose name's ending is `extension`, or as JSON in the line of the item. */
  readonly format:
    | { readonly extension: string; readonly encode: (output: Parcel) => Uint8Array }
    | { readonly json: (output: Parcel) => unknown };
  /** Every so many jobs are run again on another worker and compared; 0 for none. */
  readonly verify: number;
  readonly onProgress: (progress: { phase: string; loaded: number; total: number }) => void;
}

export interface BatchResult {
  readonly items: number;
  /** Were there already. */
  readonly resumed: number;
  readonly computed: number;
  /** Had the same content as another one. */
  readonly copied: number;
  readonly verified: number;
  readonly failed: readonly { readonly id: string; readonly reason: string }[];
}

/** What a job is computed from: SHA-256 over the version of the arithmetic, the container, the terms in use and the inputs. */
export function jobKey({ digest, terms }: ModelFacts, feeds: Parcels): string {
  const inputs = Object.entries(feeds)
    .map(([name, { type, data, dims }]): [string, string] => [name, digestOf(new Tensor(type, data, dims))])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(new TextEncoder().encode(JSON.stringify([NUMERICS, digest, terms, inputs])));
}

/**
 * Runs a model over many inputs. An item is done once its outputs are in place and its line is in the journal; one whose key is there already is not
 * computed again, also under another id. An input that the model refuses is reported at the end, and the others are done.
 *
 * @throws what makes going on senseless, such as a full disk: what is done stays, and the same call goes on from there
 */
export async function runBatch(options: BatchOptions): Promise<BatchResult> {
  const journal = await Journal.open(options.folder);
  try {
    const batch = new Batch(options, journal);
    await batch.all();
    await journal.finish(options.items.map(({ id }) => id)).catch((cause) => stopped("results.jsonl", cause));
    return batch.result();
  } finally {
    await journal.close();
  }
}

class Batch {
  private readonly counts = { resumed: 0, computed: 0, copied: 0, verified: 0 };
  private readonly failed: { id: string; reason: string }[] = [];
  private readonly running = new Map<string, Promise<Parcels>>();
  private next = 0;
  private finished = 0;

  constructor(
    private readonly options: BatchOptions,
    private readonly journal: Journal,
  ) {}

  async all(): Promise<void> {
    const { runner, items } = this.options;
    // A fault of one loop ends the others after the item that each has in hand.
    let fault: { readonly error: unknown } | undefined;
    const loop = async (): Promise<void> => {
      while (fault === undefined && this.next < items.length) {
        const index = this.next++;
        await this.one(items[index]!, index).catch((error: unknown) => {
          fault ??= { error };
        });
        this.options.onProgress({ phase: "run", loaded: ++this.finished, total: items.length });
      }
    };
    await Promise.all(Array.from({ length: Math.min(runner.width, items.length) }, loop));
    if (fault !== undefined) throw fault.error;
  }

  result(): BatchResult {
    return { items: this.options.items.length, ...this.counts, failed: this.failed };
  }

  private async one(item: Item, index: number): Promise<void> {
    const { runner, read } = this.options;
    try {
      const feeds = await read(item);
      const key = jobKey(runner.facts, feeds);
      const before = this.journal.done.get(item.id);
      if (before?.key === key && (await this.isThere(before))) {
        this.counts.resumed++;
        return;
      }
      const other = this.running.get(key);
      if (other !== undefined) {
        await this.keep(item, key, await other);
        this.counts.copied++;
        return;
      }
      const twin = this.journal.twin(key);
      if (twin !== undefined && (await this.isThere(twin))) {
        await this.copy(item, twin);
        this.counts.copied++;
        return;
      }
      const running = this.compute(key, feeds, index);
      this.running.set(key, running);
      // Only those under way are kept: a batch may have more outputs than there is memory.
      const outputs = await running.finally(() => this.running.delete(key));
      await this.keep(item, key, outputs);
      this.counts.computed++;
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError || error instanceof BitbasisError)) throw error;
      this.failed.push({ id: item.id, reason: error.message });
    }
  }

  private async compute(key: string, feeds: Parcels, index: number): Promise<Parcels> {
    const { runner, verify } = this.options;
    const { outputs, worker } = await runner.run(key, feeds);
    if (verify > 0 && index % verify === 0) {
      const second = await runner.run(`${key}-verify`, feeds, worker);
      for (const [name, output] of Object.entries(outputs)) {
        if (digest(output) === digest(second.outputs[name]!)) continue;
        throw new Error(
          `the output "${name}" of the job ${key} differs between the workers ${worker} and ${second.worker}`,
        );
      }
      this.counts.verified++;
    }
    return outputs;
  }

  private async keep({ id }: Item, key: string, outputs: Parcels): Promise<void> {
    const { format } = this.options;
    const done: [string, DoneOutput][] = [];
    const names = Object.keys(outputs);
    try {
      for (const name of names) {
        const output = outputs[name]!;
        if ("json" in format) {
          done.push([name, { sha256: digest(output), values: format.json(output) }]);
          continue;
        }
        const file = fileOf(id, name, names.length, format.extension);
        await this.journal.write(file, format.encode(output));
        done.push([name, { sha256: digest(output), file }]);
      }
      await this.journal.add({ id, key, outputs: Object.fromEntries(done) });
    } catch (cause) {
      stopped(`the outputs of "${id}"`, cause);
    }
  }

  private async copy({ id }: Item, { key, outputs }: Done): Promise<void> {
    const { format } = this.options;
    const done: [string, DoneOutput][] = [];
    try {
      for (const [name, output] of Object.entries(outputs)) {
        if (output.file === undefined || "json" in format) {
          done.push([name, output]);
          continue;
        }
        const file = fileOf(id, name, Object.keys(outputs).length, format.extension);
        await this.journal.write(file, await this.journal.read(output.file));
        done.push([name, { ...output, file }]);
      }
      await this.journal.add({ id, key, outputs: Object.fromEntries(done) });
    } catch (cause) {
      stopped(`the outputs of "${id}"`, cause);
    }
  }

  private async isThere({ outputs }: Done): Promise<boolean> {
    const { format, folder } = this.options;
    for (const { file, values } of Object.values(outputs)) {
      if ("json" in format ? values === undefined : file === undefined) return false;
      if (file !== undefined && (await stat(join(folder, file)).catch(() => undefined)) === undefined) return false;
    }
    return true;
  }
}

function digest({ type, data, dims }: Parcel): string {
  return digestOf(new Tensor(type, data, dims));
}

function fileOf(id: string, name: string, outputs: number, extension: string): string {
  return outputs === 1 ? `${id}.${extension}` : `${id}.${name.replaceAll(/[^\w.-]/g, "_")}.${extension}`;
}

function stopped(what: string, cause: unknown): never {
  throw new Error(
    `cannot write ${what}: ${fileReason(cause)}; what is done stays, and the same command goes on from there`,
    { cause },
  );
}
