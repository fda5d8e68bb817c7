// Which sizes share a program, and making it: a chunk that a model which is given one size never loads.
import type { Core } from "../core/index.ts";
import type { Graph, KnownValue, ValueInfo } from "../graph/graph.ts";
import { type Feed, LIST } from "../graph/specialize.ts";
import type { Stage } from "../graph/stage.ts";
import type { Beside } from "./beside.ts";
import type { Compiled } from "./compile.ts";
import type { KeptMemory } from "./kept.ts";
import { genericFrom, lineOfRows, linesThrough, valuesAt } from "./line-search.ts";
import { type Line, placeOn, type Range } from "./lines.ts";
import { generalize } from "./ranged.ts";
import type { Given, Part, Routine } from "./routine.ts";

/** Most bytes of the arena of the largest size where it is more than twice another: those of the others take as much. */
const WIDE_BYTES = 2 ** 25;
/** Fewer sizes than that are not worth four programs. */
const SIZES = 8;
/** After so many ranges whose sizes have no common program, a routine's sizes are taken to have none. */
const FAILURES = 6;

/** What a schedule does for them. */
export interface Workshop {
  readonly core: Core;
  readonly weights: ReadonlyMap<string, KnownValue>;
  /** Stops after every node. */
  compile(stage: Stage, kept: KeptMemory | undefined, beside: Beside): Generator<undefined, Compiled, void>;
  /** A part of a program, with memory to run in; throws where that is not to be had. */
  add(routine: Routine, stage: Stage, program: Compiled, key: string): Part;
  exists(part: Part): boolean;
}

/** The part of a range that these inputs lie in, made when they are the third on a line; undefined: they need a program of their own. Stops now and then. */
export function* newRange(
  shop: Workshop,
  routine: Routine,
  inputs: ReadonlyMap<string, Given>,
  values: readonly KnownValue[],
  under: string,
  kept: KeptMemory | undefined,
): Generator<undefined, Part | undefined, void> {
  const ranges = routine.ranges.filter((one) => one.under === under);
  const rows = rowsOf(inputs, kept);
  for (const line of linesOf(routine, inputs, values, rows, under, kept)) {
    const t = placeOn(line, values)!;
    for (const [low, high] of rangesAround(t, genericFrom(line, rows, t === 0 ? 0 : 1))) {
      if (t < low || high - low < SIZES || ranges.filter(({ part }) => part === undefined).length >= FAILURES) continue;
      const range = { line, low, high };
      if (ranges.some((one) => isSame(one, range) && (one.part === undefined || shop.exists(one.part)))) continue;
      const part = yield* generalized(shop, routine, inputs, values, range, under, kept);
      routine.ranges.push({ ...range, under, part });
      if (part !== undefined) {
        part.program.resize?.(t);
        return part;
      }
    }
  }
  return undefined;
}

/**
 * Makes the program of a decoder that goes on row by row before its first token has come, where the names of extents tell what comes: one token in every
 * batch of one, behind rows that count on. Undefined where they do not, or where it cannot be made: a run will find out why.
 */
export function* prepare(
  shop: Workshop,
  routine: Routine,
  inputs: readonly ValueInfo[],
  kept: KeptMemory,
): Generator<undefined, Part | undefined, void> {
  // Another state of the same room has had it made, or not.
  if (routine.ranges.some((one) => one.under === kept.signature)) return undefined;
  const ends = endsOf(routine.graph, kept);
  // In the order in which a run has them: what is fed, then the rows.
  const order = [
    ...inputs.filter(({ name }) => !kept.kept.has(name)),
    ...[...kept.kept.keys()].flatMap((name) => inputs.filter((one) => one.name === name)),
  ];
  // Where something counts the rows with the new one, the program begins at one row: extents of 1 vanish.
  for (const past of [0, 1]) {
    const given = order.map(({ name, type, shape = [] }): [string, Given] => {
      const own = kept.kept.get(name)?.axis;
      const extent = (d: number | string, i: number): number => {
        if (typeof d === "number") return d;
        return i === own ? past : ends.has(d) ? past + 1 : 1;
      };
      return [name, { known: { type, shape: shape.map(extent) } }];
    });
    const known = new Map(given);
    const values = given.map(([, one]) => one.known as KnownValue);
    const part = yield* newRange(shop, routine, known, values, kept.signature, kept);
    if (part !== undefined) return part;
  }
  return undefined;
}

function linesOf(
  { graph, met, shaping }: Routine,
  inputs: ReadonlyMap<string, Given>,
  values: readonly KnownValue[],
  rows: ReadonlySet<number>,
  under: string,
  kept: KeptMemory | undefined,
): Line[] {
  const alike = met.filter((one) => one.under === under).map((one) => one.values);
  const lines = linesThrough(alike, values, rows);
  // Elements that are others at every run, as a position, have no run like this one before it: what grows with them is not known.
  const isRepeated = shaping.size === 0 || alike.length > 0;
  const grows = lines.length === 0 && kept !== undefined && isRepeated && growing(graph, inputs, kept);
  return grows ? lineOfRows(values, grows) : lines;
}

