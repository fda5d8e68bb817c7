/**
 * A program image: a program with its weights for hosts without JavaScript, little-endian. It lies at the start of a block of `imageBytes + arenaBytes`
 * bytes that is 64-aligned in linear memory; the rest of the block is its arena. Every address in it is an offset from the block until `bind` adds where
 * that lies, so that a block at address 0 needs nothing to be changed. All words are u32.
 */
export enum Image {
  Magic = 0x49424242, // "BBBI"
  Version = 1,
  Alignment = 64,
}

/** The words at the start; offsets are bytes from there. */
export enum ImageHeader {
  magic = 0,
  version,
  /** Of the program in it: `Program.Version`. */
  programVersion,
  imageBytes,
  arenaBytes,
  /** Offset of the program, and how many steps it has. */
  program,
  steps,
  /** Offsets of words that hold an offset. */
  relocations,
  relocationCount,
  /** Records of `ImageValue`. */
  inputs,
  inputCount,
  outputs,
  outputCount,
  /** FNV-1a over the words of the image, this one and the next left out. It finds damage, not forgery. */
  digest,
  /** 1 once the image is bound. */
  bound,
  length = 16,
}

/** An input or output. */
export enum ImageValue {
  /** Offset of its name: UTF-8, ends with a 0. */
  name = 0,
  /** `ElementCode`. */
  type,
  rank,
  /** Offset of `rank` words. */
  dims,
  /** Offset of its elements from the start of the block: dense, row-major. Inputs share the arena and are gone after a run. */
  data,
  bytes,
  length,
}

/** FNV-1a, a word at a time. */
export enum ImageDigest {
  Start = 0x811c9dc5,
  Prime = 0x01000193,
}

/** What `bind` and `runImage` return beside the values of `Status`. */
export enum ImageStatus {
  NoImage = 16,
  OtherVersion = 17,
  CutShort = 18,
  Damaged = 19,
  Misaligned = 20,
  SmallBlock = 21,
  /** An image is bound once: load it again. */
  AlreadyBound = 22,
  NotBound = 23,
}
