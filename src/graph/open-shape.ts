import type { Shape } from "../tensor/index.ts";
import type { Dimension } from "./graph.ts";

/** Stands for an extent that is not known. */
export const ANY_EXTENT = 4;

interface Opening {
  /** Extents that are guesses; "rank": even their number is one. */
  readonly guesses: readonly boolean[] | "rank";
  readonly words: string;
}

const openings = new WeakMap<Shape, Opening>();

/**
 * Shapes of which something is a guess, and whether anyone has looked at a guess. A rule that refuses a node without having looked refuses it whatever the
 * guesses are.
 */
export class Witness {
  looked = false;

  /** A shape that holds guesses where `dims` has names; undefined: all of `guess` is one, its length too. */
  open(dims: readonly Dimension[] | undefined, guess: Shape): Shape {
    const guesses = dims === undefined ? "rank" : dims.map((d) => typeof d === "string");
    if (guesses !== "rank" && !guesses.includes(true)) return guess;
    const isGuess = (key: string | symbol): boolean =>
      guesses === "rank" || (typeof key === "string" && guesses[Number(key)] === true);
    const shape: Shape = new Proxy(guess, {
      get: (target, key) => {
        if (isGuess(key)) this.looked = true;
        return Reflect.get(target, key);
      },
    });
    openings.set(shape, { guesses, words: dims?.map((d) => (d === "" ? "?" : d)).join() ?? "…" });
    return shape;
  }

  /** A list some of whose places hold guesses. */
  watched<T>(list: readonly T[], isGuess: (i: number) => boolean): readonly T[] {
    return new Proxy(list, {
      get: (target, key) => {
        if (typeof key === "string" && isGuess(Number(key))) this.looked = true;
        return Reflect.get(target, key);
      },
    });
  }
}

/** Whether some extent, or the rank, is a guess. */
export function isOpen(shape: Shape): boolean {
  return openings.has(shape);
}

/** Whether the rank is a guess. */
export function isOpenRank(shape: Shape): boolean {
  return openings.get(shape)?.guesses === "rank";
}

/** For messages: guesses are named or left out, and reading them here is no look. */
export function shapeInWords(shape: Shape): string {
  return openings.get(shape)?.words ?? shape.join();
}

/** An extent that is no guess; undefined for one that is, or where the number of extents is one. */
export function knownExtent(shape: Shape, axis: number): number | undefined {
  const guesses = openings.get(shape)?.guesses;
  return guesses === "rank" || guesses?.[axis] === true ? undefined : shape[axis];
}

/** Whether two shapes do not broadcast whatever their guesses are. */
export function neverBroadcast(a: Shape, b: Shape): boolean {
  if (isOpenRank(a) || isOpenRank(b)) return false;
  for (let i = 1; i <= Math.min(a.length, b.length); i++) {
    const [x, y] = [knownExtent(a, a.length - i), knownExtent(b, b.length - i)];
    if (x !== undefined && y !== undefined && x !== y && x !== 1 && y !== 1) return true;
  }
  return false;
}
