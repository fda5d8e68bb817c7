import { CanonicalizeStep } from "../core/abi/elementwise.ts";
import { Opcode } from "../core/abi/opcode.ts";
import { atOnce, type BadIndex, type Core, type Ref, step } from "../core/index.ts";
import { nodeMessage } from "../graph/errors.ts";
import type { KnownValue, Node } from "../graph/graph.ts";
import type { Stage } from "../graph/specialize.ts";
import { elementBytes, sizeOf, type Tensor } from "../tensor/index.ts";
import type { Beside } from "./beside.ts";
import type { Constants } from "./constants.ts";
import { epiloguesOf } from "./epilogues.ts";
import { type KeptInput, type KeptMemory, type KeptPlace, keptPlace, locateKept } from "./kept.ts";
import {
  boundary,
  type LoweredStep,
  Lowering,
  type Operand,
  type OwnedConstant,
  type PlannedBuffer,
  workOf,
} from "./lowering.ts";
import { planMemory } from "./memory.ts";
import { loweringOf } from "./operators/index.ts";
import { byteStrides, emitCopy } from "./operators/support.ts";
import type { Panels } from "./panels.ts";
import type * as Pieces from "./pieces.ts";
import type { PlannedGraph } from "./planned.ts";

/** Where an input or output lies: bytes from the start of the arena, an address, or a value known beforehand. */
export type Place = { readonly arena: number } | { readonly address: number } | { readonly constant: Tensor };

export interface ProgramValue extends KnownValue {
  readonly place: Place;
}

export interface KeptValue extends KnownValue {
  readonly place: KeptPlace;
}

/** The program of a stage, not yet bound to an arena. */
export interface Compiled {
  readonly steps: readonly LoweredStep[];
  /** How many steps there are. */
  readonly count: number;
  /** Of all steps together; see `workOf`. */
  readonly work: number;
  readonly inputs: ReadonlyMap<string, ProgramValue>;
  readonly outputs: ReadonlyMap<string, ProgramValue>;
  /** Outputs that lie in a state's memory. */
  readonly kept: ReadonlyMap<string, KeptValue>;
  readonly arenaBytes: number;
  /** Pieces of the arena that its steps refer to, and constants that only this program has. */
  readonly buffers: readonly PlannedBuffer[];
  readonly owned: readonly OwnedConstant[];
  /** Writes the program for an arena at the given address, and for a state, and returns its own address. */
  write(arena: number, kept?: KeptMemory): number;
  /** Of a program for a range of sizes: makes it the one of size t. */
  resize?(t: number): void;
  /** An error of the run, told with the node that the failing step belongs to. */
  explain(error: BadIndex): RangeError;
  /** Gives back the constants that only this program had. */
  release(): void;
}

export interface CompileTarget {
  readonly core: Core;
  readonly constants: Constants;
  readonly panels: Panels;
  readonly threads: number;
  /** Of a model with large weights. */
  readonly pieces?: typeof Pieces | undefined;
}

/** Lowers a stage to steps with a static memory plan, at once. */
export function compile(...stage: Parameters<typeof compiling>): Compiled {
  return atOnce(compiling(...stage));
}

/** The same with a stop after every node: what is lowered first packs the weights, of which a large network has a second's work. */
export function* compiling(
  planned: PlannedGraph,
  graph: Stage,
  target: CompileTarget,
  kept?: ReadonlyMap<string, KeptInput>,
  /** Lowered beside others, of which the first alone will be written: the memory of the others is not planned. */
  beside?: Beside,
): Generator<undefined, Compiled, void> {
  const epilogues = epiloguesOf(graph, graph.outputs, planned.layers);
  // What stops in between goes on in other programs, which know nothing of a state.
  const l = new Lowering(
    graph,
    planned,
    target.constants,
    target.panels,
    target.threads,
    graph.final ? kept : undefined,
    epilogues,
  );
  const release = (): void => {
    for (const { at } of l.owned.splice(0)) target.core.release(at);
  };
  let made: Omit<Compiled, "release"> | undefined;
  try {
    made = yield* lowered(l, graph, target, epilogues.absorbed, beside);
    return { ...made, release };
  } finally {
    // It has failed, or nobody wants it any more.
    if (made === undefined) release();
  }
}

