// One program for a range of sizes. Its words are those of the largest size; a new size writes those that vary in place, some hundred numbers.
//
// Why that is right: the records of all operators say that extents, folded elements and step words are made by sums, products, equality, division by
// constants with either rounding, and clamps (`sizes: "polynomial"`). Every extent and every folded element is held against an affine function of t
// with whole coefficients at three sizes: both ends and the neighbour of the lower one. A whole affine function plus the floor of another is
// monotone, so that both ends and one step decide; a clamp of affine functions that starts and ends on one piece never leaves it. Words are products of
// these: affine as well, or, when one is not, whole polynomials of degree 2 at most, which three sizes decide and a fourth, the middle, checks. Words that layouts make (pairs, blocks of 8, scratch) are no
// polynomials: they are computed from the sizes in their step (layout-words.ts). Whatever does not fit has no program for a range.
import { KeptStep } from "../core/abi/conv.ts";
import { Opcode } from "../core/abi/opcode.ts";
import { ProgramHeader } from "../core/abi/program.ts";
import { type Argument, type BadIndex, bytesOf, type Core, type Step, wordsOf } from "../core/index.ts";
import type { Feed } from "../graph/feed.ts";
import type { Graph, KnownValue } from "../graph/graph.ts";
import { specializeTogether } from "../graph/specialize-together.ts";
import type { SpecializeOptions, Stage, Visit } from "../graph/stage.ts";
import type { Tensor } from "../tensor/index.ts";
import { Beside } from "./beside.ts";
import type { Compiled, KeptValue, ProgramValue } from "./compile.ts";
import type { KeptMemory } from "./kept.ts";
import { type LayoutRule, layoutRule, scratchBuffer } from "./layout-words.ts";
import type { Range } from "./lines.ts";
import type { LoweredStep } from "./lowering.ts";

/** A graph at several sizes. */
export interface Sizes {
  readonly graph: Graph;
  readonly options: SpecializeOptions;
  feeds(t: number): Readonly<Record<string, Feed>>;
  /** The program of one that is one stage. */
  compile(stage: Stage, beside: Beside): Generator<undefined, Compiled, void>;
}

type Judge = Parameters<typeof specializeTogether>[3];

/** a + b·t + c·t² */
type Polynomial = readonly [a: number, b: number, c: number];

/** The program of a range, at one of its sizes. */
export class RangedProgram implements Compiled {
  readonly inputs: ReadonlyMap<string, ProgramValue>;
  readonly owned: Compiled["owned"];
  readonly buffers: Compiled["buffers"];
  readonly arenaBytes: number;
  readonly outputs: ReadonlyMap<string, ProgramValue>;
  readonly kept: ReadonlyMap<string, KeptValue>;
  private t: number;
  private address = 0;
  /** Where buffers lie that words point into: their addresses at the largest size without what that size adds; 0 for numbers. */
  private bases: readonly number[] = [];
  private timed: readonly LoweredStep[] | undefined;

  constructor(
    private readonly core: Core,
    private readonly largest: Compiled,
    private readonly fitted: Fitted,
    high: number,
  ) {
    ({ inputs: this.inputs, arenaBytes: this.arenaBytes, owned: this.owned, buffers: this.buffers } = largest);
    ({ outputs: this.outputs, kept: this.kept } = fitted);
    this.t = high;
  }

  get count(): number {
    return this.largest.count;
  }

  get work(): number {
    return Math.max(0, at(this.fitted.work, this.t));
  }

  /** What is told about the steps at this size; made when somebody asks. */
  get steps(): readonly LoweredStep[] {
    this.timed ??= this.largest.steps.map((step, i) => ({
      ...step,
      macs: Math.max(0, Math.round(at(this.fitted.macs[i]!, this.t))),
      bytes: Math.max(0, Math.round(at(this.fitted.bytes[i]!, this.t))),
      ...(step.rows !== undefined && { rows: Math.max(0, Math.round(at(this.fitted.rows[i]!, this.t))) }),
    }));
    return this.timed;
  }

  /** Makes it the program of size t, which lies in the range. */
  resize(t: number): void {
    if (t === this.t) return;
    this.t = t;
    this.timed = undefined;
    for (const { shape, axis, value } of this.fitted.extents) shape[axis] = at(value, t);
    if (this.address !== 0) this.patch();
  }

