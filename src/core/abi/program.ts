/**
 * A program is a flat record of 32-bit little-endian words in linear memory: the words of `ProgramHeader`, the pointer of step 0, the
 * pointer of step 1, …; a step is `[opcode, argument, …]`, its arguments listed in the enum of its kernel family. Pointers are absolute
 * byte addresses, 16-aligned for data.
 */
export enum Program {
  Magic = 0x50534242, // "BBSP"
  Version = 5,
}

export enum ProgramHeader {
  magic = 0,
  version,
  /** How many steps there are. */
  steps,
  /** What `run` says about the step that stopped it; of several threads that are stopped, any one is told about. */
  failedStep,
  /** Status.BadIndex: the axis, its extent, and the index in two words, the low one first. */
  failedAxis,
  failedExtent,
  failedIndex,
  failedIndexHigh,
  length,
}

/** What `run` returns. */
export enum Status {
  Ok = 0,
  BadProgram = 1,
  BadOpcode = 2,
  /** An index that the program read from its data lies outside the axis. The steps after it have not run; nothing that was made is to be used. */
  BadIndex = 3,
}
