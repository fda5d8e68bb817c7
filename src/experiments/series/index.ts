import type { Experiment } from "../experiment.ts";
import { asymmetry, firstLayer, grid, sensitivity } from "./plans.ts";
import { cost, pairSets } from "./products.ts";
import { scaling } from "./scaling.ts";
import { basis, clipping, tensorConvergence } from "./tensors.ts";

export const experiments: readonly Experiment[] = [
  tensorConvergence,
  firstLayer,
  grid,
  sensitivity,
  asymmetry,
  clipping,
  basis,
  pairSets,
  cost,
  scaling,
];