  write(arena: number, kept?: KeptMemory): number {
    this.address = this.largest.write(arena, kept);
    const words = this.core.i32(this.address, this.fitted.length);
    this.bases = this.fitted.words.map(({ at: word, value, reference }) =>
      reference ? words[word]! - at(value, this.fitted.high) : 0,
    );
    this.patch();
    return this.address;
  }

  explain(error: BadIndex): RangeError {
    return this.largest.explain(error);
  }

  release(): void {
    this.largest.release();
  }

  private patch(): void {
    const { t } = this;
    const words = this.core.i32(this.address, this.fitted.length);
    const varying = this.fitted.words;
    for (let i = 0; i < varying.length; i++) {
      const { at: word, value } = varying[i]!;
      words[word] = this.bases[i]! + at(value, t);
    }
    for (const { at: index, step, rule } of this.fitted.layout) words[index] = rule(words, step);
    for (const { at: address, bytes, value } of this.fitted.elements) {
      const number = at(value, t);
      const view = this.core.i32(address, bytes / 4);
      view[0] = number;
      if (bytes === 8) view[1] = Math.floor(number / 2 ** 32);
    }
  }
}

/** An extent of an output, which every size writes anew. */
interface Extent {
  readonly shape: number[];
  readonly axis: number;
  readonly value: Polynomial;
}

/** What varies with t. */
interface Fitted {
  readonly high: number;
  /** Words of the program. */
  readonly length: number;
  /** Words by position; `reference`: an offset that is added to where a buffer lies. */
  readonly words: readonly { readonly at: number; readonly value: Polynomial; readonly reference: boolean }[];
  readonly layout: readonly { readonly at: number; readonly step: number; readonly rule: LayoutRule }[];
  /** Integers in the constants that the program owns, by address. */
  readonly elements: readonly { readonly at: number; readonly bytes: number; readonly value: Polynomial }[];
  /** At the size of the moment, as `extents` make it. */
  readonly outputs: ReadonlyMap<string, ProgramValue>;
  readonly kept: ReadonlyMap<string, KeptValue>;
  readonly extents: readonly Extent[];
  readonly macs: readonly Polynomial[];
  readonly bytes: readonly Polynomial[];
  readonly rows: readonly Polynomial[];
  readonly work: Polynomial;
}

/** The program for all sizes of a range, made with stops; undefined when their programs are not alike, or the arena of the largest has more than `most` bytes. */
export function* generalize(
  core: Core,
  { low, high }: Range,
  sizes: Sizes,
  most = Number.POSITIVE_INFINITY,
): Generator<undefined, { program: RangedProgram; stage: Stage } | undefined, void> {
  // No rows at all: extents of 1 in what comes of them vanish from walks and strides, so that its own program is another one. That of the other sizes is right
  // there too, in so far as no step walks over nothing: all that shapes say is looked at there, but it is not lowered.
  const least = Math.max(low, 1);
  const [three, middle] = [[high, least, least + 1], (least + high) >> 1];
  const looked = low < least ? [...three, low] : three;
  const all: { readonly visits: readonly Visit[]; readonly fate: "fold" | "keep" }[] = [];
  const specialize = (ts: readonly number[], judge: Judge): Stage[] | undefined =>
    specializeTogether(
      sizes.graph,
      ts.map((t) => sizes.feeds(t)),
      sizes.options,
      judge,
    );
  const stages = specialize(looked, (visits) => {
    const fate = fateOf(visits);
    if (!isAlike(visits) || !isPolynomial(visits, looked, fate)) return undefined;
    all.push({ visits, fate });
    return fate;
  });
  if (stages === undefined) return undefined;
  const programs: Compiled[] = [];
  const beside = new Beside();
  let kept: Compiled | undefined;
  const add = function* (stage: Stage): Generator<undefined, boolean, void> {
    programs.push(yield* sizes.compile(stage, beside));
    return programs[0]!.arenaBytes <= most && sameSteps(programs);
  };
  try {
    for (const stage of stages.slice(0, three.length)) if (!(yield* add(stage))) return undefined;
    let found = fitted(core, programs, three);
    if (found === undefined) {
      // Something is quadratic, or nothing that we know.
      const four = [...three, middle];
      let next = 0;
      const more = specialize([middle], ([visit]) => {
        const { visits, fate } = all[next++] ?? { visits: [], fate: "fold" };
        const known = [...visits, visit!];
        return visits.length > 0 && isAlike(known) && isPolynomial(known, [...looked, middle], fate) ? fate : undefined;
      });
      if (more === undefined || next < all.length || !(yield* add(more[0]!))) return undefined;
      found = fitted(core, programs, four);
    }
    if (found === undefined || (low < least && walksNothing(programs[0]!, found, low))) return undefined;
    kept = programs[0]!;
    return { program: new RangedProgram(core, kept, found, high), stage: stages[0]! };
  } finally {
    for (const program of programs) if (program !== kept) program.release();
  }
}

