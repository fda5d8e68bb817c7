import type { Part } from "../program/routine.ts";

/** A written program, with its inputs in its arena. */
export interface Bound {
  readonly part: Part;
  readonly address: number;
  readonly arena: number;
}

/** What a run does with programs, and between the steps of loops. */
export interface Runner {
  program(bound: Bound): Promise<void>;
  /** Lets the event loop and the signal have their turn, after a call of a body. */
  turn(): Promise<void>;
  /** The same within a piece of work, which counts nothing. */
  rest(): Promise<void>;
  /** Runs work that stops now and then to its end, with such turns. */
  inTurns<T>(steps: Iterator<unknown, T, void>): Promise<T>;
  /** Counts work that is done in JavaScript. */
  work(macs: number): void;
}
