import { now as clock } from "./bare.ts";
import { instantiate, loadModule } from "./builds.ts";
import { BitbasisError } from "./errors.ts";
import { newMemory } from "./memory.ts";
import { yieldToEventLoop } from "./yield.ts";

/** Which relaxed dot products this engine makes clearly faster code of than of the dot product of int16. Speed only: no bit depends on it. */
export interface RelaxedDots {
  /** Four products a lane into int32: one instruction where the processor has it (vpdpbusd, sdot). */
  readonly sums32: boolean;
  /** Two products a lane into int16 (pmaddubsw). */
  readonly sums16: boolean;
}

/** assembly/probe.ts */
interface ProbeExports {
  wrong(rounds: number): number;
  kind(): number;
  int16(words: number): number;
  sums32(words: number): number;
  sums16(words: number): number;
}

/** What `kind` may give. */
export enum DotKind {
  Signed = -508,
  Saturating = 65534,
  Exact = 129540,
}

/** Words of depth that the tiles of the probe read, 32 bytes each. */
const WORDS = 256;
/** Engines take their better compiler for a function after some thousand rounds, and in a thread of its own. */
const CHECKS = 4;
const ROUNDS = 100;
const REPEATS = 6;
/** A tile that takes this long can be timed where clocks are coarse. */
const TIMED_MILLISECONDS = 0.2;
const MOST_WORDS = 1 << 19;
/** Ratios to int16 that pay for the sums of rows, and for widening. */
const FASTER_32 = 1.25;
const FASTER_16 = 1.5;

let asked: Promise<{ readonly exports: ProbeExports; readonly expected: number }> | undefined;
let found: Promise<RelaxedDots> | undefined;

/**
 * Asks the engine once per process: known answers first, cold and hot, then the time of each way.
 *
 * @throws BitbasisError BUILD where there are no relaxed dot products, or wrong ones: Node 20's first compiler adds some sums twice
 */
export function relaxedDots(): Promise<RelaxedDots> {
  if (found === undefined) {
    found = probe();
    found.catch(() => {
      found = undefined;
    });
  }
  return found;
}

/**
 * What the engine makes of an eighth bit, which tells its instruction, after the known answers: the first of the questions, and cheap.
 *
 * @throws BitbasisError BUILD as `relaxedDots` does
 */
export async function relaxedKind(): Promise<DotKind> {
  asked ??= ask();
  return (await asked).exports.kind();
}

async function ask(): Promise<{ readonly exports: ProbeExports; readonly expected: number }> {
  const memory = newMemory();
  let exports: ProbeExports;
  try {
    exports = await instantiate(await loadModule("probe"), memory);
  } catch (cause) {
    asked = undefined;
    throw new BitbasisError(
      "BUILD",
      'the build "relaxed" expected a runtime with relaxed SIMD, got one without: take "simd"',
      { cause },
    );
  }
  const expected = fill(new Uint8Array(memory.buffer, 0, 32 * WORDS));
  checkDots(exports, expected);
  return { exports, expected };
}

async function probe(): Promise<RelaxedDots> {
  asked ??= ask();
  const { exports, expected } = await asked;
  for (let i = 0; i < CHECKS; i++) {
    for (let n = 0; n < ROUNDS; n++) checkDots(exports, expected);
    await yieldToEventLoop();
  }
  const dots = measureDots(exports);
  await yieldToEventLoop();
  checkDots(exports, expected);
  return dots;
}

/** Writes operands of one bit, whose sums fit int16, and returns the sum of all sums of a tile. */
function fill(bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) bytes[i] = ((i * 0x9e37 + (i >> 5)) >> 4) & 1;
  let sum = 0;
  for (let word = 0; word < WORDS; word++) {
    for (let row = 0; row < 4; row++) {
      for (let lane = 0; lane < 32; lane++) sum += bytes[32 * word + 4 * row + (lane & 3)]! * bytes[32 * word + lane]!;
    }
  }
  return sum;
}

/** @throws BitbasisError BUILD where an answer is none that an engine may give */
export function checkDots(exports: Omit<ProbeExports, "int16">, expected: number): void {
  const right =
    exports.wrong(16) === 0 &&
    exports.kind() in DotKind &&
    exports.sums32(WORDS) === expected &&
    exports.sums16(WORDS) === expected;
  if (right) return;
  throw new BitbasisError(
    "BUILD",
    'the build "relaxed" expected a runtime whose relaxed dot products are exact for 7 bits, got one that adds wrongly: take "simd"',
  );
}

/** Least times in turns; where the clock stands still while WebAssembly runs, what the kind of the instruction lets expect. */
export function measureDots(exports: ProbeExports, now = clock): RelaxedDots {
  const time = (dot: "int16" | "sums32" | "sums16", words: number): number => {
    const start = now();
    exports[dot](words);
    return now() - start;
  };
  let words = WORDS;
  while (time("int16", words) < TIMED_MILLISECONDS) {
    words *= 2;
    if (words > MOST_WORDS) {
      const saturating = exports.kind() === DotKind.Saturating;
      return { sums32: !saturating, sums16: saturating };
    }
  }
  const least = { int16: Number.POSITIVE_INFINITY, sums32: Number.POSITIVE_INFINITY, sums16: Number.POSITIVE_INFINITY };
  for (let i = 0; i < REPEATS; i++) {
    for (const dot of ["int16", "sums32", "sums16"] as const) least[dot] = Math.min(least[dot], time(dot, words));
  }
  // A word of the relaxed ones has twice the products.
  const faster = (dot: "sums32" | "sums16"): number => (2 * least.int16) / least[dot];
  // Three instructions are 1.05 times as fast on an EPYC; more is what else the machine did.
  const single = exports.kind() !== DotKind.Saturating;
  return { sums32: single && faster("sums32") >= FASTER_32, sums16: faster("sums16") >= FASTER_16 };
}
