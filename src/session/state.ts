import { BitbasisError, type Core, kindOf } from "../core/index.ts";
import type { KnownValue, ValueInfo } from "../graph/index.ts";
import type { KeptInput } from "../program/kept.ts";
import { elementBytes, type NumericType, type Shape, sizeOf, type Tensor } from "../tensor/index.ts";
import { named } from "./feeds.ts";
import { type Held, isHeld, Placed, toTensor, type Value, viewOf } from "./values.ts";

/** Rows that a state has room for at first. */
const CAPACITY = 128;

/** How much room a state starts with. */
export interface StateOptions {
  /** Rows that there is room for at once; it doubles when it is reached. Integer ≥ 1, default 128. */
  readonly capacity?: number;
}

/** One value that grows from run to run: an input of the model and the output that takes its place. */
interface Pair {
  readonly input: ValueInfo;
  readonly output: string;
  /** The axis that it grows along. */
  readonly axis: number;
}

/** Rows in the core's memory: [outer, capacity, inner]. */
interface Rows {
  readonly shape: Shape;
  readonly outer: number;
  /** Bytes of a row. */
  readonly inner: number;
  readonly capacity: number;
  readonly at: number;
}

/** What programs have made of the rows; `zeros`: those are what is in it at first. */
interface Block {
  readonly at: number;
  readonly bytes: number;
  readonly zeros: boolean;
}

/**
 * Values that stay in the session's memory from run to run, as keys and values of the tokens before: made by `session.createState`, used by
 * `session.run(feeds, fetches, { state })`, which feeds them, and appends what the run makes of them. A run that fails leaves it as it was.
 *
 * @example
 * const state = session.createState({ "present.0.key": "past_key_values.0.key", "present.0.value": "past_key_values.0.value" });
 * for (const id of prompt) ({ logits } = await session.run({ input_ids: token(id) }, ["logits"], { state }));
 * state.truncate(prompt.length); // begin anew behind the prompt
 */
export class SessionState {
  /** @internal What programs are compiled for. */
  kept: ReadonlyMap<string, KeptInput> = new Map();
  /** @internal */
  signature = "";
  /** @internal */
  version: object = {};
  /**
   * Resolves once the program for a token after another is there, where names of extents tell what it will be fed; runs wait for that by themselves. It
   * never rejects.
   */
  readonly ready: Promise<void>;
  private readonly byInput: ReadonlyMap<string, Pair>;
  private readonly byOutput: ReadonlyMap<string, Pair>;
  private readonly rows = new Map<string, Rows>();
  /** What programs keep beside the rows. */
  private readonly blocks = new Map<string, Block>();
  /** A run has begun whose outputs have not been taken: what it has left beside the rows is of no use. */
  private open = false;
  /** Names of extents that inputs share, and what the feeds of the last run have told of them. */
  private readonly shared: ReadonlySet<string>;
  private extents: ReadonlyMap<string, number> | undefined;
  private rowsInUse = 0;
  private running = 0;
  private released = false;

  /** Made by `InferenceSession.createState`. */
  constructor(
    private readonly core: () => Core,
    private readonly pairs: readonly Pair[],
    private readonly capacity: number,
    prepare: (state: SessionState) => Promise<void>,
  ) {
    this.byInput = new Map(pairs.map((pair) => [pair.input.name, pair]));
    this.byOutput = new Map(pairs.map((pair) => [pair.output, pair]));
    const names = pairs.flatMap(({ input, axis }) =>
      input.shape!.filter((d, i) => i !== axis && typeof d === "string"),
    );
    this.shared = new Set(names.filter((name): name is string => name !== ""));
    this.ready = prepare(this);
  }

  /** Rows that the values have along the axis that they grow along: tokens, for keys and values. */
  get length(): number {
    return this.rowsInUse;
  }

  /**
   * Forgets all rows but the first `length`.
   *
   * @param length - integer in 0 … `length`
   * @throws RangeError for another length; BitbasisError RELEASED after `release`, BUSY while a run with this state is under way
   */
  truncate(length: number): void {
    this.idle();
    if (!Number.isInteger(length) || length < 0 || length > this.rowsInUse)
      throw new RangeError(`"length" expected integer in 0..${this.rowsInUse}, got ${String(length)}`);
    if (length < this.rowsInUse) this.reset();
    this.rowsInUse = length;
  }

