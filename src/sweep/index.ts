import type { Sweep } from "./sweep.ts";

export { sweepModel, sweepSpec, threadScript } from "./spec.ts";
export type { Outcome, Sweep } from "./sweep.ts";

/** Loaded when it is asked for. */
const SWEEPS: Readonly<Record<string, () => Promise<Sweep>>> = {
  tables: async () => (await import("./tables.ts")).tables,
  maps: async () => (await import("./maps.ts")).maps,
  experiments: async () => (await import("./experiments.ts")).experiments(),
};

export const SWEEP_NAMES = Object.keys(SWEEPS);

/**
 * @throws RangeError for a name that is none
 */
export async function loadSweep(name: string): Promise<Sweep> {
  const load = Object.hasOwn(SWEEPS, name) ? SWEEPS[name] : undefined;
  if (load === undefined) throw new RangeError(`no sweep "${name}"; there are ${SWEEP_NAMES.join(", ")}`);
  return load();
}
