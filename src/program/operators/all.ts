// Imported for its effect by what reads a model at once, without waiting for chunks: the bridges between the theory's networks and ONNX.
import { use } from "./chunks.ts";
import { COMMON } from "./common.ts";
import { UNCOMMON } from "./uncommon.ts";

use(COMMON, UNCOMMON);