  /**
   * A copy of a value.
   *
   * @param name - of the output or the input
   * @throws RangeError for a name that is no value of the state, or before the first run; BitbasisError as `truncate`
   */
  read(name: string): Tensor {
    this.idle();
    const pair = this.byInput.get(name) ?? this.byOutput.get(name);
    if (pair === undefined) {
      const known = this.pairs.map(({ output }) => JSON.stringify(output)).join(", ");
      throw new RangeError(`the state has no value "${name}"; its values are ${known}`);
    }
    const rows = this.rows.get(pair.input.name);
    if (rows === undefined || this.extents === undefined)
      throw new RangeError(`the state's value "${name}" has no shape before the first run`);
    return toTensor(this.core(), this.valueOf(pair, rows));
  }

  /** Gives the memory back; runs with this state that are asked for later are refused. */
  release(): void {
    this.released = true;
    if (this.running === 0) this.drop();
  }

  /** @internal Whether it feeds this input. */
  feeds(name: string): boolean {
    return this.byInput.has(name);
  }

  /** @internal Whether it takes this output. */
  takes(name: string): boolean {
    return this.byOutput.has(name);
  }

  /** @internal Announces a run, which `end` ends. */
  hold(): void {
    this.alive();
    this.running++;
  }

  /** @internal Its values as inputs of a run, behind those that are fed, which tell the extents that all inputs share. */
  begin(inputs: readonly ValueInfo[], fed: ReadonlyMap<string, Value>): Map<string, Value> {
    const extents = new Map<string, number>();
    for (const { name, shape } of inputs) {
      const value = fed.get(name);
      if (!isHeld(value)) continue;
      shape?.forEach((d, i) => {
        if (typeof d === "string" && this.shared.has(d)) extents.set(d, value.dims[i]!);
      });
    }
    if (this.open) this.reset();
    this.settle(extents);
    this.open = true;
    const values = new Map(fed);
    this.put(values);
    return values;
  }

  /** @internal Makes room for what is likely to come, one of everything; false: nothing will. */
  expect(): boolean {
    if (this.released) return false;
    this.settle(new Map([...this.shared].map((name) => [name, 1])));
    this.extents = undefined;
    return true;
  }

  /** Makes room for rows of these extents, where it is not the one that there is. */
  private settle(extents: ReadonlyMap<string, number>): void {
    const before = this.extents;
    if (before?.size === extents.size && [...extents].every(([name, extent]) => before.get(name) === extent)) return;
    for (const pair of this.pairs) {
      const shape = this.shapeOf(pair, extents);
      const rows = this.rows.get(pair.input.name);
      if (rows === undefined || (this.rowsInUse === 0 && !sameBut(rows.shape, shape, pair.axis))) {
        this.place(pair, this.allocate(pair, shape, this.capacity));
      } else if (!sameBut(rows.shape, shape, pair.axis)) {
        throw new RangeError(
          `the state's value "${pair.input.name}" is [${rows.shape.join(", ")}], and the feeds ask for [${shape.join(", ")}]`,
        );
      }
    }
    this.extents = extents;
  }

  /** @internal Puts its values, where they are now, among others. */
  put(values: Map<string, Value>): void {
    for (const pair of this.pairs) values.set(pair.input.name, this.valueOf(pair, this.rows.get(pair.input.name)!));
  }

  /** @internal Whether there is no room for so many rows. */
  lacks(length: number): boolean {
    for (const { capacity } of this.rows.values()) if (capacity < length) return true;
    return false;
  }

  /** @internal Makes room for so many rows at least. */
  grow(length: number): void {
    for (const pair of this.pairs) this.widen(pair, length);
  }

  /** @internal */
  block(key: string, bytes: number, zeros: boolean): number {
    const rows = this.rows.get(key);
    if (rows !== undefined) return rows.at;
    let block = this.blocks.get(key);
    if (block === undefined) {
      block = { at: this.core().allocate(bytes), bytes, zeros };
      if (zeros) this.core().u8(block.at, bytes).fill(0);
      this.blocks.set(key, block);
    }
    return block.at;
  }

