import { BitbasisError, type Ref, type Step, uncountable } from "../core/index.ts";
import { DependsOnData, nodeMessage } from "../graph/errors.ts";
import type { Node, SpecializedGraph } from "../graph/graph.ts";
import type { Shape, Tensor } from "../tensor/index.ts";
import { type ElementType, elementBytes, sizeOf } from "../tensor/index.ts";
import type { Constants } from "./constants.ts";
import { type Epilogue, type Epilogues, NO_EPILOGUE, NO_EPILOGUES } from "./epilogues.ts";
import { floatsBy } from "./fused.ts";
import type { KeptInput, View } from "./kept.ts";
import { denseView } from "./operators/view.ts";
import type { Panels } from "./panels.ts";
import type { PlannedGraph } from "./planned.ts";
import { type StaticRange, staticRanges } from "./static-range.ts";

/** A value as a step sees it. */
export interface Operand {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: Shape;
  /** Where its dense row-major elements are: planned memory, or the address of a constant. */
  readonly at: Ref | number;
  /** The elements, when they are known now. */
  readonly constant?: Tensor;
}

/** A step with what profiling tells about it. */
export interface LoweredStep {
  readonly step: Step;
  readonly node: string;
  readonly op: string;
  /** The node itself, for messages. */
  readonly from: Node;
  /** For example `gemm_i16_i16_4x8`. */
  readonly kernel: string;
  /** Multiply-accumulates, 0 where that means nothing. */
  readonly macs: number;
  /** Bytes read and written, constants included. */
  readonly bytes: number;
  /** More parts than rows go on from one another and must come in order; absent: parts of the step need nothing of each other. */
  readonly rows?: number;
}

/** A piece of arena: alive from step `first` (−1: it holds a feed) to step `last`. */
export interface PlannedBuffer {
  readonly bytes: number;
  readonly first: number;
  last: number;
  /** It is not in the arena, but a block of the state's memory. */
  readonly kept?: { readonly key: string; readonly zeros: boolean };
}

/** Data of one program in the core's memory. */
export interface OwnedConstant {
  readonly at: number;
  readonly data: ArrayBufferView;
}

/** Multiply-accumulates of a step; one that only moves and compares counts its bytes. */
export function workOf({ macs, bytes }: Pick<LoweredStep, "macs" | "bytes">): number {
  return Math.max(macs, bytes);
}

/** The life of a block that is kept begins before the program's. */
const BEFORE = -2;

/** Counts and offsets inside a value are int32 in the core. */
const LARGEST_BUFFER = 2 ** 31 - 64;

/** What steps and buffers belong to that no node asks for: the inputs and outputs of the graph. */
export function boundary(name: string): Node {
  return { name, op: "graph", domain: "", inputs: [], outputs: [], attributes: {} };
}

/** Turns one node into steps. Throws an `unsupported` error for a case that we do not run. */
export type Lower = (lowering: Lowering) => void;

/** What an operator's file sees while its node is lowered. */
export class Lowering {
  /** Whose steps are made. */
  node: Node = boundary("inputs");
  readonly steps: LoweredStep[] = [];
  readonly buffers: PlannedBuffer[] = [];
  /** Where values lie. */
  readonly located = new Map<string, Ref | number>();
  /** What `once` has made. */
  shared = new Map<string, unknown>();
  private captured: LoweredStep[] | undefined;
  /** How many steps have been put in the place of others. */
  replaced = 0;
  private ranges: ReadonlyMap<string, StaticRange> | undefined;

  constructor(
    readonly graph: SpecializedGraph,
    public planned: PlannedGraph,
    readonly constants: Constants,
    readonly panels: Panels,
    /** Threads that will run the program at most. */
    readonly threads: number,
    /** Inputs whose rows a state keeps. */
    readonly kept: ReadonlyMap<string, KeptInput> = new Map(),
    private readonly epilogues: Epilogues = NO_EPILOGUES,
  ) {}

  /** What the node does to its outputs in the end. */
  get epilogue(): Omit<Epilogue, "output"> {
    return this.epilogueOf(this.node) ?? NO_EPILOGUE;
  }

  /** The step that makes a value, which could make its integers instead. */
  readonly makers = new Map<string, number>();

  /** Values that lie in a state's memory; for whom reads them as operands they are copied. */
  readonly views = new Map<string, View>();
  readonly blocks = new Map<string, Ref>();

