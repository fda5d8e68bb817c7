import type { Records } from "../../graph/operators/index.ts";
import type { Lowerings } from "./index.ts";

/** Operators that become known together. */
export interface Chunk {
  /** What is known of each, by `domain/op`. */
  readonly records: Records;
  /** Of those that run as steps; absent where none does. */
  readonly lowerings?: Lowerings;
}
