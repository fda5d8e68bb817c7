import type { Fail } from "./attributes.ts";

/** Whether a code point is one of a class; whether a place between two of them is one of a kind. */
type Class = (code: number) => boolean;
type Look = (before: number, after: number) => boolean;

/** What a pattern is made of. */
type Part =
  | { readonly take: Class }
  | { readonly look: Look }
  | { readonly all: readonly Part[] }
  | { readonly any: readonly Part[] }
  | { readonly part: Part; readonly least: number; readonly most: number };

/** A step takes one character or looks around it, and goes on at `to`; one that goes nowhere is the end. */
interface Step {
  readonly take?: Class;
  readonly look?: Look;
  to: readonly number[];
}

/** No character: before the first one and behind the last. */
const NONE = -1;
/** Steps that a pattern may have, what it repeats written out: more would take long for each character. */
const MOST_STEPS = 2048;
/** Characters between two turns. */
const CHARACTERS = 2 ** 10;

const between =
  (low: number, high: number): Class =>
  (c) =>
    c >= low && c <= high;
const not =
  (is: Class): Class =>
  (c) =>
    !is(c);
const oneOf =
  (all: readonly Class[]): Class =>
  (c) =>
    all.some((is) => is(c));

const isDigit = between(48, 57);
const isWord = oneOf([isDigit, between(65, 90), between(97, 122), between(95, 95)]);
const isSpace = oneOf([between(9, 10), between(12, 13), between(32, 32)]);
const CLASSES: Readonly<Record<string, Class>> = {
  ...{ d: isDigit, w: isWord, s: isSpace },
  ...{ D: not(isDigit), W: not(isWord), S: not(isSpace) },
};
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const isStart: Look = (before) => before === NONE;
const isEnd: Look = (_, after) => after === NONE;
const isEdge: Look = (before, after) => isWord(before) !== isWord(after);
const LOOKS: Readonly<Record<string, Look>> = { A: isStart, z: isEnd, b: isEdge, B: (a, b) => !isEdge(a, b) };

/** Reads a pattern in the syntax of RE2 without flags, names and classes of Unicode: \w, \d, \s and \b are of ASCII, "." is all but a line feed. */
class Reader {
  private readonly source: readonly string[];
  private at = 0;

  constructor(
    pattern: string,
    private readonly fail: Fail,
  ) {
    this.source = Array.from(pattern);
  }

  whole(): Part {
    const part = this.choice();
    if (this.at < this.source.length) throw this.wrong(`it has a ")" without a "("`);
    return part;
  }

  private wrong(why: string): Error {
    return this.fail(`the pattern "${this.source.join("")}" is not understood: ${why}, character ${this.at}`);
  }

  private eat(text: string): boolean {
    const found = this.source.slice(this.at, this.at + text.length).join("") === text;
    if (found) this.at += text.length;
    return found;
  }

  private character(): string {
    const character = this.source[this.at++];
    if (character === undefined) throw this.wrong("it ends too soon");
    return character;
  }

  private choice(): Part {
    const any: Part[] = [];
    do {
      const all: Part[] = [];
      while (this.at < this.source.length && !"|)".includes(this.source[this.at]!)) all.push(this.repeated(this.one()));
      any.push({ all });
    } while (this.eat("|"));
    return { any };
  }

  private one(): Part {
    const character = this.character();
    if (character === "^") return { look: isStart };
    if (character === "$") return { look: isEnd };
    if (character === ".") return { take: (c) => c !== 10 };
    if (character === "[") return { take: this.set() };
    if ("*+?{".includes(character)) throw this.wrong(`"${character}" repeats nothing`);
    if (character === "\\") {
      const look = LOOKS[this.source[this.at] ?? ""];
      if (look === undefined) return { take: this.escaped() };
      this.at++;
      return { look };
    }
    if (character !== "(") return { take: between(character.codePointAt(0)!, character.codePointAt(0)!) };
    if (this.eat("?") && !this.eat(":")) throw this.wrong("groups have no flags and names here");
    const part = this.choice();
    if (!this.eat(")")) throw this.wrong(`a ")" is missing`);
    return part;
  }

  /** What is behind a backslash. */
  private escaped(): Class {
    const character = this.character();
    const known = CLASSES[character];
    if (known !== undefined) return known;
    const code = CONTROLS[character] ?? character.codePointAt(0)!;
    if (code < 128 && isWord(code) && CONTROLS[character] === undefined)
      throw this.wrong(`"\\${character}" is none of \\w \\d \\s \\b and their kind`);
    return between(code, code);
  }

  private set(): Class {
    const negative = this.eat("^");
    const classes: Class[] = [];
    do {
      if (this.eat("[:")) throw this.wrong("classes have no names here");
      const low = this.bound();
      const isRange = this.source[this.at] === "-" && this.source[this.at + 1] !== "]";
      if (typeof low !== "number" || !isRange) {
        classes.push(typeof low === "number" ? between(low, low) : low);
        continue;
      }
      this.at++;
      const high = this.bound();
      if (typeof high !== "number" || high < low) throw this.wrong("a range ends before it begins");
      classes.push(between(low, high));
    } while (!this.eat("]"));
    return negative ? not(oneOf(classes)) : oneOf(classes);
  }

