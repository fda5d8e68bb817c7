import { Turns } from "../core/index.ts";
import { integerIn } from "./checks.ts";

/** Keys that need not be in memory at once: every call of `blocks` goes through all of them again, in whole rows of d numbers. */
export interface KeyBlocks {
  /** Starts from the first row at every call; blocks are row-major and may differ in size. */
  blocks(): Iterable<Float32Array> | AsyncIterable<Float32Array>;
}

/** Rows of a key set, block by block. */
export interface Block {
  /** Index of the first row. */
  readonly first: number;
  readonly rows: number;
  /** rows × d. */
  readonly data: Float32Array;
}

/** Numbers in a block: 1 MiB of float32. */
const BLOCK = 2 ** 18;

/** A key set of n rows and d columns, from an array or streamed. */
export class KeySet {
  /** Rows of a block at most. */
  readonly blockRows: number;

  constructor(
    readonly name: string,
    private readonly source: Float32Array | KeyBlocks,
    readonly n: number,
    readonly d: number,
  ) {
    integerIn("dims[1]", d, 1, 65536);
    integerIn("dims[0]", n, 1, 2 ** 30);
    this.blockRows = Math.max(1, Math.min(n, Math.floor(BLOCK / d)));
    if (source instanceof Float32Array) {
      if (source.length !== n * d) {
        throw new RangeError(`"${name}" expected ${n} × ${d} = ${n * d} numbers, got ${source.length}`);
      }
    } else if (typeof source?.blocks !== "function") {
      throw new TypeError(`"${name}" expected a Float32Array or an object with "blocks", got ${typeof source}`);
    }
  }

  /** The whole array, when it is in memory. */
  get array(): Float32Array | undefined {
    return this.source instanceof Float32Array ? this.source : undefined;
  }

  /** All rows in order; blocks of a stream are cut to `blockRows`. */
  async *blocks(): AsyncGenerator<Block> {
    const given = this.source instanceof Float32Array ? [this.source] : this.source.blocks();
    let first = 0;
    for await (const piece of given) {
      if (!(piece instanceof Float32Array) || piece.length % this.d !== 0) {
        throw new TypeError(
          `"${this.name}" expected blocks of whole rows of ${this.d} float32 numbers, got ${piece?.length}`,
        );
      }
      const total = piece.length / this.d;
      if (first + total > this.n) throw new RangeError(`"${this.name}" expected ${this.n} rows, got more`);
      for (let at = 0; at < total; at += this.blockRows) {
        const rows = Math.min(this.blockRows, total - at);
        yield { first: first + at, rows, data: piece.subarray(at * this.d, (at + rows) * this.d) };
      }
      first += total;
    }
    if (first !== this.n) throw new RangeError(`"${this.name}" expected ${this.n} rows, got ${first}`);
  }
}

/** Reports progress in the turns of the event loop. */
export class Pace {
  private readonly turns: Turns;

  constructor(
    signal?: AbortSignal,
    private readonly onProgress?: (progress: { phase: string; loaded: number; total: number }) => void,
  ) {
    this.turns = new Turns(signal);
  }

  async step(phase: string, loaded: number, total: number): Promise<void> {
    this.onProgress?.({ phase, loaded, total });
    await this.turns.next();
  }
}
