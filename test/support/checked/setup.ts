// Every core of a test run a checked one, when BITBASIS_CHECKED is set: vitest.config.mjs loads this before each test file.
import { vi } from "vitest";
import { CheckedCore, checkSessions } from "./core.ts";

if (process.env["BITBASIS_CHECKED"] !== undefined) {
  checkSessions();
  vi.doMock("../../../src/core/share.ts", async (original) => {
    const { moduleOver } = await original<typeof import("../../../src/core/share.ts")>();
    const over: typeof moduleOver = (core, name) => {
      if (core instanceof CheckedCore) core.share();
      return moduleOver(core, name);
    };
    return { moduleOver: over };
  });
}
