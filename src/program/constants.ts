import { atOnce, bytesOf, type Core } from "../core/index.ts";

/** Bytes that are copied or packed between two stops: 10 ms or so. */
const PIECE = 2 ** 22;

/** What is made of the elements of a constant for whom does not read them as they are. */
export interface Form {
  readonly key: string;
  readonly bytes: number;
  /** Packs part `part` of `parts`; all of them in order make the whole. */
  pack(from: number, to: number, part: number, parts: number): void;
}

interface Placed {
  readonly at: number;
  readonly make: () => ArrayBufferView;
  readonly form: Form | undefined;
}

/** Constants in the memory of a core: placed once per session, shared by all its programs. What has not been made to its end is not there. */
export class Constants {
  private readonly placed = new Map<string, Map<string | undefined, Placed>>();

  constructor(readonly core: Core) {}

  /** The address of the data that `make` gives, or of a form of them; made when it is asked for the first time, and kept by what makes it. */
  place(...args: Parameters<Constants["placing"]>): number {
    return atOnce(this.placing(...args));
  }

  /** The same with stops where the data are large. */
  *placing(name: string, make: () => ArrayBufferView, form?: Form): Generator<undefined, number, void> {
    const key = form?.key;
    const forms = this.placed.get(name) ?? new Map<typeof key, Placed>();
    let placed = forms.get(key);
    if (placed === undefined) {
      const data = make();
      placed = { at: this.core.allocate(form?.bytes ?? data.byteLength), make, form };
      try {
        yield* this.writing(data, placed);
        this.placed.set(name, forms.set(key, placed));
      } finally {
        if (!forms.has(key)) this.core.release(placed.at);
      }
    }
    return placed.at;
  }

  /** Makes a constant anew, and its forms, where they have been placed: the elements have changed. */
  replace(name: string): void {
    for (const placed of this.placed.get(name)?.values() ?? []) atOnce(this.writing(placed.make(), placed));
  }

  private *writing(data: ArrayBufferView, { at, form }: Placed): Generator<undefined, void, void> {
    if (form === undefined) return yield* this.copying(data, at);
    const from = this.core.allocate(data.byteLength);
    try {
      yield* this.copying(data, from);
      const parts = Math.max(1, Math.ceil(data.byteLength / PIECE));
      for (let part = 0; part < parts; part++) {
        if (part > 0) yield;
        form.pack(from, at, part, parts);
      }
    } finally {
      this.core.release(from);
    }
  }

  private *copying(data: ArrayBufferView, to: number): Generator<undefined, void, void> {
    for (let at = 0; at < data.byteLength; at += PIECE) {
      if (at > 0) yield;
      const piece = bytesOf(data).subarray(at, at + PIECE);
      this.core.u8(to + at, piece.length).set(piece);
    }
  }
}
