import { BitbasisError } from "../core/errors.ts";
import { allocateData, type ElementType, sizeOf, Tensor } from "../tensor/index.ts";
import { DependsOnData, nodeError } from "./errors.ts";
import type { Dimension, Graph, KnownValue, Node, ValueInfo } from "./graph.ts";
import { runsBetween } from "./host.ts";
import { ANY_EXTENT, isOpen, isOpenRank, knownExtent, shapeInWords, Witness } from "./open-shape.ts";
import { Call } from "./operators/call.ts";
import { isOfTypes, outputsOf } from "./operators/contract.ts";
import { takesLong } from "./operators/evaluate.ts";
import { operatorOf } from "./operators/index.ts";
import { INDEX } from "./operators/operator.ts";
import type { Rank, RankView } from "./operators/rank.ts";
import { captures, isGraph } from "./order.ts";
import { type Known, LIST, Specializer, type Stop } from "./specialize.ts";

/** Elements that are guessed where shapes depend on data are at most so many; of more, nothing is said. */
const MOST_ELEMENTS = 256;
/** Values whose elements one node may need. */
const MOST_VALUES = 8;

/** What is known of a value; undefined: not even its type. */
type Surmise = Known | undefined;

/**
 * Goes over the whole graph, also behind what depends on data, and into all bodies, and refuses what no feeds can run. Where something is not known it goes on with a
 * guess, and an error counts only if nobody has looked at a guess: errors of types, attributes and numbers of inputs and outputs always do, those of ranks and extents where these are
 * known. Branches of an If are held to types and attributes only: exporters write some that the shapes at hand never allow and that are never taken.
 *
 * @param weights - types and shapes of the weights that are series
 * @throws BitbasisError as a run would
 */
export function survey(graph: Graph, weights: ReadonlyMap<string, KnownValue>): void {
  const witness = new Witness();
  const surveyor = new Surveyor(witness, Specializer.begin(graph, { weights }));
  surveyor.over(graph.inputs.map((input) => [input.name, surmiseOf(input, witness)]));
}

function surmiseOf({ type, shape, holder }: ValueInfo, witness: Witness): Surmise {
  if (holder !== undefined) return LIST;
  const guess = (shape ?? []).map((d) => (typeof d === "string" ? ANY_EXTENT : d));
  return { type, shape: witness.open(shape, guess) };
}

interface Kinds {
  /** Its first output. */
  readonly makes?: Surmise;
  /** Inputs that are sequences. */
  readonly sequences?: readonly number[];
  /** Inputs that are tensors; `single`: of one element. */
  readonly tensors?: readonly {
    readonly input: number;
    readonly what?: string;
    readonly types?: readonly ElementType[];
    readonly single?: true;
  }[];
}

const POSITION = { input: 1, what: "a position", types: INDEX, single: true } as const;
const CONDITION = { what: "the condition", types: ["bool"], single: true } as const;

/** What sessions run between programs, and what it takes. */
const KINDS: Readonly<Record<string, Kinds>> = {
  If: { tensors: [{ ...CONDITION, input: 0 }] },
  Loop: {
    tensors: [
      { input: 0, what: "the trip count", types: ["int64"], single: true },
      { ...CONDITION, input: 1 },
    ],
  },
  SequenceEmpty: { makes: LIST },
  SequenceConstruct: { makes: LIST },
  SequenceAt: { sequences: [0], tensors: [POSITION] },
  SequenceErase: { sequences: [0], tensors: [POSITION], makes: LIST },
  SequenceInsert: { sequences: [0], tensors: [{ input: 1 }, { ...POSITION, input: 2 }], makes: LIST },
  SequenceLength: { sequences: [0], makes: { type: "int64", shape: [] } },
  ConcatFromSequence: { sequences: [0] },
  SequenceMap: { sequences: [0] },
  SplitToSequence: { tensors: [{ input: 0 }, { input: 1, what: '"split"', types: INDEX }], makes: LIST },
};

class Surveyor extends Specializer {
  /** Values of which nothing is known. */
  private readonly unknown = new Set<string>();
  /** Constants whose elements are made of guesses. */
  private readonly guessed = new Set<string>();
  /** Nodes that are there because of a guess. */
  private readonly doubtful = new WeakSet<readonly Node[]>();

  constructor(
    private readonly witness: Witness,
    start: ConstructorParameters<typeof Specializer>,
  ) {
    super(...start);
  }

