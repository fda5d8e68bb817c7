// Tests of passes and lowerings look at operators that an entry or a session would have made known: vitest.config.mjs loads this before each test file.
import { CHUNKS, use } from "../../src/program/operators/chunks.ts";

use(await CHUNKS.common());
use(await CHUNKS.uncommon());