  private bound(): number | Class {
    const character = this.character();
    if (character !== "\\") return character.codePointAt(0)!;
    const name = this.source[this.at] ?? "";
    const own = this.escaped();
    return CLASSES[name] === undefined ? (CONTROLS[name] ?? name.codePointAt(0)!) : own;
  }

  private repeated(part: Part): Part {
    let [least, most] = [1, 1];
    if (this.eat("*")) [least, most] = [0, Number.POSITIVE_INFINITY];
    else if (this.eat("+")) [least, most] = [1, Number.POSITIVE_INFINITY];
    else if (this.eat("?")) [least, most] = [0, 1];
    else if (this.eat("{")) {
      const written = /^(\d+)(,(\d*))?\}/.exec(this.source.slice(this.at, this.at + 24).join(""));
      if (written === null) throw this.wrong(`"{" is expected before one or two numbers`);
      this.at += written[0].length;
      least = Number(written[1]);
      most = written[2] === undefined ? least : written[3] === "" ? Number.POSITIVE_INFINITY : Number(written[3]);
      if (most < least || least > MOST_STEPS) throw this.wrong("it repeats more often than it may");
    } else return part;
    // What takes as little as it can finds the same: the longest match counts.
    this.eat("?");
    return { part, least, most };
  }
}

/**
 * A regular expression, whose next match is found in time that grows with the text as it is long: all its ways are gone at once (Thompson, "Regular expression
 * search algorithm", 1968), where those of JavaScript try one after another. At each place the longest match counts.
 */
export class Pattern {
  private readonly steps: Step[] = [];

  constructor(
    pattern: string,
    private readonly fail: Fail,
  ) {
    this.write(new Reader(pattern, fail).whole());
    this.add({ to: [] });
  }

  /** Where the text matches, one match after the other, each as begin and end; undefined after a piece of work. */
  *matches(text: readonly number[]): Generator<readonly [number, number] | undefined> {
    for (let from = 0; from <= text.length; ) {
      const found: readonly [number, number] | undefined = yield* this.first(text, from);
      if (found === undefined) return;
      yield found;
      from = found[1] === found[0] ? found[1] + 1 : found[1];
    }
  }

  private *first(text: readonly number[], from: number): Generator<undefined, readonly [number, number] | undefined> {
    const { steps } = this;
    let found: readonly [number, number] | undefined;
    // The earliest place from which a way has come to a step.
    let ways = new Map<number, number>();
    const reach = (step: number, start: number, at: number): void => {
      if ((ways.get(step) ?? Number.POSITIVE_INFINITY) <= start) return;
      ways.set(step, start);
      const { take, look, to } = steps[step]!;
      if (take !== undefined || look?.(text[at - 1] ?? NONE, text[at] ?? NONE) === false) return;
      if (to.length === 0) found = [start, at];
      for (const next of to) reach(next, start, at);
    };
    for (let at = from; at <= text.length; at++) {
      if (found === undefined) reach(0, at, at);
      const before = ways;
      ways = new Map();
      for (const [step, start] of before) {
        if (found !== undefined && start > found[0]) continue;
        const { take, to } = steps[step]!;
        if (at < text.length && take?.(text[at]!) === true) reach(to[0]!, start, at + 1);
      }
      if (found !== undefined && ways.size === 0) return found;
      if (at % CHARACTERS === 0) yield;
    }
    return found;
  }

  private add(step: Step): Step {
    if (this.steps.length === MOST_STEPS) throw this.fail(`a pattern of more than ${MOST_STEPS} steps`);
    this.steps.push(step);
    return step;
  }

  private write(part: Part): void {
    const { steps } = this;
    const next = (): number => steps.length;
    if ("take" in part || "look" in part) this.add({ ...part, to: [next() + 1] });
    else if ("all" in part) for (const one of part.all) this.write(one);
    else if ("any" in part) {
      const last = part.any.length - 1;
      const ends: Step[] = [];
      for (const [i, one] of part.any.entries()) {
        const branch = i < last ? this.add({ to: [] }) : undefined;
        if (branch !== undefined) branch.to = [next()];
        this.write(one);
        if (branch === undefined) continue;
        ends.push(this.add({ to: [] }));
        branch.to = [...branch.to, next()];
      }
      for (const end of ends) end.to = [next()];
    } else {
      for (let i = 0; i < part.least; i++) this.write(part.part);
      const optional: Step[] = [];
      const repeats = part.most === Number.POSITIVE_INFINITY;
      for (let i = part.least; i < (repeats ? part.least + 1 : part.most); i++) {
        const own = next();
        const branch = this.add({ to: [own + 1] });
        optional.push(branch);
        this.write(part.part);
        if (repeats) this.add({ to: [own] });
      }
      for (const branch of optional) branch.to = [...branch.to, next()];
    }
  }
}
