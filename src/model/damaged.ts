import { BitbasisError } from "../core/index.ts";

/** A container that says what cannot be. */
export function damaged(why: string): BitbasisError {
  return new BitbasisError("MODEL", `the container is damaged: ${why}`);
}
