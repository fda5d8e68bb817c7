import type { Tensor } from "../tensor/index.ts";
import type { Known } from "./feed.ts";
import type { KnownValue, Node, SpecializedGraph } from "./graph.ts";
import type { Call } from "./operators/call.ts";
import type { FoldBudget } from "./operators/evaluate.ts";
import type { Operator } from "./operators/operator.ts";

/**
 * Why a specialization ends before the graph does.
 *
 * - `learn`: shapes depend on the elements of these values;
 * - `host`: the node is evaluated in TypeScript, and what shapes it gives is known then;
 * - `control`: the node has bodies, or works on sequences or optionals.
 */
export type Stop =
  | { readonly kind: "learn"; readonly node: Node; readonly names: readonly string[] }
  | { readonly kind: "host" | "control"; readonly node: Node };

/** What a run of a stage has found out: elements of values by name, or types and shapes of the stopped node's outputs. */
export type Outcome =
  | { readonly constants: ReadonlyMap<string, Tensor> }
  | { readonly values: ReadonlyMap<string, Known> };

/** A value of the graph by any of its names. */
export interface Source {
  readonly name: string;
  /** Its elements, when they are known. */
  readonly constant: Tensor | undefined;
  /** It is an initializer that is kept elsewhere, as a series. */
  readonly series: boolean;
}

/** The nodes up to the first one that needs to know what they make: all of them where `stop` is undefined. */
export interface Stage extends SpecializedGraph {
  /** Values that exist before the stage and that its nodes read. */
  readonly inputs: readonly string[];
  /** Values of the stage that are read after it; of the last stage, the outputs of the graph that are tensors. */
  readonly outputs: readonly string[];
  /** All values that are read after the stage, those from before it included. */
  readonly kept: ReadonlySet<string>;
  readonly stop: Stop | undefined;
  /** Its outputs are those of the model. */
  readonly final: boolean;
  source(name: string): Source;
  /** What folding may still cost. */
  readonly budget: FoldBudget;
  /** The next stage, once the stop has been dealt with. */
  resume(outcome: Outcome): Stage;
}

export interface SpecializeOptions {
  /** Type and shape of initializers that are kept elsewhere and are absent from `graph.initializers`. */
  readonly weights?: ReadonlyMap<string, KnownValue>;
  /** Values whose elements the lowering asks for. */
  readonly needed?: ReadonlySet<string>;
  /** What is left of the budget of the stage that the graph is a body of: stages and bodies on one path share one. */
  readonly budget?: FoldBudget;
  /** Inputs whose rows a state keeps: no number of rows, 0 and 1 included, makes another graph of what appends to them and turns them. */
  readonly kept?: Iterable<string>;
  /** The graph is a body: its outputs may be any of its values, and its inputs are what is fed. */
  readonly body?: true;
}

/** A node as specialization finds it. */
export interface Visit {
  readonly node: Node;
  readonly operator: Operator;
  readonly call: Call;
  readonly outputs: readonly KnownValue[];
  readonly folded: readonly Tensor[] | undefined;
  /** The same node under other feeds, which reads the same. */
  readonly like?: Visit;
}
