import type { Core } from "../core/index.ts";
import { DependsOnData } from "../graph/errors.ts";
import type { Graph, KnownValue } from "../graph/graph.ts";
import { type Feed, type Known, LIST, type Outcome, type Stage, specialize } from "../graph/specialize.ts";
import { sizeOf, type Tensor } from "../tensor/index.ts";
import { type Compiled, type CompileTarget, compile } from "./compile.ts";
import type { KeptMemory } from "./kept.ts";
import { genericFrom, Lines, lineOfRows, placeOn, type Range, valuesAt } from "./lines.ts";
import type { PlannedGraph } from "./planned.ts";
import type { generalize } from "./ranged.ts";

/** Most programs kept; each is some kilobytes, but lowering again costs milliseconds. */
const CAPACITY = 256;

/** An input of more elements is data, not a shape or a switch: a program per content of it would be no use. */
const SHAPE_ELEMENTS = 1024;
const SWITCH_ELEMENTS = 16;

/** Most bytes of the arena of the largest size where it is more than twice another: those of the others take as much. */
const WIDE_BYTES = 2 ** 25;
/** Fewer sizes than that are not worth four programs. */
const SIZES = 8;
/** After so many ranges whose sizes have no common program, a routine's sizes are taken to have none. */
const FAILURES = 6;

/** A graph that runs in parts: the model's, or a body. */
export interface Routine {
  readonly graph: Graph;
  /** The stage that it is a body of. */
  readonly around: Stage | undefined;
  /** First parts by signature of the inputs. */
  readonly parts: Map<string, Part>;
  /** Inputs whose elements decide shapes and are looked at before the run: found out when a program is made. */
  readonly shaping: Set<string>;
  /** Values whose elements the lowering asks for: found out in the same way. */
  readonly needed: Set<string>;
  /** Sizes of the inputs that grow along a line. */
  readonly lines: Lines;
  /** Ranges of sizes and their parts; without one, the sizes in it have a program each. */
  readonly ranges: (Range & { readonly kept: string; readonly part: Part | undefined })[];
}

/** What is known of a value that a routine is called with; `elements` where they can be looked at. */
export interface Given {
  readonly known: Known;
  readonly elements?: () => Tensor;
}

/**
 * One program and what comes after it. A routine is a tree of parts: which one follows depends on what the stop of the one before has given – the
 * elements of what shapes depend on, the shapes of everything else. A run whose path exists already lowers nothing.
 */
export class Part {
  readonly next = new Map<string, Part>();
  /** Bodies of the node that the part stops at, by attribute. */
  readonly bodies = new Map<string, Routine>();
  /** Of the written program; 0: not written. */
  address = 0;
  arena = 0;
  /** The state that it is written for. */
  kept: object | undefined;
  /** Runs that are at this part or further down its path. */
  pins = 0;
  /** When it was used last. */
  stamp = 0;

  constructor(
    readonly routine: Routine,
    readonly stage: Stage,
    readonly program: Compiled,
    /** The map that has it, under this key. */
    readonly siblings: Map<string, Part>,
    readonly key: string,
  ) {}
}

export function routineOf(graph: Graph, around?: Stage): Routine {
  return { graph, around, parts: new Map(), shaping: new Set(), needed: new Set(), lines: new Lines(), ranges: [] };
}

/** All programs of a session. They share one arena, which grows to the largest; what outlives a program is copied out of it. */
export class Schedule {
  private readonly parts = new Set<Part>();
  private arena = 0;
  private arenaBytes = 0;
  private clock = 0;
  private generalize: typeof generalize | undefined;

  constructor(
    private readonly planned: PlannedGraph,
    private readonly target: CompileTarget,
    /** Types and shapes of the weights that are not initializers of the graph, because they are series. */
    private readonly weights: ReadonlyMap<string, KnownValue>,
  ) {}

