/**
 * What the names of our own values start with that must not be taken for one of a file: constants are named after their contents. No name in
 * a file may start so.
 */
export const INTERNAL = "\0";
