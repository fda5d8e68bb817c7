import { instantiate, loadModule } from "./builds.ts";
import type { Core } from "./core.ts";

/** A module over the memory of a core, so that its functions read what the core's kernels write; allocate with the core. */
export async function moduleOver<Exports>(core: Core, name: "lattice" | "synth"): Promise<Exports> {
  return instantiate(await loadModule(name), core.memory);
}