  /** Constants that only this program has: what folding made of the input shapes. */
  readonly owned: OwnedConstant[] = [];

  /** The range of a value, where the graph alone tells it. */
  staticRange(value: string): StaticRange | undefined {
    this.ranges ??= staticRanges(this.planned.graph);
    return this.ranges.get(value);
  }

  /** What a node does to its outputs in the end, if anything. */
  epilogueOf(node: Node): Epilogue | undefined {
    return this.epilogues.of.get(node);
  }

  /** Whether this node alone reads a value. */
  isReadOnce(value: string): boolean {
    return this.epilogues.isReadOnce(value);
  }

  /** What `make` gave when it was first called with this key: work that several nodes share is emitted once. */
  once<T>(key: string, make: () => T): T {
    if (!this.shared.has(key)) this.shared.set(key, make());
    return this.shared.get(key) as T;
  }

  /** Input `i` of the node, which must be there. */
  input(i: number): Operand {
    const operand = this.optional(i);
    if (operand === undefined) throw this.unsupported(`input ${i} is missing`);
    return operand;
  }

  /** Input `i`, or undefined when it is absent. */
  optional(i: number): Operand | undefined {
    const name = this.node.inputs[i];
    return name === undefined || name === "" ? undefined : this.operand(name);
  }

  /** Output `i`, allocated in the arena on first use. */
  output(i = 0): Operand {
    const name = (i === 0 ? this.epilogueOf(this.node)?.output : undefined) ?? this.node.outputs[i];
    if (name === undefined || name === "") throw this.unsupported(`output ${i} is missing`);
    const { type, shape } = this.valueOf(name);
    if (!this.located.has(name)) this.located.set(name, this.allocate(sizeOf(shape) * elementBytes(type)));
    return this.operand(name);
  }

  /** Whether anybody wants output `i`. */
  wants(i: number): boolean {
    return (this.node.outputs[i] ?? "") !== "";
  }

  /** Output `i` is the same memory as input `j` (reshapes). */
  alias(i: number, j: number): void {
    this.located.set(this.node.outputs[i]!, this.input(j).at);
  }

  /** Names where a graph input lies. */
  locate(name: string, at: Ref | number): void {
    this.located.set(name, at);
  }

  /** Arena memory that lives from step `first` on (this one, −1 for what the caller writes), as long as steps refer to it. */
  allocate(bytes: number, first = this.steps.length): Ref {
    if (!(bytes <= LARGEST_BUFFER)) {
      const why = `a buffer of ${bytes} bytes is larger than the ${LARGEST_BUFFER} that the core addresses`;
      throw new BitbasisError("MEMORY", nodeMessage(this.node, this.graph.opsets, why));
    }
    this.buffers.push({ bytes, first, last: this.steps.length });
    return { buffer: this.buffers.length - 1, offset: 0 };
  }

  /** A block of the state's memory, which outlives the run; `zeros`: what is in it at first, otherwise nothing. */
  keep(key: string, bytes: number, zeros = false): Ref {
    let block = this.blocks.get(key);
    if (block === undefined) {
      this.buffers.push({ bytes, first: BEFORE, last: BEFORE, kept: { key, zeros } });
      block = { buffer: this.buffers.length - 1, offset: 0 };
      this.blocks.set(key, block);
    }
    return block;
  }

  /** Adds a step of the current node; buffers that it names stay alive at least until it has run. */
  emit(step: Step, about: { kernel: string; macs?: number; bytes?: number; rows?: number }): void {
    const why = uncountable(step);
    if (why !== undefined) throw new BitbasisError("MEMORY", nodeMessage(this.node, this.graph.opsets, why));
    this.touch(step);
    const { node } = this;
    (this.captured ?? this.steps).push({
      step,
      node: node.name,
      op: node.op,
      from: node,
      kernel: about.kernel,
      macs: about.macs ?? 0,
      bytes: about.bytes ?? 0,
      ...(about.rows !== undefined && { rows: about.rows }),
    });
  }

  /** Buffers that the next step names are alive until it has run. */
  touch({ words }: Step): void {
    for (const word of words) if (typeof word !== "number") this.buffers[word.buffer]!.last = this.steps.length;
  }