/** Whether a node is the same at all sizes, marked, and can be folded at all of them or at none. */
function isAlike(visits: readonly Visit[]): boolean {
  const [{ node, operator, folded }] = visits as [Visit];
  const isFolded = folded !== undefined;
  return (
    operator.sizes !== undefined &&
    visits.every((other) => other.node.op === node.op && (other.folded !== undefined) === isFolded)
  );
}

/** What depends on the size and is more than some integers is made by steps instead of folded. */
function fateOf(visits: readonly Visit[]): "fold" | "keep" {
  const [{ folded }, ...others] = visits as [Visit, ...Visit[]];
  const isLarge = (a: Tensor, b: Tensor | undefined): boolean =>
    a !== b &&
    (b === undefined ||
      a.dims.join() !== b.dims.join() ||
      (!sameElements(a, b) && (!(a.type === "int64" || a.type === "int32") || a.size > 16)));
  return folded?.some((tensor, j) => others.some((other) => isLarge(tensor, other.folded?.[j]))) ? "keep" : "fold";
}

function sameElements(a: Tensor, b: Tensor): boolean {
  const [x, y] = [a.data as ArrayLike<unknown>, b.data as ArrayLike<unknown>];
  for (let i = 0; i < x.length; i++) if (!Object.is(x[i], y[i])) return false;
  return x.length === y.length;
}

/** Whether every extent of a node grows evenly, and, when it is folded, every integer is affine and no comparison changes within the range. */
function isPolynomial(visits: readonly Visit[], ts: readonly number[], fate: "fold" | "keep"): boolean {
  const [first] = visits as [Visit];
  const shapes = first.outputs.every(({ shape }, j) => {
    const extents = visits.map(({ outputs }) => outputs[j]!.shape);
    if (extents.every((one) => one === shape)) return true;
    return shape.every((d, axis) => {
      const value = affine(
        ts,
        extents.map((one) => one[axis]!),
      );
      return extents.every(({ length }) => length === shape.length) && value !== undefined && value[1] >= 0 && d >= 0;
    });
  });
  if (!shapes || first.folded === undefined || fate === "keep") return shapes;
  const elements = first.folded.every((one, j) => {
    const tensors = visits.map(({ folded }) => folded![j]!);
    return tensors.every((tensor) => tensor === one || sameElements(one, tensor)) || affines(ts, tensors) !== undefined;
  });
  return elements && (first.operator.sizes !== "compared" || keepsOrder(visits));
}

/** The elements of an integer tensor as functions of t. */
function affines(ts: readonly number[], tensors: readonly Tensor[]): Polynomial[] | undefined {
  const [first] = tensors;
  if (first!.type !== "int64" && first!.type !== "int32") return undefined;
  if (tensors.some(({ size }) => size !== first!.size)) return undefined;
  const values = Array.from({ length: first!.size }, (_, e) =>
    affine(
      ts,
      tensors.map(({ data }) => Number((data as ArrayLike<number | bigint>)[e])),
    ),
  );
  return values.includes(undefined) ? undefined : (values as Polynomial[]);
}

/** Whether the operands of a comparison are apart, or the same, over the whole range: all sizes on one side. */
function keepsOrder([first, ...others]: readonly Visit[]): boolean {
  const order = signs(first!)?.join();
  return order !== undefined && others.every((visit) => signs(visit)?.join() === order);
}