  /** @internal Appends what a run has made, `inPlace` what its program has appended to the rows themselves. */
  take(made: (output: string) => Value, inPlace: ReadonlyMap<string, KnownValue>): void {
    const lengths = this.pairs.map((pair) => {
      const value = inPlace.get(pair.output);
      if (value !== undefined) return value.shape[pair.axis]!;
      return this.lengthOf(pair, made(pair.output));
    });
    const length = lengths[0]!;
    if (lengths.some((other) => other !== length))
      throw new RangeError(`the state's values expected equal lengths, got ${lengths.join(", ")}`);
    for (const pair of this.pairs) if (!inPlace.has(pair.output)) this.append(pair, made(pair.output) as Held, length);
    this.rowsInUse = length;
    this.open = false;
  }

  /** Rows of an output, which must be those that there are and more. */
  private lengthOf(pair: Pair, value: Value): number {
    const rows = this.rows.get(pair.input.name)!;
    const length = isHeld(value) ? (value.dims[pair.axis] ?? -1) : -1;
    if (
      !isHeld(value) ||
      value.type !== pair.input.type ||
      !sameBut(value.dims, rows.shape, pair.axis) ||
      length < this.rowsInUse
    ) {
      const got = isHeld(value) ? `${value.type} [${value.dims.join(", ")}]` : "no tensor";
      throw new RangeError(
        `output "${pair.output}" expected the rows of "${pair.input.name}" and more, ${pair.input.type} ${describe(rows.shape, pair.axis)}, got ${got}`,
      );
    }
    return length;
  }

  /** @internal Ends a run, whatever became of it. */
  end(): void {
    this.running--;
    if (this.released && this.running === 0) this.drop();
  }

  private append(pair: Pair, value: Held, length: number): void {
    const core = this.core();
    const rows = this.widen(pair, length);
    const made = viewOf(core, value);
    for (let o = 0; o < rows.outer; o++) {
      const from = made.subarray((o * length + this.rowsInUse) * rows.inner, (o + 1) * length * rows.inner);
      core.u8(rows.at + (o * rows.capacity + this.rowsInUse) * rows.inner, from.length).set(from);
    }
  }

  /** The rows of a value with room for `length` of them at least. */
  private widen(pair: Pair, length: number): Rows {
    const core = this.core();
    const rows = this.rows.get(pair.input.name)!;
    if (length <= rows.capacity) return rows;
    const wider = this.allocate(pair, rows.shape, Math.max(length, 2 * rows.capacity));
    const bytes = this.rowsInUse * rows.inner;
    for (let o = 0; o < rows.outer; o++) {
      const from = core.u8(rows.at + o * rows.capacity * rows.inner, bytes);
      core.u8(wider.at + o * wider.capacity * wider.inner, bytes).set(from);
    }
    this.place(pair, wider);
    return wider;
  }

  /** Puts rows in the place of those that there were. */
  private place({ input }: Pair, rows: Rows): void {
    const before = this.rows.get(input.name);
    if (before !== undefined) this.core().release(before.at);
    this.rows.set(input.name, rows);
    this.forget();
    const kept = this.pairs.map(({ input: { name }, output, axis }): [string, KeptInput] => [
      name,
      { output, axis, capacity: this.rows.get(name)?.capacity ?? 0 },
    ]);
    this.kept = new Map(kept);
    this.signature = JSON.stringify(kept);
  }

  /** Makes programs begin anew with what they have made of the rows, where it is: programs need not be written again. */
  private reset(): void {
    for (const { at, bytes, zeros } of this.blocks.values()) if (zeros) this.core().u8(at, bytes).fill(0);
  }

  /** Drops what programs have made of the rows. */
  private forget(): void {
    for (const { at } of this.blocks.values()) this.core().release(at);
    this.blocks.clear();
    this.version = {};
  }

  private valueOf({ input, axis }: Pair, { shape, outer, inner, capacity, at }: Rows): Placed {
    const dims = shape.map((d, i) => (i === axis ? this.rowsInUse : d));
    return new Placed(input.type as NumericType, dims, at, undefined, { count: outer, apart: capacity * inner });
  }

