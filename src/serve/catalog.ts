import { readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { fileReason } from "../session/file-reason.ts";
import { HttpError } from "./http-error.ts";

/** A model file and what it is called. */
export interface Entry {
  readonly name: string;
  readonly version: string;
  readonly path: string;
}

const MODELS = [".onnx", ".safetensors"];

/**
 * What words of the command line name: `PATH`, `NAME=PATH`, `NAME@VERSION=PATH`. A file is one model, called as the file, of version 1. A folder whose folders
 * are called by numbers is one model with these versions; in another one, each model file and each such folder is a model.
 *
 * @throws RangeError for what names no model, or two models by one name and version
 */
export async function findModels(words: readonly string[]): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const word of words) {
    const [, name, version, path] = /^(?:([\w.-]+)(?:@([\w.-]+))?=)?(.*)$/s.exec(word) as RegExpExecArray;
    const found = await lookAt(path!);
    if (found.length === 0)
      throw new RangeError(`${path} holds no model: ${MODELS.join(", ")}, or folders 1, 2, … with one each`);
    const names = new Set(found.map((one) => one.name));
    if (name !== undefined && names.size > 1)
      throw new RangeError(`${word} expected one model, got ${[...names].join(", ")}`);
    if (version !== undefined && found.length > 1)
      throw new RangeError(`${word} expected one version, got ${found.length}`);
    entries.push(...found.map((one) => ({ ...one, name: name ?? one.name, version: version ?? one.version })));
  }
  const keys = new Set<string>();
  for (const entry of entries) {
    const key = keyOf(entry);
    if (keys.has(key)) throw new RangeError(`two models are called ${key}; NAME@VERSION=PATH tells them apart`);
    keys.add(key);
  }
  return entries.sort((a, b) => a.name.localeCompare(b.name, "en") || byVersion(a.version, b.version));
}

/** The name of a model among all. */
export function keyOf({ name, version }: Pick<Entry, "name" | "version">): string {
  return `${name}@${version}`;
}

/** Versions of a model, oldest first. */
export function versionsOf(entries: readonly Entry[], name: string): string[] {
  return entries.filter((one) => one.name === name).map(({ version }) => version);
}

/**
 * The model that a path of the protocol names: without a version the newest.
 *
 * @throws HttpError 404
 */
export function findEntry(entries: readonly Entry[], name: string, version: string | undefined): Entry {
  const found = entries.findLast((one) => one.name === name && (version === undefined || one.version === version));
  if (found !== undefined) return found;
  const versions = versionsOf(entries, name);
  if (versions.length > 0)
    throw new HttpError(404, `the model "${name}" has no version "${version}"; it has ${versions.join(", ")}`);
  throw new HttpError(
    404,
    `there is no model "${name}"; there are ${[...new Set(entries.map((one) => one.name))].join(", ")}`,
  );
}

function byVersion(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

async function lookAt(path: string): Promise<Entry[]> {
  const what = await stat(path).catch((cause: unknown) => {
    throw new RangeError(`cannot read ${path}: ${fileReason(cause)}`, { cause });
  });
  if (!what.isDirectory()) return [{ name: basename(path, extname(path)), version: "1", path }];
  const names = await readdir(path);
  const versions = await versionsIn(path, names);
  if (versions.length > 0) return versions;
  const inside: Entry[] = [];
  for (const name of names.sort()) {
    const inner = join(path, name);
    if (isModel(name)) inside.push({ name: basename(name, extname(name)), version: "1", path: inner });
    else if ((await stat(inner)).isDirectory()) inside.push(...(await versionsIn(inner, await readdir(inner))));
  }
  return inside;
}

/** The versions of the model that a folder is. */
async function versionsIn(path: string, names: readonly string[]): Promise<Entry[]> {
  const found: Entry[] = [];
  for (const version of names.filter((name) => /^\d+$/.test(name))) {
    const files = (await readdir(join(path, version))).filter(isModel);
    if (files.length !== 1) throw new RangeError(`${join(path, version)} expected one model file, got ${files.length}`);
    found.push({ name: basename(path), version, path: join(path, version, files[0]!) });
  }
  return found;
}

function isModel(name: string): boolean {
  return MODELS.includes(extname(name));
}
