import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, extname, relative, resolve } from "node:path";
import { escapePath, globSync } from "tinyglobby";
import { fileReason } from "../session/file-reason.ts";

/** One input of a batch: the files of the model's inputs. */
export interface Item {
  /** Names the outputs: unique, a path of letters, digits, `.`, `_` and `-`. */
  readonly id: string;
  /** Files by name of the input; "" for the only input of a model. */
  readonly files: Readonly<Record<string, string>>;
}

const MANIFEST = [".jsonl", ".ndjson"];

/**
 * What words of the command line name: files, folders (all .npy and .npz in them), globs, and manifests, each line of which is
 * `{ "id": "a", "inputs": { "image": "a.npy" } }` with paths from the manifest's folder.
 *
 * @throws Error for a word that names nothing and a manifest that cannot be read
 * @throws RangeError for a line that is none, or an id that is there twice
 */
export async function findItems(words: readonly string[]): Promise<Item[]> {
  const items: Item[] = [];
  for (const word of words)
    items.push(...(MANIFEST.includes(extname(word)) ? await readManifest(word) : findFiles(word)));
  const ids = new Map<string, Item>();
  for (const item of items) {
    // File systems that do not tell cases apart would give two items one file.
    const key = item.id.toLowerCase();
    const other = ids.get(key);
    if (other !== undefined) {
      throw new RangeError(
        `two inputs are called "${item.id}": ${Object.values(other.files)} and ${Object.values(item.files)}`,
      );
    }
    ids.set(key, item);
  }
  return items;
}

function findFiles(word: string): Item[] {
  const what = statSync(word, { throwIfNoEntry: false });
  const pattern = what === undefined ? word : escapePath(resolve(word));
  const all = globSync([what?.isDirectory() ? `${pattern}/**/*.{npy,npz}` : pattern], { absolute: true }).sort();
  if (all.length === 0)
    throw new Error(`${word} names no file, no folder with .npy or .npz files, and no pattern that fits one`);
  const base = what?.isDirectory() ? resolve(word) : commonFolder(all);
  return all.map((path) => {
    const name = relative(base, path).replaceAll("\\", "/");
    return { id: name.slice(0, name.length - extname(name).length).replaceAll(/[^\w./-]/g, "_"), files: { "": path } };
  });
}

function commonFolder(paths: readonly string[]): string {
  let folder = dirname(paths[0]!);
  while (!paths.every((path) => !relative(folder, path).startsWith(".."))) folder = dirname(folder);
  return folder;
}

async function readManifest(path: string): Promise<Item[]> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new Error(`cannot read ${path}: ${fileReason(cause)}`, { cause });
  });
  return text
    .split("\n")
    .flatMap((line, i) => (line.trim() === "" ? [] : [readLine(`${path}, line ${i + 1}`, line, dirname(path))]));
}

function readLine(what: string, line: string, folder: string): Item {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new RangeError(`${what} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const { id, inputs } = (value ?? {}) as { readonly id?: unknown; readonly inputs?: unknown };
  if (typeof id !== "string" || !/^[\w.-]+(\/[\w.-]+)*$/.test(id) || id.split("/").includes("..")) {
    throw new RangeError(
      `${what} expected an "id" of letters, digits, ".", "_", "-" and "/", got ${JSON.stringify(id)}`,
    );
  }
  const entries =
    typeof inputs === "object" && inputs !== null ? Object.entries(inputs as Record<string, unknown>) : [];
  if (entries.length === 0 || !entries.every(([, file]) => typeof file === "string")) {
    throw new RangeError(`${what} expected "inputs" as files by name, got ${JSON.stringify(inputs)}`);
  }
  return { id, files: Object.fromEntries(entries.map(([name, file]) => [name, resolve(folder, file as string)])) };
}
