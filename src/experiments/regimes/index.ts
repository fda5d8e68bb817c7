import type { Experiment } from "../experiment.ts";
import { conversion } from "./conversion.ts";
import { cost } from "./cost.ts";
import { family } from "./family.ts";
import { memory } from "./memory.ts";
import { runTime } from "./run-time.ts";
import { smoothness } from "./smoothness.ts";

export const experiments: readonly Experiment[] = [family, memory, smoothness, conversion, cost, runTime];