  /** Visits everything; what is known of the outputs then. */
  over(inputs: readonly (readonly [string, Surmise])[]): readonly Surmise[] {
    for (const [name, surmise] of inputs) this.put(name, surmise);
    this.walk();
    return this.graph.outputs.map(({ name }) => this.surmise(name));
  }

  protected override visit(given: Node): Stop | undefined {
    this.examine(given);
    return undefined;
  }

  private examine(given: Node): void {
    const node = { ...given, inputs: given.inputs.map((name) => this.resolve(name)) };
    if (runsBetween(node) && !this.isDecided(node)) this.between(node);
    else if (node.inputs.some((name) => this.unknown.has(name))) this.forget(node);
    else this.judge(node);
  }

  private judge(node: Node): void {
    const { witness, frames } = this;
    const depth = frames.length;
    const expands = operatorOf(node)?.expands !== undefined;
    witness.looked = (expands && this.hasGuesses(node)) || this.doubtful.has(frames.at(-1)!.nodes);
    let stop: Stop | undefined;
    try {
      stop = super.visit(node);
      if (stop?.kind === "host") this.onHost(node);
    } catch (error) {
      if (!(error instanceof BitbasisError) || isOfTypes(error) || !witness.looked) throw error;
      this.forget(node);
      return;
    }
    if (stop?.kind === "learn") this.guessAll(node, stop.names);
    else if (stop?.kind === "control") this.between(node);
    else if (stop === undefined && frames.length === depth) this.made(node);
    else if (witness.looked && frames.length > depth) this.doubtful.add(frames.at(-1)!.nodes);
  }

  private hasGuesses({ inputs }: Node): boolean {
    return inputs.some((name) => this.guessed.has(name));
  }

  /** Whoever looks at the elements of a guess is seen; its type and shape may be known all the same. */
  protected override call(node: Node): Call {
    const call = super.call(node);
    if (!this.hasGuesses(node)) return call;
    const constants = this.witness.watched(call.constants, (i) => this.guessed.has(node.inputs[i]!));
    return new Call(node, call.opsets, call.inputs, constants);
  }

  private put(name: string, surmise: Surmise): void {
    if (surmise === undefined) this.unknown.add(name);
    else if (surmise === LIST) this.lists.add(name);
    else this.values.set(name, surmise);
  }

  private surmise(name: string): Surmise {
    const own = this.resolve(name);
    return this.lists.has(own) ? LIST : this.unknown.has(own) ? undefined : this.values.get(own);
  }

  private forget(node: Node): void {
    for (const name of node.outputs) this.unknown.add(name);
  }

  /** What a node has made while somebody looked at a guess is a guess itself, and so is a constant of the same content, which has the same name. */
  private made(node: Node): void {
    const { looked } = this.witness;
    node.outputs.forEach((name, i) => {
      const own = this.resolve(name);
      if (!looked && !this.guessed.has(own)) return;
      if (this.constants.has(own)) this.guessed.add(own);
      const known = this.values.get(own);
      if (known === undefined) return;
      const rank = looked ? this.rankOf(node, i) : undefined;
      this.values.set(own, this.moved(node, known) ?? this.opened(known, rank));
    });
  }

  /** What a Transpose makes: extents that are known move with it. */
  private moved({ op, inputs, attributes }: Node, { type, shape }: KnownValue): KnownValue | undefined {
    const from = this.values.get(inputs[0] ?? "")?.shape;
    if (op !== "Transpose" || from === undefined || isOpenRank(from)) return undefined;
    const perm = attributes["perm"] as readonly number[] | undefined;
    const dims = shape.map((_, i) => knownExtent(from, perm?.[i] ?? shape.length - 1 - i) ?? "");
    return { type, shape: this.witness.open(dims, shape) };
  }

  /** The value with a shape that is a guess, but for its rank if that is known. */
  private opened({ type, shape }: KnownValue, rank: Rank): KnownValue {
    if (isOpen(shape)) return { type, shape };
    const dims = rank === undefined ? undefined : new Array<Dimension>(rank).fill("");
    return { type, shape: this.witness.open(dims, shape) };
  }

