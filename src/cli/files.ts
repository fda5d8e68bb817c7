import { createReadStream, writeSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { makeFolders } from "../batch/folders.ts";
import { BitbasisError, DEFAULT_LIMITS } from "../core/index.ts";
import { isContainer } from "../model/index.ts";
import { ExternalFiles, filesBeside, parseModel } from "../onnx/index.ts";
import { fileReason } from "../session/file-reason.ts";
import { concatenate } from "../session/source.ts";
import { STDIO } from "./stdio.ts";
import { UsageError } from "./usage.ts";

export { STDIO };

/** All bytes of a file, or of stdin. */
export async function readBytes(path: string): Promise<Uint8Array> {
  if (path === STDIO) {
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of createReadStream("", { fd: 0 })) chunks.push(chunk as Uint8Array);
    } catch (cause) {
      throw fileError("read", "stdin", cause);
    }
    return concatenate(chunks);
  }
  try {
    return await readFile(path);
  } catch (cause) {
    throw fileError("read", path, cause);
  }
}

/** A session of a model that somebody names may take eight times its bytes: terms of four bits lie in memory as sixteen, beside the container and what a run needs. */
const ROOM = 8;

/** The bytes of a model and, for an .onnx file, of the files beside it that it keeps its weights in; and what a session of it may take, a small file as much as by default. */
export async function readModelFile(
  path: string,
): Promise<{ bytes: Uint8Array; externalData: ExternalFiles; limits: { bytes: number } }> {
  const bytes = await readBytes(path);
  const alone = path === STDIO || isContainer(bytes.subarray(0, 16));
  const beside = async (): Promise<ExternalFiles> => filesBeside(parseModel(bytes), dirname(path));
  const externalData = alone ? new ExternalFiles() : await naming(path, beside);
  const size = bytes.length + externalData.bytes;
  return { bytes, externalData, limits: { bytes: Math.max(DEFAULT_LIMITS.bytes, ROOM * size) } };
}

/** A task on one file, whose errors then name the file: a command may have several. */
export async function naming<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (cause) {
    if (!(cause instanceof BitbasisError)) throw cause;
    throw new BitbasisError(cause.code, `${path}: ${cause.message}`, { cause });
  }
}

/** Writes a file, or to stdout. */
export async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  if (path === STDIO) {
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
    } catch (cause) {
      throw fileError("write", "stdout", cause);
    }
    return;
  }
  try {
    await writeFile(path, bytes);
  } catch (cause) {
    throw fileError("write", path, cause);
  }
}

/** A folder, with those above it. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeFolders(path);
  } catch (cause) {
    throw fileError("make the folder", path, cause);
  }
}

/** What went wrong with a file, in words. */
export function fileError(verb: string, path: string, cause: unknown): Error {
  return new Error(`cannot ${verb} ${path || '""'}: ${fileReason(cause)}`, { cause });
}

/** Whether a path names something. */
export async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** Whether two paths name one file that is there; a pipe is no file. */
export async function isSameFile(a: string, b: string): Promise<boolean> {
  if (a === STDIO || b === STDIO) return false;
  const [one, other] = await Promise.all([a, b].map((path) => stat(path).catch(() => undefined)));
  return one !== undefined && one.dev === other?.dev && one.ino === other.ino;
}

export async function readJson(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readBytes(path));
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The engine quotes the file, which may be anything.
    const why = (cause as Error).message.replaceAll(/\p{Cc}+/gu, " ");
    throw new UsageError(`${path} is not JSON: ${why}`, { cause });
  }
}
