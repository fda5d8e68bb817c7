import { BitbasisError, modelTooLarge, nodeModule } from "../core/index.ts";
import { abortable } from "./abort.ts";
import { fileReason } from "./file-reason.ts";

/**
 * The bytes of a file, whole; those of a pipe or device in pieces. Loaded where there are files: a page downloads none of it.
 *
 * @param shown - the path in messages
 * @throws BitbasisError MEMORY for more than `most` bytes, MODEL with the reason where nothing can be read, and the reason of the signal
 */
export async function* fileChunks(
  path: string | URL,
  shown: string,
  most: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    const { readFile, stat } = nodeModule("node:fs/promises");
    const about = await stat(path);
    if (about.size > most) throw modelTooLarge(about.size, most);
    if (about.isFile() || about.isDirectory()) yield await readFile(path, { signal });
    else yield* pipeChunks(path, signal);
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof BitbasisError) throw cause;
    throw new BitbasisError("MODEL", `cannot read ${shown}: ${fileReason(cause)}`, { cause });
  }
}

/** Pipes and devices do not say what they hold, and wait for whoever writes: pieces of them are counted, and a signal ends the wait. */
async function* pipeChunks(path: string | URL, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const opening = nodeModule("node:fs/promises").open(path);
  try {
    const file = await abortable(opening, signal);
    for (;;) {
      const { bytesRead, buffer } = await abortable(file.read(), signal);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    opening.then((file) => file.close()).catch(() => undefined);
  }
}
