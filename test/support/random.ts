/**
 * A small generator (splitmix32: Steele, Lea and Flood 2014, 32-bit variant) for tests and fixtures. Integer arithmetic only, so a
 * seed gives the same numbers on every machine and for ever: fixtures store seeds instead of inputs.
 */
export class Random {
  private state: number;

  /** @param seed - any integer; its low 32 bits count */
  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** 32 uniform bits, 0…2^32 − 1. */
  bits(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** Integer in low…high, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor((this.bits() / 4294967296) * (high - low + 1));
  }

  /** Number in [low, high), from 24 bits: a float32 without rounding when low and high are powers of two. */
  uniform(low = 0, high = 1): number {
    return low + ((this.bits() >>> 8) / 16777216) * (high - low);
  }

  /** About normal, mean 0 and deviation 1: twelve uniforms less six (no logarithm, whose last bit depends on the engine). */
  normal(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.uniform();
    return sum;
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('"items" expected at least one, got none');
    return items[this.integer(0, items.length - 1)]!;
  }

  /** `count` values uniform in [low, high). */
  fill(count: number, low: number, high: number): Float32Array {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = this.uniform(low, high);
    return values;
  }
}
