import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    setupFiles: ["test/support/checked/setup.ts"],
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/fresh-builds.ts"],
    testTimeout: 120_000,
    hookTimeout: 240_000,
    pool: "forks",
  },
});