/** −1, 0 or 1 for every pair that is compared; undefined when they are not simply paired. */
function signs({ call }: Visit): number[] | undefined {
  const [a, b] = [0, 1].map((i) => call.constant(i)!);
  const size = Math.max(a!.size, b!.size);
  if ([a, b].some((tensor) => tensor!.size !== 1 && tensor!.size !== size)) return undefined;
  const element = ({ data, size: own }: Tensor, i: number): number =>
    Number((data as ArrayLike<number | bigint>)[own === 1 ? 0 : i]);
  return Array.from({ length: size }, (_, i) => Math.sign(element(a!, i) - element(b!, i)));
}

function sameSteps(programs: readonly Compiled[]): boolean {
  const [first, ...rest] = programs;
  const scratch = new Set(first!.steps.map(({ step }) => scratchBuffer(step)));
  return rest.every(
    ({ steps, buffers, owned }) =>
      steps.length === first!.steps.length &&
      owned.length === first!.owned.length &&
      buffers.length === first!.buffers.length &&
      buffers.every(({ bytes, first: begin, last }, i) => {
        const other = first!.buffers[i]!;
        return begin === other.first && last === other.last && (bytes <= other.bytes || scratch.has(i));
      }) &&
      steps.every(({ step }, i) => {
        const other = first!.steps[i]!.step;
        return step.opcode === other.opcode && step.words.length === other.words.length;
      }),
  );
}

function fitted(core: Core, programs: readonly Compiled[], ts: readonly number[]): Fitted | undefined {
  const { steps } = programs[0]!;
  const words: Fitted["words"][number][] = [];
  const layout: { at: number; step: number; rule: LayoutRule }[] = [];
  let at = ProgramHeader.length + steps.length;
  for (let i = 0; i < steps.length; i++) {
    const all = programs.map((program) => program.steps[i]!.step);
    const { opcode, words: own } = all[0]!;
    if (all.every((step) => step === all[0])) {
      at += own.length;
      continue;
    }
    const { reads, writes } = wordsOf(opcode, own);
    const start = at;
    for (let j = 0; j < own.length; j++, at++) {
      if (typeof own[j] === "number" && isSame(all, j)) continue;
      const given = all.map((step) => step.words[j]!);
      const isAddress = reads.includes(j) || writes.includes(j);
      const parts = given.map((word, p) => partsOf(core, programs[p]!, word, isAddress));
      const [{ block }] = parts as [Parts];
      if (parts.some((one) => one.block !== block)) return undefined;
      const reference = block !== "";
      const value = polynomial(
        ts,
        parts.map(({ offset }) => offset),
      );
      if (value !== undefined) {
        if (value[1] !== 0 || value[2] !== 0) words.push({ at, value, reference });
        continue;
      }
      const rule = reference ? undefined : layoutRule(core.exports, all, j);
      if (rule === undefined) return undefined;
      layout.push({ at, step: start, rule });
    }
  }
  const elements = ownedElements(programs, ts);
  const extents: Extent[] = [];
  const results = programs.some((program) => [...program.outputs.values()].some(({ place }) => !("arena" in place)))
    ? undefined
    : sizedOf(
        ts,
        programs.map((program) => program.outputs),
        extents,
      );
  const kept = sizedOf(
    ts,
    programs.map((program) => program.kept),
    extents,
  );
  if (elements === undefined || results === undefined || kept === undefined) return undefined;
  const told = (what: (step: LoweredStep) => number): Polynomial[] =>
    steps.map((_, i) =>
      through(
        ts,
        programs.map((program) => what(program.steps[i]!)),
      ),
    );
  return {
    ...{ high: ts[0]!, length: at, words, layout, elements, extents, outputs: results, kept },
    ...{ macs: told(({ macs }) => macs), bytes: told(({ bytes }) => bytes), rows: told(({ rows = 0 }) => rows) },
    work: through(
      ts,
      programs.map(({ work }) => work),
    ),
  };
}

/** Whether a number of some step is 0 or less at size t, where only panels that are kept count the rows before the run. */
function walksNothing({ steps }: Compiled, { words }: Fitted, t: number): boolean {
  const before = new Set<number>();
  let start = ProgramHeader.length + steps.length;
  for (const { step } of steps) {
    if (step.opcode === Opcode.PackKept) before.add(start + KeptStep.before);
    start += step.words.length;
  }
  return words.some(({ at: word, value, reference }) => !reference && !before.has(word) && at(value, t) <= 0);
}