  private rankOf(node: Node, output: number): Rank {
    const shapeOf = (i: number): KnownValue["shape"] | undefined => this.values.get(node.inputs[i] ?? "")?.shape;
    const view: RankView = {
      rank: (i) => {
        const shape = shapeOf(i);
        return shape === undefined || isOpenRank(shape) ? undefined : shape.length;
      },
      length: (i) => {
        const shape = shapeOf(i);
        return shape?.length === 1 && !isOpen(shape) ? shape[0] : undefined;
      },
      numbers: (i) => {
        const name = node.inputs[i] ?? "";
        const data = this.guessed.has(name) ? undefined : this.constants.get(name)?.data;
        return data && Array.from(data as ArrayLike<number | bigint>, Number);
      },
    };
    return operatorOf(node)?.rank?.(node, view, output);
  }

  /** A node that stops a run until elements are known comes again: with guesses in their place, or not at all. */
  private guessAll(node: Node, names: readonly string[]): void {
    if (names.every((name) => this.guess(name))) return;
    this.frames.at(-1)!.next++;
    this.forget(node);
  }

  /** Gives a value ones for elements; false where it has too many, or some already. */
  private guess(name: string): boolean {
    const { type, shape } = this.values.get(name)!;
    const size = sizeOf(shape);
    if (type === "string" || size > MOST_ELEMENTS || this.constants.has(name)) return false;
    const data = allocateData(type, size) as Float32Array | BigInt64Array;
    // A list of none can be filled with what its elements would be only.
    const one = type === "int64" || type === "uint64" ? 1n : 1;
    this.constants.set(name, new Tensor(type, data.fill(one as never) as never, [...shape]));
    this.guessed.add(name);
    return true;
  }

  /** A node that is evaluated in TypeScript: its shapes come of elements. */
  private onHost(node: Node): void {
    const { witness } = this;
    for (let tries = 0; tries < MOST_VALUES; tries++) {
      const call = this.call(node);
      const operator = operatorOf(node)!;
      if (takesLong(call, operator)) break;
      try {
        const outputs = outputsOf(call, operator);
        node.outputs.forEach((name, i) => {
          if (name !== "") this.put(name, this.opened(outputs[i]!, this.rankOf(node, i)));
        });
        return;
      } catch (error) {
        if (!(error instanceof DependsOnData)) throw error;
        witness.looked = true;
        if (!this.guess(error.value)) break;
      }
    }
    this.forget(node);
  }

  /** Whether it is an If whose branch is known for all feeds. */
  private isDecided({ op, inputs: [condition = ""] }: Node): boolean {
    return op === "If" && this.constants.has(condition) && !this.guessed.has(condition);
  }

  /** A node with bodies, or of sequences and optionals. */
  private between(node: Node): void {
    if (!this.doubtful.has(this.frames.at(-1)!.nodes)) this.checkKinds(node);
    const outputs = this.bodies(node);
    node.outputs.forEach((name, i) => {
      if (name !== "") this.put(name, outputs[i]);
    });
  }

  /** Refuses inputs that are no tensors, no sequences, or not of the type that the node takes, as far as they are known. */
  private checkKinds(node: Node): void {
    const fail = (why: string): BitbasisError => nodeError(node, this.graph.opsets, why, "MODEL");
    const { sequences = [], tensors = [] } = KINDS[node.op] ?? {};
    for (const i of sequences) {
      const value = this.surmise(node.inputs[i] ?? "");
      if (value !== undefined && value !== LIST) throw fail(`input ${i} expected a sequence, got a tensor`);
    }
    for (const { input, what, types, single } of tensors) {
      const value = this.surmise(node.inputs[input] ?? "");
      if (value === LIST) throw fail(`input ${input} expected a tensor, got a sequence`);
      if (value === undefined) continue;
      const { type, shape } = value;
      const fits = (types === undefined || types.includes(type)) && (!single || isOpen(shape) || sizeOf(shape) === 1);
      if (!fits)
        throw fail(
          `${what} expected ${types?.join(" or ")}${single ? " []" : ""}, got ${type} [${shapeInWords(shape)}]`,
        );
    }
  }