  private allocate({ input, axis }: Pair, shape: Shape, capacity: number): Rows {
    const outer = sizeOf(shape.slice(0, axis));
    const inner = sizeOf(shape.slice(axis + 1)) * elementBytes(input.type);
    return { shape, outer, inner, capacity, at: this.core().allocate(outer * capacity * inner) };
  }

  private shapeOf({ input, axis }: Pair, bound: ReadonlyMap<string, number>): number[] {
    return input.shape!.map((d, i) => {
      if (i === axis) return 0;
      const extent = typeof d === "number" ? d : bound.get(d);
      if (extent === undefined)
        throw new RangeError(`extent ${i} ("${d}") of the state's value "${input.name}" is told by no feed`);
      return extent;
    });
  }

  private alive(): void {
    if (this.released) throw new BitbasisError("RELEASED", "the state has been released");
  }

  private idle(): void {
    this.alive();
    if (this.running > 0) throw new BitbasisError("BUSY", "a run with this state is under way");
    this.core();
  }

  private drop(): void {
    try {
      for (const { at } of this.rows.values()) this.core().release(at);
      this.forget();
    } catch (error) {
      // The session's memory has gone before.
      if (!(error instanceof BitbasisError) || error.code !== "RELEASED") throw error;
    }
    this.rows.clear();
    this.blocks.clear();
  }
}

/**
 * The values of a state.
 *
 * @param pairs - outputs to inputs
 * @throws TypeError or RangeError that names the pair that cannot be state
 */
export function readPairs(
  pairs: Readonly<Record<string, string>>,
  inputs: readonly ValueInfo[],
  outputs: readonly ValueInfo[],
): Pair[] {
  if (typeof pairs !== "object" || pairs === null || Array.isArray(pairs))
    throw new TypeError(`"pairs" expected an object of input names by output names, got ${kindOf(pairs)}`);
  const taken = new Set<string>();
  const read = Object.entries(pairs).map(([output, name]): Pair => {
    const made = named("output", outputs, output);
    const input = named("input", inputs, name);
    if (taken.has(name)) throw new RangeError(`the input "${name}" expected one output, got two`);
    taken.add(name);
    return { input, output, axis: growingAxis(input, made, inputs) };
  });
  if (read.length === 0) throw new RangeError('"pairs" expected one pair at least, got none');
  return read;
}

/** The axis that a value grows along: the only one whose extent the output declares as another than the input, or that no other input names. */
function growingAxis(input: ValueInfo, output: ValueInfo, inputs: readonly ValueInfo[]): number {
  const refuse = (why: string): RangeError =>
    new RangeError(`"${output.name}" and "${input.name}" cannot be state: ${why}`);
  if (input.holder !== undefined || input.type === "string") throw refuse("only tensors of numbers are kept");
  if (input.shape === undefined) throw refuse("the input has no declared shape");
  const open = input.shape.flatMap((d, i) => (typeof d === "string" ? [i] : []));
  const differing = open.filter(
    (i) => output.shape?.length === input.shape!.length && output.shape[i] !== input.shape![i],
  );
  const others = inputs.filter((one) => one !== input && one.shape?.length !== input.shape!.length);
  const own = open.filter((i) => !others.some(({ shape }) => shape?.includes(input.shape![i]!)));
  for (const [axis, second] of [differing, own, open]) if (axis !== undefined && second === undefined) return axis;
  throw refuse(`the axis that grows cannot be told from its shape [${input.shape.join(", ")}]`);
}

/**
 * Reads `createState`'s options.
 *
 * @throws TypeError or RangeError that names the option
 */
export function readCapacity(options: StateOptions): number {
  if (typeof options !== "object" || options === null)
    throw new TypeError(`"options" expected an object, got ${kindOf(options)}`);
  const { capacity = CAPACITY } = options;
  if (!Number.isInteger(capacity) || capacity < 1)
    throw new RangeError(`"capacity" expected integer ≥ 1, got ${String(capacity)}`);
  return capacity;
}

function sameBut(a: Shape, b: Shape, axis: number): boolean {
  return a.length === b.length && a.every((d, i) => i === axis || d === b[i]);
}

function describe(shape: Shape, axis: number): string {
  return `[${shape.map((d, i) => (i === axis ? "…" : d)).join(", ")}]`;
}
