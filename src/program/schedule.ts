import { bytesOf, type Core } from "../core/index.ts";
import { DependsOnData } from "../graph/errors.ts";
import type { KnownValue, ValueInfo } from "../graph/graph.ts";
import { type Feed, LIST, type Outcome, type Stage, specialize } from "../graph/specialize.ts";
import { sizeOf, type Tensor } from "../tensor/index.ts";
import { type CompileTarget, compiling } from "./compile.ts";
import type { KeptMemory } from "./kept.ts";
import { placeOn } from "./lines.ts";
import type { PlannedGraph } from "./planned.ts";
import type * as Ranges from "./ranges.ts";
import { type Given, Part, type Routine } from "./routine.ts";

/** Most programs kept; each is some kilobytes, but lowering again costs milliseconds. */
const CAPACITY = 256;

/** Inputs that are remembered to find the lines that sizes lie on: enough for a few kinds of inputs in turn. */
const REMEMBERED = 16;

/** An input of more elements is data, not a shape or a switch: a program per content of it would be no use. */
const SHAPE_ELEMENTS = 1024;
const SWITCH_ELEMENTS = 16;

/** All programs of a session. They share one arena, which grows to the largest; what outlives a program is copied out of it. */
export class Schedule {
  private readonly parts = new Set<Part>();
  private arena = 0;
  private arenaBytes = 0;
  private clock = 0;
  private ranges: typeof Ranges | undefined;

  constructor(
    private readonly planned: PlannedGraph,
    private readonly target: CompileTarget,
    /** Types and shapes of the weights that are not initializers of the graph, because they are series. */
    private readonly weights: ReadonlyMap<string, KnownValue>,
  ) {}

  /**
   * The first part of a routine for inputs of these shapes and, where the model computes shapes from elements of an input, these elements; `kept`: a state
   * that feeds some of them; undefined: call `loadRanges` first. Stops now and then while a program is made.
   */
  *begin(
    routine: Routine,
    inputs: ReadonlyMap<string, Given>,
    kept?: KeptMemory,
  ): Generator<undefined, Part | undefined, void> {
    for (;;) {
      const under = underOf(routine, inputs, kept);
      const inside = this.inRange(routine, inputs, under);
      if (inside !== undefined) return this.hold(inside);
      const signature = [...inputs].map(([name, given]) => signatureOf(given, routine.shaping.has(name)));
      const key = [...signature, kept?.signature ?? ""].join(";");
      const known = routine.parts.get(key);
      const values = known === undefined ? valuesOf(routine, inputs) : undefined;
      const isAnother = kept !== undefined || routine.met.length > 0;
      if (values !== undefined && isAnother && this.ranges === undefined) return undefined;
      const ranges = values && this.ranges;
      const found = known ?? (ranges && (yield* ranges.newRange(this.shop, routine, inputs, values, under, kept)));
      if (values !== undefined) {
        routine.met.push({ under, values });
        if (routine.met.length > REMEMBERED) routine.met.shift();
      }
      if (found !== undefined) return this.hold(found);
      const feeds = [...inputs].map(([name, { known, elements }]): [string, Feed | typeof LIST] => {
        if (known === LIST) return [name, LIST];
        return [name, routine.shaping.has(name) ? { ...known, data: elements!().data } : known];
      });
      const { graph, around, needed } = routine;
      const within = around && { body: true as const, budget: around.budget };
      const options = { weights: this.weights, needed, ...(kept && { kept: [...kept.kept.keys()] }), ...within };
      const stageOf = (): Stage => specialize(graph, Object.fromEntries(feeds), options);
      const made = yield* this.make(routine, routine.parts, key, stageOf, kept);
      const shaping = made === undefined || routine.around ? [] : shapingInputs(made.stage, routine, inputs);
      if (made !== undefined && shaping.length === 0) return this.hold(made);
      for (const name of shaping) routine.shaping.add(name);
      if (made !== undefined) this.drop(made);
    }
  }

  /** Loads what programs for ranges of sizes are made with: a model that is given one size never needs it. */
  async loadRanges(): Promise<void> {
    this.ranges ??= await import("./ranges.ts");
  }

  /** Makes the program of a decoder before its first token, where declared inputs and a state tell it; after `loadRanges`. Stops as `begin` does. */
  *prepare(routine: Routine, inputs: readonly ValueInfo[], kept: KeptMemory): Generator<undefined, void, void> {
    const part = yield* this.ranges!.prepare(this.shop, routine, inputs, kept);
    if (part !== undefined) this.bind(part, kept);
  }

  /** The part that follows; stops as `begin` does. */
  *after(part: Part, outcome: Outcome): Generator<undefined, Part, void> {
    const key = outcomeKey(outcome);
    for (;;) {
      const next =
        part.next.get(key) ?? (yield* this.make(part.routine, part.next, key, () => part.stage.resume(outcome)));
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
  private inRange(routine: Routine, inputs: ReadonlyMap<string, Given>, under: string): Part | undefined {
    const values = routine.ranges.length === 0 ? undefined : valuesOf(routine, inputs);
    if (values === undefined) return undefined;
    for (const range of routine.ranges) {
      const { line, low, high, part } = range;
      if (range.under !== under || part === undefined || !this.parts.has(part)) continue;
      const t = placeOn(line, values);
      if (t === undefined || t < low || t > high) continue;
      part.program.resize?.(t);
      return part;
    }
    return undefined;
  }

  /** What makes programs for ranges of sizes asks for. */
  private get shop(): Ranges.Workshop {
    const { target, weights, planned } = this;
    return {
      ...{ core: target.core, weights },
      compile: (stage, kept, beside) => compiling(planned, stage, target, kept?.kept, beside),
      add: (routine, stage, program, key) => {
        try {
          this.reserve(target.core, program.arenaBytes);
        } catch (error) {
          program.release();
          throw error;
        }
        return this.add(new Part(routine, stage, program, routine.parts, key));
      },
      exists: (part) => this.parts.has(part),
    };
  }

  private add(part: Part): Part {
    part.siblings.set(part.key, part);
    this.parts.add(part);
    part.stamp = ++this.clock;
    this.evict(part);
    return part;
  }

  /** A new part; undefined when its lowering has found out that it needs elements of a value. */
  private *make(
    routine: Routine,
    siblings: Map<string, Part>,
    key: string,
    stageOf: () => Stage,
    kept?: KeptMemory,
  ): Generator<undefined, Part | undefined, void> {
    const stage = stageOf();
    try {
      const program = yield* compiling(this.planned, stage, this.target, kept?.kept);
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

/** What a range of sizes is for beside them: a state, and the elements of the inputs whose elements decide shapes, as the switch of a decoder that has two bodies. */
function underOf({ shaping }: Routine, inputs: ReadonlyMap<string, Given>, kept: KeptMemory | undefined): string {
  const signature = kept?.signature ?? "";
  if (shaping.size === 0) return signature;
  return [signature, ...[...shaping].map((name) => contents(inputs.get(name)!.elements!()))].join(";");
}

/** What is known of the inputs; undefined where a range of sizes is none of theirs: bodies, strings, and inputs that are no tensors. */
function valuesOf({ around }: Routine, inputs: ReadonlyMap<string, Given>): KnownValue[] | undefined {
  if (around) return undefined;
  const values: KnownValue[] = [];
  for (const { known } of inputs.values()) {
    if (known === LIST || known.type === "string") return undefined;
    values.push(known);
  }
  return values;
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
  return `${dims.join("x")}=${bytesOf(data).join()}`;
}