  private bodies(node: Node): readonly Surmise[] {
    const inputs = node.inputs.map((name) => this.surmise(name));
    switch (node.op) {
      case "If": {
        const [one, other] = ["then_branch", "else_branch"].map((name) => this.body(node, name, [], "rank"));
        return node.outputs.map((_, i) => this.common(one![i], other![i]));
      }
      case "Loop": {
        const [count, goes] = node.inputs;
        const given: Surmise[] = [{ type: "int64", shape: [] }, { type: "bool", shape: [] }, ...inputs.slice(2)];
        const made = this.body(
          node,
          "body",
          given,
          this.isPositive(count) && this.isPositive(goes) ? "none" : "extents",
        );
        return this.stepped(inputs.slice(2), made.slice(1));
      }
      case "Scan":
        return this.scan(node, inputs);
      case "SequenceMap":
        this.body(
          node,
          "body",
          inputs.map((input) => (input === LIST ? undefined : input)),
          "extents",
        );
        return [];
      default:
        return [KINDS[node.op]?.makes];
    }
  }

  private scan(node: Node, given: readonly Surmise[]): readonly Surmise[] {
    const hasBatches = (this.graph.opsets[""] ?? 0) < 9;
    const inputs = hasBatches ? given.slice(1) : given;
    const states = inputs.length - (node.attributes["num_scan_inputs"] as number);
    const axes = node.attributes["scan_input_axes"];
    let runs = true;
    const slabs = inputs.map((input, i) => {
      if (input === LIST || input === undefined) return input;
      const { type, shape } = input;
      if (hasBatches) return { type, shape: this.witness.open(undefined, shape.slice(i < states ? 1 : 2)) };
      if (i < states) return input;
      const axis = Array.isArray(axes) ? Number(axes[i - states] ?? 0) : 0;
      const dims = isOpenRank(shape) ? undefined : new Array<Dimension>(Math.max(0, shape.length - 1)).fill("");
      runs &&= !isOpen(shape) && shape.at(axis) !== 0;
      const slab = shape.filter((_, k) => k !== (axis < 0 ? axis + shape.length : axis));
      return { type, shape: isOpen(shape) ? this.witness.open(dims, slab) : slab };
    });
    const made = this.body(node, "body", slabs, runs ? "none" : "extents");
    return this.stepped(slabs.slice(0, states), made);
  }

  /** Outputs of a loop: values that are carried from step to step, then those that are collected along a new axis. */
  private stepped(carried: readonly Surmise[], made: readonly Surmise[]): readonly Surmise[] {
    return made.map((value, i) => this.common(value, i < carried.length ? carried[i] : value));
  }

  /** What holds for both. */
  private common(one: Surmise, other: Surmise): Surmise {
    if (one === LIST || one === undefined) return one === other ? one : undefined;
    if (other === LIST || other === undefined || one.type !== other.type) return undefined;
    return { type: one.type, shape: this.witness.open(undefined, one.shape) };
  }

  /** Whether a trip count or a condition is absent, or a constant that lets a loop go on. */
  private isPositive(name: string | undefined): boolean {
    if (name === undefined || name === "") return true;
    const constant = this.guessed.has(name) ? undefined : this.constants.get(name);
    return constant !== undefined && Number((constant.data as ArrayLike<number | bigint>)[0] ?? 0) > 0;
  }

  /**
   * Surveys a body of a node; what is known of its outputs.
   *
   * @param open - what does not count of the values from outside, since the body may never run with them
   */
  private body(
    node: Node,
    attribute: string,
    inputs: readonly Surmise[],
    open: "none" | "extents" | "rank",
  ): readonly Surmise[] {
    const graph = node.attributes[attribute];
    if (!isGraph(graph)) return [];
    const loosened = (value: Surmise): Surmise => {
      if (value === LIST || value === undefined || open === "none") return value;
      const { type, shape } = value;
      if (isOpenRank(shape)) return value;
      const dims = open === "rank" ? undefined : new Array<Dimension>(shape.length).fill("");
      return { type, shape: this.witness.open(dims, shape) };
    };
    const given = graph.inputs.map(({ name }, i): [string, Surmise] => [name, loosened(inputs[i])]);
    const initializers = new Map(graph.initializers);
    for (const name of captures(graph)) {
      const { name: own, constant, series } = this.source(name);
      if (constant !== undefined && !this.guessed.has(own)) initializers.set(name, constant);
      else if (!series || own !== name) given.push([name, loosened(this.surmise(own))]);
    }
    const whole = { ...graph, opsets: this.graph.opsets, initializers };
    const { weights } = this.options;
    const options = { body: true, ...(weights !== undefined && { weights }) } as const;
    return new Surveyor(this.witness, Specializer.begin(whole, options, this.budget)).over(given);
  }
}
