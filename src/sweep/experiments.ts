import { listExperiments } from "../experiments/index.ts";
import type { Outcome, Sweep } from "./sweep.ts";

/** Each number is a published experiment, in the order in which `bitbasis experiment` lists them; those that refute a claim are no failures. */
export async function experiments(): Promise<Sweep> {
  const all = await listExperiments();
  return {
    name: "experiments",
    summary: "The published experiments, and the verdict on each of their claims",
    size: all.length,
    endless: false,
    chunk: 1,
    async one(index, signal): Promise<Outcome> {
      const experiment = all[index]!;
      const { findings } = await experiment.run({ signal });
      return { ok: findings.length > 0, name: experiment.name, findings: findings.map((finding) => ({ ...finding })) };
    },
  };
}
