import type { Experiment } from "../experiment.ts";
import { approximation } from "./approximation.ts";
import { binary } from "./binary.ts";
import { floating } from "./floating.ts";
import { hardtanh } from "./hardtanh.ts";
import { identity } from "./identity.ts";
import { indicator } from "./indicator.ts";
import { roundOffStudy } from "./round-off.ts";
import { scaling } from "./scaling.ts";
import { structured } from "./structured.ts";

export const experiments: readonly Experiment[] = [
  indicator,
  hardtanh,
  binary,
  structured,
  scaling,
  identity,
  floating,
  approximation,
  roundOffStudy,
];
