/** A step read an index that lies outside of the axis that it selects from. */
export class BadIndex extends RangeError {
  constructor(
    /** Position of the step in its program. */
    readonly step: number,
    readonly index: bigint,
    readonly axis: number,
    readonly extent: number,
  ) {
    const range = extent === 0 ? "nothing: the axis is empty" : `one of ${-extent}..${extent - 1}`;
    super(`index ${index} on axis ${axis} expected ${range}`);
  }
}

/** Errors that a caller may want to tell apart by `code`; wrong arguments are TypeError and RangeError. */
export class BitbasisError extends Error {
  /** `"BitbasisError"`: also tells errors of other copies of the package. */
  override readonly name: string = "BitbasisError";

  constructor(
    /**
     * MODEL: not a model, or a damaged one. UNSUPPORTED: operators or opsets that we do not have. BUILD: no such build, or not a WebAssembly
     * module of ours. RELEASED: the session or the state is gone. BUSY: a run with the state is under way. MEMORY: more than a wasm memory can hold, or than the caller allows. LIMIT: a run is more
     * work than the caller allows. WORKER: a worker of the session has died in the middle of a run; the session goes on. RECEIPT: no receipt, a damaged one, or one of another model or other inputs. INTERNAL: an error of ours.
     */
    readonly code:
      | "MODEL"
      | "UNSUPPORTED"
      | "BUILD"
      | "RELEASED"
      | "BUSY"
      | "MEMORY"
      | "LIMIT"
      | "WORKER"
      | "RECEIPT"
      | "INTERNAL",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
