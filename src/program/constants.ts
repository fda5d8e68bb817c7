import type { Core } from "../core/index.ts";

/** Constants in the memory of a core: placed once per session, shared by all its programs. */
export class Constants {
  private readonly placed = new Map<string, number>();

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

  /** The address of `bytes` bytes that `pack` makes from source data; done once per key. */
  derive(key: string, source: ArrayBufferView, bytes: number, pack: (from: number, to: number) => void): number {
    const at = this.placed.get(key);
    if (at === undefined) {
      const to = this.core.allocate(bytes);
      this.core.lend([source], (from) => pack(from, to));
      this.placed.set(key, to);
      return to;
    }
    return at;
  }
}
