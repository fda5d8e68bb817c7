import { loadModule } from "./builds.ts";
import type { Core } from "./core.ts";

/** The lattice module over the memory of a core, so that its functions read what the core's kernels write; allocate with the core. */
export async function latticeOver<Exports>(core: Core): Promise<Exports> {
  const { exports } = await WebAssembly.instantiate(await loadModule("lattice"), { env: { memory: core.memory } });
  return exports as unknown as Exports;
}
