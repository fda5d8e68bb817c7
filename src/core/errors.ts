/** Errors that a caller may want to tell apart by `code`; wrong arguments are TypeError and RangeError. */
export class BitbasisError extends Error {
  override readonly name: string = "BitbasisError";

  constructor(
    /** MODEL: not a model, or a damaged one. UNSUPPORTED: operators or opsets that we do not have. BUILD: no such build. ABORTED and RELEASED: as they say. MEMORY: the wasm memory cannot grow. INTERNAL: ours. */
    readonly code: "MODEL" | "UNSUPPORTED" | "BUILD" | "RELEASED" | "MEMORY" | "INTERNAL",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
