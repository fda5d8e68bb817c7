import type { Core } from "../core/index.ts";

/** Constants in the memory of a core: placed once per session, shared by all its programs. */
export class Constants {
  readonly placed = new Map<string, number>();
  readonly derived = new Map<string, Map<string, Derived>>();

  constructor(readonly core: Core) {}

  /** The address of the data that `make` gives, which is called only the first time that `key` is asked for. */
  place(key: string, make: () => ArrayBufferView): number {
    let at = this.placed.get(key);
    if (at === undefined) {
      at = this.core.place(make());
      this.placed.set(key, at);
    }
    return at;
  }

  /** Writes the data that `make` gives where those of `key` lie, if they have been placed. */
  replace(key: string, make: () => ArrayBufferView): void {
    const at = this.placed.get(key);
    if (at === undefined) return;
    const { buffer, byteOffset, byteLength } = make();
    this.core.u8(at, byteLength).set(new Uint8Array(buffer, byteOffset, byteLength));
  }

  /** The address of `bytes` bytes that `pack` makes from the elements of a constant, which `source` gives; done once per form. */
  derive(name: string, form: string, source: () => ArrayBufferView, bytes: number, pack: Pack): number {
    let forms = this.derived.get(name);
    if (forms === undefined) {
      forms = new Map();
      this.derived.set(name, forms);
    }
    let made = forms.get(form);
    if (made === undefined) {
      made = { at: this.core.allocate(bytes), pack };
      forms.set(form, made);
      this.pack(source(), made);
    }
    return made.at;
  }

  /** Packs the forms of a constant again, whose elements have changed. */
  rederive(name: string, make: () => ArrayBufferView): void {
    for (const made of this.derived.get(name)?.values() ?? []) this.pack(make(), made);
  }

  private pack(source: ArrayBufferView, { at, pack }: Derived): void {
    this.core.lend([source], (from) => pack(from, at, 0, 1));
  }
}

/** Packs part `part` of `parts`; all of them in order make the whole. */
export type Pack = (from: number, to: number, part: number, parts: number) => void;

interface Derived {
  readonly at: number;
  readonly pack: Pack;
}
