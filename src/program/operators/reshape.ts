import type { Lowering } from "../lowering.ts";

/** Reshape, Flatten, Squeeze, Unsqueeze, Identity, Dropout at inference: other names for the same memory. */
export function lowerReshape(l: Lowering): void {
  l.alias(0, 0);
}
