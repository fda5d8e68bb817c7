/** Stands for `-`, stdin or stdout, behind the parser, which would take a lone dash for an option. No path holds a NUL. */
export const STDIO = "\0-";
