import { Core } from "../core/index.ts";
import { DotKind, relaxedDots, relaxedKind } from "../core/relaxed.ts";
import type { Model } from "../model/index.ts";
import { widthOf } from "../series/index.ts";

/** Weights of more bits are summed in int32, where only some engines have one instruction for it. */
const SHORT = 5;

/**
 * A core of the relaxed build, where this engine runs the model faster with it; undefined where it does not, or where the build cannot be had: it is another
 * file, and never needed. The first question is asked before anything is measured or fetched.
 */
export async function relaxedCore(model: Model, most: number): Promise<Core | undefined> {
  const short = [...model.weights.values()].some((series) => widthOf(series) <= SHORT);
  try {
    if (!short && (await relaxedKind()) === DotKind.Saturating) return undefined;
    const { sums32, sums16 } = await relaxedDots();
    return sums32 || (sums16 && short) ? await Core.create("relaxed", undefined, most) : undefined;
  } catch {
    return undefined;
  }
}
