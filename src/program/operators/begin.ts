// Imported for its effect by entries whose bundles have the common operators from the start; without it they are a chunk (chunks.ts).
import { use } from "./chunks.ts";
import { COMMON } from "./common.ts";

use(COMMON);