  /**
   * The first part of a routine for inputs of these shapes and, where the model computes shapes from elements of an input, these elements; `kept`: a state
   * that feeds some of them; undefined: call `loadRanges` first.
   */
  begin(routine: Routine, inputs: ReadonlyMap<string, Given>, kept?: KeptMemory): Part | undefined {
    for (;;) {
      const inside = this.inRange(routine, inputs, kept);
      if (inside !== undefined) return this.hold(inside);
      const signature = [...inputs].map(([name, given]) => signatureOf(given, routine.shaping.has(name)));
      const key = [...signature, kept?.signature ?? ""].join(";");
      const known = routine.parts.get(key);
      const values = known === undefined ? valuesOf(routine, inputs) : undefined;
      const ranged = kept !== undefined || routine.lines.any;
      if (values !== undefined && ranged && this.generalize === undefined) return undefined;
      const found = known ?? (values && this.newRange(routine, inputs, values, kept));
      if (found !== undefined) return this.hold(found);
      const feeds = [...inputs].map(([name, { known, elements }]): [string, Feed | typeof LIST] => {
        if (known === LIST) return [name, LIST];
        return [name, routine.shaping.has(name) ? { ...known, data: elements!().data } : known];
      });
      const { graph, around, needed } = routine;
      const within = around && { body: true as const, budget: around.budget };
      const options = { weights: this.weights, needed, ...(kept && { kept: [...kept.kept.keys()] }), ...within };
      const stageOf = (): Stage => specialize(graph, Object.fromEntries(feeds), options);
      const made = this.make(routine, routine.parts, key, stageOf, kept);
      const shaping = made === undefined || routine.around ? [] : shapingInputs(made.stage, routine, inputs);
      if (made !== undefined && shaping.length === 0) return this.hold(made);
      for (const name of shaping) routine.shaping.add(name);
      if (made !== undefined) this.drop(made);
    }
  }

  /** Loads what programs for ranges of sizes are made with: a model that is given one size never needs it. */
  async loadRanges(): Promise<void> {
    ({ generalize: this.generalize } = await import("./ranged.ts"));
  }

  /** The part that follows. */
  after(part: Part, outcome: Outcome): Part {
    const key = outcomeKey(outcome);
    for (;;) {
      const next = part.next.get(key) ?? this.make(part.routine, part.next, key, () => part.stage.resume(outcome));
      if (next !== undefined) return this.hold(next);
    }
  }

  /** The program of a part, written for the arena and the state as they are now. */
  bind(part: Part, kept?: KeptMemory): { readonly address: number; readonly arena: number } {
    const { core } = this.target;
    this.reserve(core, part.program.arenaBytes);
    if (part.address === 0 || part.arena !== this.arena || part.kept !== kept?.version) {
      if (part.address !== 0) core.release(part.address);
      part.address = 0;
      part.address = part.program.write(this.arena, kept);
      part.arena = this.arena;
      part.kept = kept?.version;
    }
    return { address: part.address, arena: part.arena };
  }

  /** Ends a run through these parts, given from the first to the last. */
  free(path: readonly Part[]): void {
    // The first one gets the last stamp: what is oldest has nothing younger below it.
    for (const part of [...path].reverse()) {
      part.pins--;
      part.stamp = ++this.clock;
    }
  }

  /** Drops all programs; no run may be under way. */
  clear(): void {
    for (const part of [...this.parts]) if (this.parts.has(part)) this.drop(part);
  }

  private hold(part: Part): Part {
    part.pins++;
    return part;
  }

  /** The part of a range of sizes that these inputs lie in; undefined: there is none. */
  private inRange(routine: Routine, inputs: ReadonlyMap<string, Given>, kept?: KeptMemory): Part | undefined {
    const values = routine.ranges.length === 0 ? undefined : valuesOf(routine, inputs);
    if (values === undefined) return undefined;
    const signature = kept?.signature ?? "";
    for (const range of routine.ranges) {
      const { line, low, high, part } = range;
      if (range.kept !== signature || part === undefined || !this.parts.has(part)) continue;
      const t = placeOn(line, values);
      if (t !== undefined && t >= low && t <= high) return resized(part, t);
    }
    return undefined;
  }

