import { type FileHandle, link, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { makeFolders } from "./folders.ts";

/** What is known of an item that is done. */
export interface Done {
  readonly id: string;
  /** What it was computed from, see `jobKey`. */
  readonly key: string;
  /** By output: its file, if it has one, and its digest. */
  readonly outputs: Readonly<Record<string, DoneOutput>>;
}

export interface DoneOutput {
  readonly sha256: string;
  readonly file?: string;
  /** As JSON, where outputs are not files. */
  readonly values?: unknown;
}

/**
 * A folder of outputs and the record of those that are whole: a line of `journal.jsonl` for each item, appended once the item's files are in place. What a
 * process that was killed, or a full disk, has left of a line is cut off when the folder is opened again.
 */
export class Journal {
  private readonly byKey = new Map<string, string>();

  private constructor(
    private readonly folder: string,
    private readonly file: FileHandle,
    private readonly lines: Map<string, Done>,
    private length: number,
  ) {
    for (const { id, key } of lines.values()) this.byKey.set(key, id);
  }

  static async open(folder: string): Promise<Journal> {
    await makeFolders(folder);
    await lock(join(folder, LOCK));
    try {
      return await Journal.load(folder);
    } catch (error) {
      await unlock(join(folder, LOCK));
      throw error;
    }
  }

  private static async load(folder: string): Promise<Journal> {
    const path = join(folder, "journal.jsonl");
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    const whole = bytes.lastIndexOf(0x0a) + 1;
    const lines = new Map<string, Done>();
    for (const line of bytes.subarray(0, whole).toString().split("\n")) {
      if (line !== "") keep(lines, line);
    }
    const file = await open(path, "a+");
    await file.truncate(whole);
    return new Journal(folder, file, lines, whole);
  }

  /** Items that are done, by id. */
  get done(): ReadonlyMap<string, Done> {
    return this.lines;
  }

  /** An item that was computed from the same. */
  twin(key: string): Done | undefined {
    return this.lines.get(this.byKey.get(key) ?? "");
  }

  read(name: string): Promise<Uint8Array> {
    return readFile(join(this.folder, name));
  }

  /** Writes a file of the folder whole or not at all. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.folder, name);
    const own = `${path}.${process.pid}.part`;
    try {
      const file = await open(own, "w").catch(async (cause: NodeJS.ErrnoException) => {
        if (cause.code !== "ENOENT") throw cause;
        await makeFolders(join(path, ".."));
        return open(own, "w");
      });
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(own, path);
    } catch (error) {
      await rm(own, { force: true });
      throw error;
    }
  }

  async add(done: Done): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(done)}\n`);
    try {
      await this.file.appendFile(line);
      await this.file.datasync();
    } catch (error) {
      await this.file.truncate(this.length).catch(() => undefined);
      throw error;
    }
    this.length += line.length;
    this.lines.set(done.id, done);
    this.byKey.set(done.key, done.id);
  }

  /** Writes `results.jsonl`: the items in the order that they were given in, so that the same batch gives the same bytes, whoever computed it. */
  async finish(ids: readonly string[]): Promise<void> {
    const lines = ids.flatMap((id) => this.lines.get(id) ?? []).map((done) => `${JSON.stringify(done)}\n`);
    await this.write("results.jsonl", Buffer.from(lines.join("")));
  }

  async close(): Promise<void> {
    await this.file.close();
    await unlock(join(this.folder, LOCK));
  }
}

/** Who writes into a folder: two batches would take each other's lines for damage. */
const LOCK = "journal.lock";
/** The locks of this process. */
const held = new Set<string>();

/**
 * @throws RangeError when another batch has the folder. A process of this machine that ended without giving it back has it no longer.
 */
async function lock(path: string): Promise<void> {
  const own = `${path}.${process.pid}`;
  await writeFile(own, `${process.pid} ${hostname()}`);
  try {
    for (;;) {
      try {
        // A link is there with all of its content or not at all.
        await link(own, path);
        held.add(path);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const [pid = "", host = ""] = (await readFile(path, "utf8").catch(() => "")).split(" ");
      if (host === hostname() ? isHeld(Number(pid), path) : host !== "") {
        throw new RangeError(
          `another batch writes here: process ${pid} on ${host}. If it is gone, remove ${path} and start again`,
        );
      }
      await rm(path, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

async function unlock(path: string): Promise<void> {
  held.delete(path);
  await rm(path, { force: true });
}

/** A container that starts again has the same host and process number as the one that was killed. */
function isHeld(pid: number, path: string): boolean {
  if (pid === process.pid) return held.has(path);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function keep(lines: Map<string, Done>, line: string): void {
  try {
    const done = JSON.parse(line) as Done;
    lines.set(done.id, done);
  } catch {
    // A line that a crash has damaged: its item is computed again.
  }
}
