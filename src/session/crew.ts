// A chunk of its own: sessions of one thread never fetch it.
import type { MakeCore } from "../core/index.ts";
import { type Crew, Shards, Threads } from "../parallel/index.ts";
import type { Settings } from "./settings.ts";

/** The workers that are asked for; undefined, and a warning that says why, where they cannot be had. */
export async function crewOf(settings: Settings, makeCore: MakeCore): Promise<Crew | undefined> {
  const { build, limits, numThreads, shards, options } = settings;
  const crew =
    shards !== undefined
      ? await Shards.start(await makeCore(), shards.count, shards.by)
      : options.wasm === undefined
        ? await Threads.start(build, numThreads, limits.bytes)
        : 'a module that is given as "wasm" has a memory that is not shared';
  if (typeof crew !== "string") return crew;
  const asked = shards === undefined ? `"numThreads" is ${numThreads}` : `"shards" is ${shards.count}`;
  console.warn(`bitbasis: ${asked}, but ${crew}; running on one thread`);
  return undefined;
}
