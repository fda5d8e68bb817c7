/** A runtime that this machine does not have and that no registry gives it; the message says why. */
export class Missing extends Error {}
