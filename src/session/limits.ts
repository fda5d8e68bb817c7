import { BitbasisError } from "../core/index.ts";
import type { Compiled } from "../program/compile.ts";
import { workOf } from "../program/lowering.ts";

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

  /** Counts what is done in JavaScript. */
  work(macs: number): void {
    this.take(macs, () => ", most of them in operators of sequences");
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
