// Lets Node run the project's sources as they stand, for scripts and child processes of tests:
//
//     node --import ./test/support/typescript.mjs script.ts
//
// Types are erased file by file with the compiler that the project builds with (Node 20 cannot do it), and what came out is kept in build/erased under the
// digest of what went in. So a script sees the sources of this moment: there is no build that could be stale.
import { register } from "node:module";

register("./typescript-hooks.mjs", import.meta.url);