/** One part for all sizes of a range; undefined where their programs are not alike, or what a larger size needs is not to be had. */
function* generalized(
  shop: Workshop,
  routine: Routine,
  inputs: ReadonlyMap<string, Given>,
  values: readonly KnownValue[],
  range: Range,
  under: string,
  kept: KeptMemory | undefined,
): Generator<undefined, Part | undefined, void> {
  const { graph, needed, shaping } = routine;
  const { core, weights } = shop;
  try {
    const made = yield* generalize(
      core,
      range,
      {
        graph,
        options: { weights, needed, ...(kept && { kept: [...kept.kept.keys()] }) },
        feeds: (t) => {
          const known = valuesAt(range.line, values, t);
          const feeds = [...inputs].map(([name, { elements }], i): [string, Feed] => {
            return [name, shaping.has(name) ? { ...known[i]!, data: elements!().data } : known[i]!];
          });
          return Object.fromEntries(feeds);
        },
        compile: (stage, beside) => shop.compile(stage, kept, beside),
      },
      range.high > 2 * range.low ? WIDE_BYTES : undefined,
    );
    if (made === undefined) return undefined;
    return shop.add(routine, made.stage, made.program, `range:${JSON.stringify(range)}${under}`);
  } catch {
    // Nobody has asked for the sizes that were tried.
    return undefined;
  }
}

/** Which extents of the inputs, counted through, are rows of a state. */
function rowsOf(inputs: ReadonlyMap<string, Given>, kept: KeptMemory | undefined): Set<number> {
  const rows = new Set<number>();
  let at = 0;
  for (const [name, { known }] of inputs) {
    if (known === LIST) continue;
    const axis = kept?.kept.get(name)?.axis;
    if (axis !== undefined) rows.add(at + axis);
    at += known.shape.length;
  }
  return rows;
}

/** Names of the extents that count the rows of a state and the new ones. */
function endsOf({ outputs }: Graph, { kept }: KeptMemory): Set<number | string> {
  const axes = new Map([...kept.values()].map(({ output, axis }) => [output, axis]));
  return new Set(outputs.flatMap(({ name, shape }) => shape?.[axes.get(name) ?? -1] ?? []));
}

/**
 * The extents, counted through, that grow by one with every run of a decoder that goes on row by row: rows of the state, and what counts them with the
 * new one, as attention_mask does. Undefined where there is more than one token, or an open extent that is none of these, nor the batch. What comes next
 * is known before it has come, and the program of the first token is that of all others.
 */
function growing(graph: Graph, inputs: ReadonlyMap<string, Given>, { kept }: KeptMemory): Set<number> | undefined {
  const { inputs: declared, outputs } = graph;
  const shapes = new Map(declared.map(({ name, shape }) => [name, shape]));
  const states = new Set([...kept.values()].map(({ output }) => output));
  const batch = new Set<number | string>();
  const tokens = new Set(outputs.flatMap(({ name, shape = [] }) => (states.has(name) ? [] : shape)));
  let end = -1;
  for (const [name, { axis }] of kept) {
    const given = inputs.get(name)?.known;
    for (const [i, d] of (shapes.get(name) ?? []).entries()) if (i !== axis) batch.add(d);
    if (given !== undefined && given !== LIST) end = given.shape[axis]! + 1;
  }
  const grows = new Set<number>();
  let at = 0;
  for (const [name, { known }] of inputs) {
    const own = kept.get(name)?.axis;
    const shape = shapes.has(name) ? shapes.get(name) : [];
    if (known === LIST || shape === undefined) return undefined;
    for (const [i, d] of shape.entries()) {
      const extent = known.shape[i]!;
      const isFixed = own !== undefined || typeof d === "number" || batch.has(d) || (tokens.has(d) && extent === 1);
      if (i === own || (!isFixed && extent === end)) grows.add(at + i);
      else if (!isFixed) return undefined;
    }
    at += known.shape.length;
  }
  return grows;
}

/**
 * Ranges that a size may lie in, the widest first. They end beside powers of two, since those are what models have otherwise: heads of 64, tables of
 * 512 rows, and an extent that equals another by chance is walked in another way, or not at all.
 */
function rangesAround(t: number, from: number): [low: number, high: number][] {
  let wide = 16;
  while (wide + 4 < t) wide *= 4;
  const low = Math.max(from, wide === 16 ? 2 : wide / 4 + 5);
  const narrow = 2 ** (32 - Math.clz32(t)) - 1;
  return [
    ...(t <= 260 ? ([[from, 260]] as [number, number][]) : []),
    [low, wide + 4],
    [Math.max(low, 5), wide + 4],
    [low, narrow],
  ];
}

function isSame(a: Range, b: Range): boolean {
  return JSON.stringify([a.line, a.low, a.high]) === JSON.stringify([b.line, b.low, b.high]);
}
