// The core with every access to memory put before the guard (guard.ts): scripts/build-checked.mjs rewrites the sources while they are
// compiled. For tests only.

/** Traps unless `bytes` bytes at `at` + `offset` may be read; returns `at`. */
@global
@external("guard", "read")
declare function guardRead(at: usize, offset: usize, bytes: usize): usize;

/** The same for writing; the bytes count as written from then on. */
@global
@external("guard", "write")
declare function guardWrite(at: usize, offset: usize, bytes: usize): usize;

export * from "../scalar";