  /** Puts another step in the place of one, and other memory in that of what it wrote, which nobody reads. */
  replace(index: number, words: Step["words"], unread: Ref): void {
    const { step } = this.steps[index]!;
    this.replaced++;
    this.steps[index] = { ...this.steps[index]!, step: { ...step, words } };
    this.buffers[unread.buffer] = { ...this.buffers[unread.buffer]!, bytes: 0 };
  }

  /** The steps that `body` emits, kept out of the program, for the next step, which holds all of their words and runs them itself. */
  capture(body: () => void): readonly LoweredStep[] {
    const captured: LoweredStep[] = [];
    const outer = this.captured;
    this.captured = captured;
    body();
    this.captured = outer;
    return captured;
  }

  /** The steps of the current node under another plan, kept out of the program: they write what its own steps write, and share no work with others. */
  under(planned: PlannedGraph, lower: Lower): readonly LoweredStep[] {
    const [own, shared] = [this.planned, this.shared];
    this.planned = planned;
    this.shared = new Map();
    const steps = this.capture(() => lower(this));
    this.planned = own;
    this.shared = shared;
    return steps;
  }

  attribute(name: string, fallback: number): number {
    const value = this.node.attributes[name];
    return typeof value === "number" ? value : fallback;
  }

  text(name: string, fallback: string): string {
    const value = this.node.attributes[name];
    return typeof value === "string" ? value : fallback;
  }

  integers(name: string): readonly number[] | undefined {
    const value = this.node.attributes[name];
    return Array.isArray(value) ? (value as readonly number[]) : undefined;
  }

  /** Elements of input `i` as numbers, when they are known now; the operator cannot be lowered otherwise. */
  constantNumbers(i: number): readonly number[] | undefined {
    const operand = this.optional(i);
    if (operand === undefined) return undefined;
    if (operand.constant === undefined) {
      const why = `input ${i} ("${operand.name}") must be known before the run`;
      throw new DependsOnData(operand.name, this.unsupported(why).message).from(this.graph.nodes);
    }
    return Array.from(operand.constant.data as ArrayLike<number | bigint>, Number);
  }

  unsupported(why: string): BitbasisError {
    return new BitbasisError("UNSUPPORTED", nodeMessage(this.node, this.graph.opsets, why));
  }

  /** Any value by name. */
  operand(name: string): Operand {
    const { type, shape } = this.valueOf(name);
    const constant = this.graph.constants.get(name);
    const view = this.views.get(name);
    let at = view === undefined ? this.located.get(name) : denseView(this, name, view);
    if (at === undefined) {
      const series = this.planned.weights.get(name);
      if (constant !== undefined) at = this.placeConstant(name, constant);
      else if (series !== undefined) at = this.constants.place(name, this.floats(name)!);
      else throw new BitbasisError("INTERNAL", `value "${name}" is read before it is written`);
    }
    return constant === undefined ? { name, type, shape, at } : { name, type, shape, at, constant };
  }

  /**
   * What gives the elements of a float32 initializer, a series summed up, for the one program that packs them; undefined for values that depend on the
   * feeds or their shapes.
   */
  floats(name: string): (() => Float32Array) | undefined {
    const constant = this.planned.graph.initializers.get(name);
    if (constant?.type === "float32") return () => constant.data as Float32Array;
    const series = this.planned.weights.get(name);
    const { core } = this.constants;
    return series && (() => floatsBy(core, series));
  }

  /** The address of data that depend on the input shapes, which go with this program. */
  own(data: ArrayBufferView): number {
    const at = this.constants.core.place(data);
    this.owned.push({ at, data });
    return at;
  }

  private placeConstant(name: string, constant: Tensor): number {
    const data = constant.data as ArrayBufferView;
    if (this.planned.graph.initializers.get(name) === constant) return this.constants.place(name, () => data);
    const at = this.own(data);
    this.located.set(name, at);
    return at;
  }

  /** Shape of any value, of a weight that exists as a series too. */
  shapeOf(name: string): Shape {
    return this.valueOf(name).shape;
  }

  private valueOf(name: string): { type: ElementType; shape: Shape } {
    const value = this.graph.values.get(name) ?? shapeOf(this.graph.constants.get(name));
    if (value === undefined) throw new BitbasisError("INTERNAL", `value "${name}" has no shape`);
    return value;
  }
}

function shapeOf(tensor: Tensor | undefined): { type: ElementType; shape: Shape } | undefined {
  return tensor === undefined ? undefined : { type: tensor.type, shape: tensor.dims };
}
