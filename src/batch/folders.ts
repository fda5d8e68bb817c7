import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder, with those above it; one that is there is left alone.
 *
 * Not `mkdir` with `recursive`: where a folder says that it is not there itself when something is to be made in it, as /proc does, Node's tries for ever
 * (found with 20.20).
 */
export async function makeFolders(path: string): Promise<void> {
  await makeFolder(path).catch(async (error: NodeJS.ErrnoException) => {
    const above = dirname(path);
    if (error.code !== "ENOENT" || above === path) throw error;
    await makeFolders(above);
    await makeFolder(path);
  });
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST" || !(await stat(path)).isDirectory()) throw error;
  });
}