/** The same outputs of programs of several sizes, their extents that vary added to `extents`; undefined where one does not grow evenly. */
function sizedOf<T extends KnownValue>(
  ts: readonly number[],
  values: readonly ReadonlyMap<string, T>[],
  extents: Extent[],
): ReadonlyMap<string, T> | undefined {
  const sized = new Map<string, T>();
  for (const [name, value] of values[0]!) {
    const all = values.map((one) => one.get(name)?.shape);
    const shape = [...value.shape];
    for (const axis of shape.keys()) {
      const own = all.map((one) => one?.[axis] ?? Number.NaN);
      const grown = affine(ts, own);
      if (grown === undefined) return undefined;
      if (grown[1] !== 0) extents.push({ shape, axis, value: grown });
    }
    sized.set(name, { ...value, shape });
  }
  return sized;
}

/** Whether a number is the same in all steps: nine of ten are. */
function isSame(steps: readonly Step[], word: number): boolean {
  for (const { words } of steps) if (words[word] !== steps[0]!.words[word]) return false;
  return true;
}

/** A number, or an address as what it points into and how far. */
interface Parts {
  readonly block: string;
  readonly offset: number;
}

function partsOf(core: Core, { owned }: Compiled, word: Argument, isAddress: boolean): Parts {
  if (typeof word !== "number") return { block: `buffer ${word.buffer}`, offset: word.offset };
  if (!isAddress) return { block: "", offset: word };
  const at = core.blockOf(word) ?? 0;
  const own = owned.findIndex((one) => one.at === at);
  return { block: own < 0 ? `at ${at}` : `constant ${own}`, offset: word - at };
}

/** The elements of a program's own constants that vary. */
function ownedElements(programs: readonly Compiled[], ts: readonly number[]): Fitted["elements"][number][] | undefined {
  const elements: Fitted["elements"][number][] = [];
  for (const [k, { at, data }] of programs[0]!.owned.entries()) {
    const all = programs.map(({ owned }) => owned[k]!.data);
    if (all.some((one) => one.byteLength !== data.byteLength || one.constructor !== data.constructor)) return undefined;
    const bytes = all.map(bytesOf);
    if (bytes.every((one) => one.every((byte, i) => byte === bytes[0]![i]))) continue;
    if (!(data instanceof BigInt64Array || data instanceof Int32Array)) return undefined;
    for (let e = 0; e < data.length; e++) {
      const value = affine(
        ts,
        all.map((one) => Number((one as unknown as ArrayLike<number | bigint>)[e])),
      );
      if (value === undefined) return undefined;
      if (value[1] !== 0) elements.push({ at: at + e * data.BYTES_PER_ELEMENT, bytes: data.BYTES_PER_ELEMENT, value });
    }
  }
  return elements;
}

function at(value: Polynomial, t: number): number {
  return value[0] + t * (value[1] + t * value[2]);
}

/** a + b·t with whole coefficients, through all values; ts[1] and ts[2] are neighbours. */
function affine(ts: readonly number[], values: readonly number[]): Polynomial | undefined {
  const slope = values[2]! - values[1]!;
  const value: Polynomial = [values[1]! - slope * ts[1]!, slope, 0];
  return Number.isSafeInteger(slope) && ts.every((t, i) => at(value, t) === values[i]) ? value : undefined;
}

/** A polynomial with whole coefficients, through all values: of degree 2 at most, of degree 1 through three. */
function polynomial(ts: readonly number[], values: readonly number[]): Polynomial | undefined {
  if (ts.length === 3) return affine(ts, values);
  const value = through(ts, values).map(Math.round) as unknown as Polynomial;
  return ts.every((t, i) => at(value, t) === values[i]) ? value : undefined;
}

/** The polynomial of degree 2 through the values at both ends, and in the middle or beside the lower one. */
function through(ts: readonly number[], values: readonly number[]): Polynomial {
  const between = ts.length - 1;
  const [x, y, z] = [ts[1]!, ts[between]!, ts[0]!];
  const [fx, fy, fz] = [values[1]!, values[between]!, values[0]!];
  const first = (fy - fx) / (y - x);
  const second = ((fz - fy) / (z - y) - first) / (z - x);
  return [fx - first * x + second * x * y, first - second * (x + y), second];
}