  /** As `inRange`, made when they are the third on a line; undefined: they need a program of their own. */
  private newRange(
    routine: Routine,
    inputs: ReadonlyMap<string, Given>,
    values: readonly KnownValue[],
    kept?: KeptMemory,
  ): Part | undefined {
    const signature = kept?.signature ?? "";
    const ranges = routine.ranges.filter((one) => one.kept === signature);
    const rows = rowsOf(inputs, kept);
    const met = routine.lines.through(values, rows);
    const lines = met.length === 0 && decodes(routine.graph, inputs, kept) ? lineOfRows(values, rows) : met;
    for (const line of lines) {
      const t = placeOn(line, values)!;
      for (const [low, high] of rangesAround(t, genericFrom(line, rows, t === 0 ? 0 : 1))) {
        if (t < low || high - low < SIZES || ranges.filter(({ part }) => part === undefined).length >= FAILURES)
          continue;
        const range = { line, low, high };
        if (ranges.some((one) => isSame(one, range) && (one.part === undefined || this.parts.has(one.part)))) continue;
        const part = this.generalized(routine, [...inputs.keys()], values, range, kept);
        routine.ranges.push({ ...range, kept: signature, part });
        if (part !== undefined) return resized(part, t);
      }
    }
    return undefined;
  }

  /** One part for all sizes of a range; undefined where their programs are not alike, or what a larger size needs is not to be had. */
  private generalized(
    routine: Routine,
    names: readonly string[],
    values: readonly KnownValue[],
    range: Range,
    kept: KeptMemory | undefined,
  ): Part | undefined {
    const { graph, needed, parts } = routine;
    const { core } = this.target;
    try {
      // A line takes two sizes, of which the second has loaded it.
      const made = this.generalize!(
        core,
        range,
        {
          graph,
          options: { weights: this.weights, needed, ...(kept && { kept: [...kept.kept.keys()] }) },
          feeds: (t) => {
            const known = valuesAt(range.line, values, t);
            return Object.fromEntries(names.map((name, i) => [name, known[i]!]));
          },
          compile: (stage, beside) => compile(this.planned, stage, this.target, kept?.kept, beside),
        },
        range.high > 2 * range.low ? WIDE_BYTES : undefined,
      );
      if (made === undefined) return undefined;
      const { program, stage } = made;
      try {
        this.reserve(core, program.arenaBytes);
      } catch (error) {
        program.release();
        throw error;
      }
      return this.add(
        new Part(routine, stage, program, parts, `range:${JSON.stringify(range)}${kept?.signature ?? ""}`),
      );
    } catch {
      // Nobody has asked for the sizes that were tried.
      return undefined;
    }
  }

  private add(part: Part): Part {
    part.siblings.set(part.key, part);
    this.parts.add(part);
    part.stamp = ++this.clock;
    this.evict(part);
    return part;
  }

  /** A new part; undefined when its lowering has found out that it needs elements of a value. */
  private make(
    routine: Routine,
    siblings: Map<string, Part>,
    key: string,
    stageOf: () => Stage,
    kept?: KeptMemory,
  ): Part | undefined {
    const stage = stageOf();
    try {
      const program = compile(this.planned, stage, this.target, kept?.kept);
      return this.add(new Part(routine, stage, program, siblings, key));
    } catch (error) {
      if (!(error instanceof DependsOnData)) throw error;
      if (routine.needed.has(error.value) || this.weights.has(error.value)) throw error;
      routine.needed.add(error.value);
      return undefined;
    }
  }

  private reserve(core: Core, bytes: number): void {
    if (this.arena !== 0 && bytes <= this.arenaBytes) return;
    if (this.arena !== 0) core.release(this.arena);
    this.arena = 0;
    this.arena = core.allocate(bytes);
    this.arenaBytes = bytes;
  }

  private evict(fresh: Part): void {
    while (this.parts.size > CAPACITY) {
      let oldest: Part | undefined;
      for (const part of this.parts) {
        if (part.pins > 0 || part === fresh) continue;
        if (oldest === undefined || part.stamp < oldest.stamp) oldest = part;
      }
      if (oldest === undefined) return;
      this.drop(oldest);
    }
  }

