import { checkHolds, checkOptions } from "../core/index.ts";
import type {
  AccumulatorCertificate,
  AccumulatorModel,
  Certificate,
  TokenCertificate,
  TokenModel,
} from "./certificate.ts";
import { certifyAccumulator } from "./certify-accumulator.ts";
import { certifyToken } from "./certify-token.ts";
import { gridSize, integerIn } from "./checks.ts";
import type { Kind } from "./gamma.ts";
import { POSITIONS, type Positions } from "./words.ts";

/** Symbols or count vectors that `certify` goes through. */
const MOST_ROWS = 2 ** 22;

/**
 * Shows that a model of too few bits cannot compute Γ_{p,d}: two inputs that it cannot tell apart though Γ does, and how many wrong answers
 * counting forces. For a model of enough bits it says so, and still finds a collision if there is one.
 *
 * @param model the embedding (kind `token`) or the update rule (kind `accumulator`), as a table or a function
 * The accumulator kind needs to know what the machine may use besides its state. `positions: "known"`, the default, holds for every machine and needs one
 * dimension more before counting forbids anything; `"free"` is for machines whose update and answer see neither position nor length. (A one-bit machine that
 * skips positions 3 and 5 answers all 49 canonical inputs at p = 2, d = 1, where every free one errs on 2.)
 *
 * @param options p 2…16 and d 1…64 of Γ, the kind, default `token`, and the positions
 * @throws TypeError, RangeError for codes or states outside the range, tables of the wrong size, p or d out of range, and more than 2^22 symbols
 * @example
 * const c = certify({ embedding: (symbol) => symbol.map((v) => Math.sign(v)) }, { p: 2, d: 1, kind: "token" });
 * console.log(c.collision, c.leastWrong); // { first: 0, second: 1, … }, 5n
 */
export function certify(model: TokenModel, options: { p: number; d: number; kind?: "token" }): TokenCertificate;
export function certify(
  model: AccumulatorModel,
  options: { p: number; d: number; kind: "accumulator"; positions?: Positions },
): AccumulatorCertificate;
export function certify(
  model: TokenModel | AccumulatorModel,
  options: { p: number; d: number; kind?: Kind; positions?: Positions },
): Certificate;
export function certify(
  model: TokenModel | AccumulatorModel,
  options: { p: number; d: number; kind?: Kind; positions?: Positions },
): Certificate {
  checkHolds("model", "an object", model);
  checkOptions(options);
  const { p, d, kind = "token", positions = "known" } = options;
  integerIn("p", p, 2, 16);
  integerIn("d", d, 1, 64);
  const bits = integerIn("bits", model.bits ?? p - 1, 1, 16);
  if (gridSize(p, d) > MOST_ROWS) {
    throw new RangeError(`"p" and "d" expected at most ${MOST_ROWS} symbols to go through, got ${gridSize(p, d)}`);
  }
  if (!POSITIONS.includes(positions)) {
    throw new RangeError(`"positions" expected "free" or "known", got ${JSON.stringify(positions)}`);
  }
  if (kind === "token" && "embedding" in model) return certifyToken(model, p, d, bits);
  if (kind === "accumulator" && "update" in model) return certifyAccumulator(model, p, d, bits, positions);
  if (kind !== "token" && kind !== "accumulator") {
    throw new RangeError(`"kind" expected "token" or "accumulator", got ${JSON.stringify(kind)}`);
  }
  throw new TypeError(`"model" expected ${kind === "token" ? '"embedding"' : '"update"'} for kind "${kind}"`);
}
