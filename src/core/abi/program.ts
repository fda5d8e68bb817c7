/**
 * A program is a flat record of 32-bit little-endian words in linear memory:
 * `[magic, version, stepCount, 0, pointer of step 0, pointer of step 1, …]`; a step is `[opcode, argument, …]`,
 * its arguments listed in the enum of its kernel family. Pointers are absolute byte addresses, 16-aligned for data.
 */
export enum Program {
  Magic = 0x50534242, // "BBSP"
  Version = 1,
  /** Words before the table of step pointers. */
  HeaderWords = 4,
}

/** What `run` returns. */
export enum Status {
  Ok = 0,
  BadProgram = 1,
  BadOpcode = 2,
  /** An index that the program read from its data lies outside the axis; the steps have run, the result is not to be used. */
  BadIndex = 3,
}
