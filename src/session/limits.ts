import { BitbasisError } from "../core/index.ts";
import type { Compiled } from "../program/compile.ts";
import { workOf } from "../program/lowering.ts";

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

/**
 * What a call of a loop's body counts beside its steps, which may be none: some 20 µs of finding and binding its programs. A loop without
 * end is stopped by the limit too.
 */
const CALL_WORK = 2 ** 17;

/** Counts the work of one run, program by program: a loop's body each time that it runs. */
export class WorkMeter {
  private done = 0;

  constructor(private readonly most: number) {}

  /** @throws BitbasisError LIMIT before a program that would exceed the limit */
  add(program: Pick<Compiled, "work" | "steps">): void {
    this.take(program.work, () => {
      const { node, op, ...step } = program.steps.reduce((a, b) => (workOf(b) > workOf(a) ? b : a));
      return `; node "${node}" (${op}) alone takes ${workOf(step).toPrecision(3)}`;
    });
  }

  /** Counts a call of a body. */
  call(): void {
    this.take(CALL_WORK, () => ", most of them in the calls of a loop's body");
  }

  private take(work: number, why: () => string): void {
    this.done += work;
    if (this.done <= this.most) return;
    const [done, most] = [this.done, this.most].map((macs) => macs.toPrecision(3));
    throw new BitbasisError(
      "LIMIT",
      `the run takes ${done} multiply-accumulates, "limits.macs" allows ${most}${why()}`,
    );
  }
}
