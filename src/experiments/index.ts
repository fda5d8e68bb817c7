import type { Experiment } from "./experiment.ts";

export * from "./experiment.ts";
export * from "./plot.ts";

/** Each folder exports `experiments`; loaded on demand, so that one experiment does not load the others' dependencies. */
const folders: readonly (() => Promise<{ experiments: readonly Experiment[] }>)[] = [
  () => import("./attention/index.ts"),
  () => import("./regimes/index.ts"),
  () => import("./fixed-point/index.ts"),
  () => import("./series/index.ts"),
];

/** All experiments, in order of the folders. */
export async function listExperiments(): Promise<Experiment[]> {
  return (await Promise.all(folders.map((load) => load()))).flatMap((folder) => folder.experiments);
}