function* lowered(
  l: Lowering,
  graph: Stage,
  target: CompileTarget,
  absorbed: ReadonlySet<Node>,
  beside: Beside | undefined,
): Generator<undefined, Omit<Compiled, "release">, void> {
  const inputs = new Map<string, KnownValue & { at: Ref }>();
  for (const name of graph.inputs) {
    const value = graph.values.get(name)!;
    const keeps = l.kept.get(name);
    if (keeps !== undefined) {
      locateKept(l, name, value, keeps);
      continue;
    }
    const at = l.allocate(sizeOf(value.shape) * elementBytes(value.type), -1);
    l.locate(name, at);
    inputs.set(name, { ...value, at });
  }
  for (const [i, node] of graph.nodes.entries()) {
    if (absorbed.has(node)) continue;
    l.node = node;
    const lower = loweringOf(node);
    if (lower === undefined) throw l.unsupported("this operator is not supported");
    if (target.pieces !== undefined) yield* target.pieces.ready(l, lower);
    if (beside === undefined) lower(l);
    else beside.visit(l, graph, i, () => lower(l));
    yield;
  }
  const outputs = new Map<string, KnownValue & { at: Ref | number; constant?: Tensor }>();
  const kept = new Map<string, KeptValue>();
  l.node = boundary("outputs");
  for (const name of graph.outputs) {
    const place = keptPlace(l, name);
    if (place !== undefined) {
      kept.set(name, { ...graph.values.get(name)!, place });
      continue;
    }
    const value = graph.final ? ownOutput(l, l.operand(name)) : l.operand(name);
    if (graph.final && value.constant === undefined && (value.type === "float32" || value.type === "float64")) {
      const [count, bytes] = [sizeOf(value.shape), elementBytes(value.type)];
      l.emit(step(Opcode.Canonicalize, CanonicalizeStep, { data: value.at, count, bytes }), {
        kernel: `canonicalize_f${8 * bytes}`,
        bytes: 2 * bytes * count,
      });
    }
    outputs.set(name, value);
  }
  for (const value of [...inputs.values(), ...outputs.values()]) {
    if (typeof value.at !== "number") l.buffers[value.at.buffer]!.last = l.steps.length;
  }

  const memory = planMemory(beside === undefined || beside.isFirst(l) ? l.buffers : []);
  const offsetOf = (ref: Ref): number => (memory.offsets[ref.buffer] ?? 0) + ref.offset;
  const placeOf = (at: Ref | number, constant?: Tensor): Place =>
    constant !== undefined ? { constant } : typeof at === "number" ? { address: at } : { arena: offsetOf(at) };
  const steps = l.steps.map((s) => ({ ...s.step, node: s.node }));
  return {
    steps: l.steps,
    count: l.steps.length,
    work: l.steps.reduce((sum, step) => sum + workOf(step), 0),
    buffers: l.buffers,
    owned: l.owned,
    inputs: mapValues(inputs, (v) => ({ type: v.type, shape: v.shape, place: placeOf(v.at) })),
    outputs: mapValues(outputs, (v) => ({ type: v.type, shape: v.shape, place: placeOf(v.at, v.constant) })),
    kept,
    arenaBytes: memory.bytes,
    explain: (error) =>
      new RangeError(nodeMessage(l.steps[error.step]!.from, graph.opsets, error.message), { cause: error }),
    write: (arena, memoryOf) =>
      target.core.write(
        steps,
        l.buffers.map((buffer, i) => {
          const { kept, bytes } = buffer;
          const at = kept && memoryOf ? memoryOf.block(kept.key, bytes, kept.zeros) : arena + memory.offsets[i]!;
          return { ...buffer, at };
        }),
      ),
  };
}

/** What is made canonical in place must not be a weight that an Identity made an output. */
function ownOutput(l: Lowering, value: Operand): Operand {
  if (value.constant !== undefined || typeof value.at !== "number") return value;
  const bytes = elementBytes(value.type);
  const at = l.allocate(sizeOf(value.shape) * bytes);
  const strides = byteStrides(value);
  emitCopy(l, value.at, at, bytes, value.shape, strides, strides);
  return { ...value, at };
}

function mapValues<K, A, B>(map: ReadonlyMap<K, A>, f: (value: A) => B): Map<K, B> {
  return new Map([...map].map(([key, value]) => [key, f(value)]));
}