  /** Drops a part and all that is below it. */
  private drop(part: Part): void {
    for (const next of part.next.values()) this.drop(next);
    for (const body of part.bodies.values()) for (const first of body.parts.values()) this.drop(first);
    part.siblings.delete(part.key);
    this.parts.delete(part);
    part.program.release();
    if (part.address !== 0) this.target.core.release(part.address);
  }
}

/** The part, at this size. */
function resized(part: Part, t: number): Part {
  part.program.resize?.(t);
  return part;
}

/** What is known of the inputs; undefined where a range of sizes is none of theirs: bodies, strings, and inputs that are no tensors or whose elements decide shapes. */
function valuesOf({ around, shaping }: Routine, inputs: ReadonlyMap<string, Given>): KnownValue[] | undefined {
  if (around || shaping.size > 0) return undefined;
  const values: KnownValue[] = [];
  for (const { known } of inputs.values()) {
    if (known === LIST || known.type === "string") return undefined;
    values.push(known);
  }
  return values;
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

/**
 * Whether these are inputs of a decoder that goes on row by row: with one token, and no open extent but the batch and the tokens. What comes next is
 * known before it has come, and the program of the first token is that of all others.
 */
function decodes({ inputs: declared, outputs }: Graph, inputs: ReadonlyMap<string, Given>, kept?: KeptMemory): boolean {
  if (kept === undefined) return false;
  const states = new Set([...kept.kept.values()].map(({ output }) => output));
  const [batch, tokens] = [new Set<string | number>(), new Set<string | number>()];
  for (const { name, shape = [] } of declared) {
    const axis = kept.kept.get(name)?.axis;
    if (axis !== undefined) for (const [i, d] of shape.entries()) if (i !== axis) batch.add(d);
  }
  for (const { name, shape = [] } of outputs) if (!states.has(name)) for (const d of shape) tokens.add(d);
  return declared.every(({ name, shape }) => {
    const given = inputs.get(name)?.known;
    if (kept.kept.has(name) || given === undefined || given === LIST) return given !== LIST;
    return shape?.every((d, i) => typeof d === "number" || batch.has(d) || (tokens.has(d) && given.shape[i] === 1));
  });
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

/**
 * Small inputs that the part's stop depends on through nodes of the part: with their elements known beforehand, the whole path is one
 * program. What a sequence of tokens decides is not among them: conditions and shapes are computed from few numbers.
 */
function shapingInputs(stage: Stage, routine: Routine, inputs: ReadonlyMap<string, Given>): string[] {
  const { stop } = stage;
  const isSwitch = stop?.node.op === "If";
  const names = stop?.kind === "learn" ? stop.names : isSwitch ? stop.node.inputs : [];
  const maker = new Map(stage.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const cone = new Set(names);
  for (const name of cone) for (const input of maker.get(name)?.inputs ?? []) cone.add(input);
  const leaves = [...cone].filter((name) => stage.inputs.includes(name) || (inputs.has(name) && !maker.has(name)));
  const open = leaves.filter((name) => !routine.shaping.has(name));
  return open.every((name) => isSmall(inputs.get(name), isSwitch)) ? open : [];
}

function isSmall(given: Given | undefined, isSwitch: boolean): boolean {
  if (given?.elements === undefined || given.known === LIST) return false;
  const { type, shape } = given.known;
  const few = isSwitch || type.startsWith("float") || type === "string";
  return sizeOf(shape) <= (few ? SWITCH_ELEMENTS : SHAPE_ELEMENTS);
}

function signatureOf({ known, elements }: Given, withElements: boolean): string {
  if (known === LIST) return LIST;
  const shape = `${known.type}${known.shape.join("x")}`;
  return withElements ? `${shape}=${contents(elements!())}` : shape;
}

function outcomeKey(outcome: Outcome): string {
  if ("constants" in outcome) return [...outcome.constants.values()].map(contents).join(";");
  return [...outcome.values.values()].map((known) => signatureOf({ known }, false)).join(";");
}

/** All elements: a digest could take one content for another. */
function contents({ data, dims }: Tensor): string {
  if (!ArrayBuffer.isView(data)) return JSON.stringify(data);
  return `${dims.join("x")}=${new Uint8Array(data.buffer, data.byteOffset, data.byteLength).join()}`;
}
