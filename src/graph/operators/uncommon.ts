import { alongAxis } from "./along-axis.ts";
import { attention } from "./attention.ts";
import { blockProducts } from "./blocks.ts";
import { composites } from "./composite.ts";
import { controls } from "./control.ts";
import { transposedConvolutions } from "./conv.ts";
import { determinants } from "./determinant.ts";
import { einsum } from "./einsum.ts";
import { folds } from "./fold.ts";
import { integerProducts } from "./integer.ts";
import { pads } from "./pad.ts";
import { places } from "./places.ts";
import { quantized } from "./quantized.ts";
import { recurrent } from "./recurrent.ts";
import { resizing } from "./resize.ts";
import { samples } from "./sample.ts";
import { scatters } from "./scatter.ts";
import { selections } from "./selection.ts";

/** Operators that are kernels too, or become kernels, but that few networks have. They become nothing but these and the common ones. */
export const UNCOMMON = {
  ...recurrent,
  ...transposedConvolutions,
  ...resizing,
  ...samples,
  ...folds,
  ...determinants,
  ...quantized,
  ...integerProducts,
  ...blockProducts,
  ...attention,
  ...composites,
  ...einsum,
  ...places,
  ...pads,
  ...controls,
  ...selections,
  ...scatters,
  ...alongAxis,
};
