import { BitbasisError } from "../core/errors.ts";

/**
 * What the names of our own values start with that must not be taken for one of a file: constants are named after their contents. No name in
 * a file may start so.
 */
export const INTERNAL = "\0";

/** Bodies in bodies; deeper ones would overflow the stack of passes that go down them. */
const MOST_LEVELS = 100;

/** @throws BitbasisError MODEL for a body that has more than 100 around it */
export function checkLevel(level: number): void {
  if (level > MOST_LEVELS)
    throw new BitbasisError("MODEL", `graphs lie in each other over more than ${MOST_LEVELS} levels`);
}
