// The parts that a graph runs in, and what tells them apart.
import type { Graph, KnownValue } from "../graph/graph.ts";
import type { Known, Stage } from "../graph/specialize.ts";
import type { Tensor } from "../tensor/index.ts";
import type { Compiled } from "./compile.ts";
import type { Range } from "./lines.ts";

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
  /** Inputs of the runs that needed something new lately, and under what. */
  readonly met: { readonly under: string; readonly values: readonly KnownValue[] }[];
  /** Ranges of sizes and their parts; without one, the sizes in it have a program each. */
  readonly ranges: (Range & { readonly under: string; readonly part: Part | undefined })[];
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
  return { graph, around, parts: new Map(), shaping: new Set(), needed: new Set(), met: [], ranges: [] };
}
