import { BitbasisError } from "../core/errors.ts";
import { nodeModule } from "../core/host.ts";
import { type ExternalData, ExternalFiles, type ExternalRange, externalRanges, sameLocation } from "./external.ts";
import type { ModelProto } from "./schema.ts";

export interface BesideOptions {
  /** Files that need not be read. */
  readonly given?: ExternalData;
  readonly signal?: AbortSignal;
  /** Most bytes that are read. */
  readonly most?: number;
}

/**
 * The external data of a model that was read from a file: what is given, and the files beside the model, of which only the part is read that
 * the tensors lie in. A location leads nowhere out of the model's folder: not by an absolute path, not by "..", not by a symbolic link.
 *
 * @param folder - path of the model's folder
 * @throws BitbasisError MODEL when a file is missing or outside, MEMORY for more than `most` bytes; the reason of the signal
 */
export async function filesBeside(
  model: ModelProto,
  folder: string,
  { given, signal, most = Number.POSITIVE_INFINITY }: BesideOptions = {},
): Promise<ExternalFiles> {
  const files = new ExternalFiles(given);
  const wanted = new Map<string, ExternalRange[]>();
  for (const range of externalRanges(model)) {
    // One file for all its spellings: what is read last would go in the place of what was read before.
    const location = sameLocation(range.location);
    if (files.has(location)) continue;
    const ranges = wanted.get(location);
    if (ranges === undefined) wanted.set(location, [range]);
    else ranges.push(range);
  }
  let left = most;
  for (const [location, ranges] of wanted) left -= await readFile(files, folder, location, ranges, left, signal);
  return files;
}

async function readFile(
  files: ExternalFiles,
  folder: string,
  location: string,
  ranges: readonly ExternalRange[],
  most: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { open, realpath, stat } = nodeModule("node:fs/promises");
  const { isAbsolute, join, relative, sep } = nodeModule("node:path");
  const name = JSON.stringify(location);
  const outside = (): BitbasisError =>
    new BitbasisError("MODEL", `the model keeps data in ${name}, which is not inside its own folder`);
  if (isAbsolute(location) || location.includes("\0") || location.split(/[\\/]/).includes("..")) throw outside();
  try {
    const [root, path] = await Promise.all([realpath(folder), realpath(join(folder, location))]);
    const inner = relative(root, path);
    if (isAbsolute(inner) || inner.split(sep)[0] === "..") throw outside();
    // Opening a named pipe waits for whoever writes to it, and no signal ends that.
    if (!(await stat(path)).isFile())
      throw new BitbasisError("MODEL", `the model keeps data in ${name}, which is no file`);
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const from = ranges.reduce((first, { offset }) => Math.min(first, offset), size);
      const end = ranges.reduce(
        (last, { offset, length }) => Math.max(last, length === undefined ? size : offset + length),
        0,
      );
      const length = Math.max(0, Math.min(size, end) - from);
      if (length > most) {
        throw new BitbasisError("MEMORY", `the model keeps ${length} bytes in ${name}, "limits.bytes" leaves ${most}`);
      }
      const bytes = new Uint8Array(length);
      for (let at = 0; at < bytes.length; ) {
        signal?.throwIfAborted();
        // Pieces of 64 MiB, between which an abort is seen.
        const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, 2 ** 26), from + at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      files.add(location, bytes, from, size);
      return bytes.length;
    } finally {
      await file.close();
    }
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof BitbasisError) throw cause;
    const { message = String(cause), code = message } = cause as Error & { readonly code?: string };
    const why = code === "ENOENT" ? "there is no such file beside the model" : code;
    throw new BitbasisError("MODEL", `the model keeps data in ${name}: ${why}`, { cause });
  }
}
