import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** Node 20 loads no TypeScript, and a worker is started by Node: tests of the sources start the one of dist/, which is fresh (scripts/fresh-builds.mjs). */
const workerOfDist = {
  name: "worker-of-dist",
  transform: (code, id) =>
    id.endsWith("src/parallel/hand.ts") ? code.replaceAll("./worker.js", "../../dist/parallel/worker.js") : undefined,
};

export default defineConfig({
  plugins: [workerOfDist],
  test: {
    setupFiles: ["test/support/checked/setup.ts", "test/support/operators.ts"],
    include: ["test/**/*.test.ts"],
    globalSetup: ["scripts/fresh-builds.mjs"],
    testTimeout: 120_000,
    hookTimeout: 240_000,
    pool: "forks",
    // On two cores vitest would take one: half of the tests wait for processes that they started.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
