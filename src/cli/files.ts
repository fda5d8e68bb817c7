import { createReadStream, writeSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { concatenate } from "../session/source.ts";
import { UsageError } from "./usage.ts";

/** Stands for `-`, stdin or stdout, behind the parser, which would take a lone dash for an option. No path holds a NUL. */
export const STDIO = "\0-";

/** All bytes of a file, or of stdin. */
export async function readBytes(path: string): Promise<Uint8Array> {
  if (path === STDIO) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of createReadStream("", { fd: 0 })) chunks.push(chunk as Uint8Array);
    return concatenate(chunks);
  }
  try {
    return await readFile(path);
  } catch (cause) {
    throw fileError("read", path, cause);
  }
}

/** Writes a file, or to stdout. */
export async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  if (path === STDIO) {
    for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
    return;
  }
  try {
    await writeFile(path, bytes);
  } catch (cause) {
    throw fileError("write", path, cause);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is a file",
  EACCES: "permission denied",
  ENOSPC: "the disk is full",
};

function fileError(verb: string, path: string, cause: unknown): Error {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const reason = REASONS[code];
  return new Error(`cannot ${verb} ${path}: ${code}${reason === undefined ? "" : ` (${reason})`}`, { cause });
}

export async function readJson(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readBytes(path));
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
}
