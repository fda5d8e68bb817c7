import type { Shape, TensorData } from "../tensor/index.ts";
import type { KnownValue, ValueInfo } from "./graph.ts";

/** What is known of an input: its type and shape, and its elements when shapes depend on them. */
export interface Feed {
  readonly type: string;
  readonly shape: Shape;
  /** Given: the input counts as a constant, and the specialization is good for these elements only. */
  readonly data?: TensorData;
}

/** A sequence, or an optional that holds nothing: nothing about it is known before the run. */
export const LIST = "list";

/** What has become known of a value. */
export type Known = KnownValue | typeof LIST;

/** @throws TypeError or RangeError for a feed that does not fit what the graph tells of an input */
export function checkFeed(name: string, type: string, shape: ValueInfo["shape"], feed: Feed): void {
  if (feed.type !== type) throw new TypeError(`input "${name}" expected type ${type}, got ${feed.type}`);
  const fits =
    shape?.length === feed.shape.length && shape.every((d, i) => typeof d === "string" || d === feed.shape[i]);
  if (shape !== undefined && !fits) {
    throw new RangeError(`input "${name}" expected shape [${shape.join(", ")}], got [${feed.shape.join(", ")}]`);
  }
}
