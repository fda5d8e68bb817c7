// Every core of a test run a checked one, when BITBASIS_CHECKED is set: vitest.config.mjs loads this before each test file.
import { checkSessions } from "./core.ts";

if (process.env["BITBASIS_CHECKED"] !== undefined) checkSessions();
