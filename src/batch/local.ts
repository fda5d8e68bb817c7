import { Pool, type PoolModel, WorkerLost } from "../pool/index.ts";
import { threadScript } from "../sweep/index.ts";
import type { Runner } from "./batch.ts";

/** Times that a job is tried whose worker ends. */
const ATTEMPTS = 3;

/** Runs the jobs of a batch, or of a sweep, on threads of this process. */
export async function localRunner(model: PoolModel, workers: number): Promise<Runner> {
  const pool = await Pool.open([model], { workers, script: threadScript(model) });
  return {
    facts: pool.models.get(model.key)!,
    width: 2 * workers,
    async run(_key, feeds, except) {
      for (let attempt = 1; ; attempt++) {
        try {
          const request = {
            model: model.key,
            feeds: structuredClone(feeds),
            except: except === undefined ? undefined : Number(except),
          };
          const { outputs, worker } = await pool.run(request);
          return { outputs, worker: String(worker) };
        } catch (error) {
          if (!(error instanceof WorkerLost) || attempt === ATTEMPTS) throw error;
        }
      }
    },
    close: () => pool.close(),
  };
}
