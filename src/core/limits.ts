import { isRecord, wrongKind } from "./arguments.ts";
import { BitbasisError } from "./errors.ts";

/** What a caller allows; see `SessionOptions.limits`. */
export interface Limits {
  readonly bytes: number;
  readonly macs: number;
}

/**
 * 1 GiB: some 400 million weights as series; a file of a hundred bytes that asks for more (ConstantOfShape, Expand, Tile, Resize) is refused.
 * 10¹²: one to five minutes on one core.
 */
export const DEFAULT_LIMITS: Limits = { bytes: 2 ** 30, macs: 1e12 };

/**
 * The limits that a caller gives, and the defaults of the others.
 *
 * @throws TypeError or RangeError that names the one that is no number ≥ 1
 */
export function readLimits(given: Partial<Limits> | undefined, defaults = DEFAULT_LIMITS): Limits {
  if (given === undefined) return defaults;
  if (!isRecord(given)) throw wrongKind("limits", 'an object with "bytes" and "macs"', given);
  const { bytes = defaults.bytes, macs = defaults.macs } = given;
  for (const [name, value] of [["bytes", bytes] as const, ["macs", macs] as const]) {
    if (typeof value !== "number") throw wrongKind(`limits.${name}`, "a number ≥ 1", value);
    if (!(value >= 1)) throw new RangeError(`"limits.${name}" expected a number ≥ 1, got ${value}`);
  }
  return { bytes, macs };
}

/** The error for a model that has `bytes` bytes or more. */
export function modelTooLarge(bytes: number, most: number): BitbasisError {
  return new BitbasisError("MEMORY", `the model has ${bytes} bytes or more, "limits.bytes" allows ${most}`);
}
