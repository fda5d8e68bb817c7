import type { Opcode } from "./abi/opcode.ts";
import { Program, ProgramHeader } from "./abi/program.ts";

/** An argument of a step: a number, or an address that is known only after the arena has been planned. */
export type Argument = number | Ref;

/** `offset` bytes into a planned buffer. */
export interface Ref {
  readonly buffer: number;
  readonly offset: number;
}

/** A planned buffer in its place; alive from step `first` (−1: before the program, for feeds) to step `last`. */
export interface PlacedBuffer {
  readonly at: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** One step with named arguments, before it is written to memory. */
export interface Step {
  readonly opcode: Opcode;
  readonly words: readonly Argument[];
  /** The node that it comes from, for messages. */
  readonly node?: string;
}

const floatBits = new DataView(new ArrayBuffer(4));

/** The bits of a number rounded to f32, for arguments that the core reads as f32. */
export function f32Bits(value: number): number {
  floatBits.setFloat32(0, value, true);
  return floatBits.getInt32(0, true);
}

/**
 * Makes a step from named arguments; `layout` is the enum of the kernel family. Every argument must be named, so that a new one
 * cannot be forgotten.
 */
export function step<Layout extends { length: number }>(
  opcode: Opcode,
  layout: Layout,
  values: Record<Exclude<keyof Layout & string, "length">, Argument>,
): Step {
  const words: Argument[] = new Array<Argument>(layout.length).fill(0);
  words[0] = opcode;
  for (const name in values) words[layout[name as keyof Layout] as number] = values[name as keyof typeof values];
  return { opcode, words };
}

/** Bytes of a written program. */
export function programBytes(steps: readonly Step[]): number {
  return 4 * (ProgramHeader.length + steps.length + steps.reduce((sum, s) => sum + s.words.length, 0));
}

/** Writes a program at byte address `at` of `memory`; `resolve` turns planned buffers into addresses. */
export function writeProgram(
  memory: ArrayBufferLike,
  at: number,
  steps: readonly Step[],
  resolve: (ref: Ref) => number,
): void {
  const words = new Int32Array(memory, at, programBytes(steps) / 4);
  words.fill(0, 0, ProgramHeader.length);
  words.set([Program.Magic, Program.Version, steps.length]);
  let next = ProgramHeader.length + steps.length;
  steps.forEach((s, i) => {
    words[ProgramHeader.length + i] = at + 4 * next;
    for (const word of s.words) words[next++] = typeof word === "number" ? word : resolve(word);
  });
}
