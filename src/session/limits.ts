import { BitbasisError } from "../core/index.ts";
import type { LoweredStep } from "../program/lowering.ts";

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
 * The limits of a session.
 *
 * @throws TypeError or RangeError that names the one that is no number ≥ 1
 */
export function readLimits(given: Partial<Limits> | undefined): Limits {
  if (given === undefined) return DEFAULT_LIMITS;
  if (typeof given !== "object" || given === null) {
    throw new TypeError(
      `"limits" expected an object with "bytes" and "macs", got ${given === null ? "null" : typeof given}`,
    );
  }
  const { bytes = DEFAULT_LIMITS.bytes, macs = DEFAULT_LIMITS.macs } = given;
  for (const [name, value] of [["bytes", bytes] as const, ["macs", macs] as const]) {
    if (typeof value !== "number") throw new TypeError(`"limits.${name}" expected a number ≥ 1, got ${typeof value}`);
    if (!(value >= 1)) throw new RangeError(`"limits.${name}" expected a number ≥ 1, got ${value}`);
  }
  return { bytes, macs };
}

/** Multiply-accumulates of a step; one that only moves and compares counts its bytes. */
export function workOf({ macs, bytes }: Pick<LoweredStep, "macs" | "bytes">): number {
  return Math.max(macs, bytes);
}

/** A program's work is summed up once. */
const known = new WeakMap<readonly LoweredStep[], number>();

/** Counts the work of one run, program by program: a loop's body each time that it runs. */
export class WorkMeter {
  private done = 0;

  constructor(private readonly most: number) {}

  /** @throws BitbasisError LIMIT before a program that would exceed the limit */
  add(steps: readonly LoweredStep[]): void {
    let work = known.get(steps);
    if (work === undefined) {
      work = steps.reduce((sum, step) => sum + workOf(step), 0);
      known.set(steps, work);
    }
    this.done += work;
    if (this.done <= this.most) return;
    const largest = steps.reduce((a, b) => (workOf(b) > workOf(a) ? b : a));
    throw new BitbasisError(
      "LIMIT",
      `the run takes ${this.done.toPrecision(3)} multiply-accumulates, "limits.macs" allows ${this.most.toPrecision(3)}; ` +
        `node "${largest.node}" (${largest.op}) alone takes ${workOf(largest).toPrecision(3)}`,
    );
  }
}
