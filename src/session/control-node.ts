import type { Core } from "../core/index.ts";
import type { Graph, Node } from "../graph/index.ts";
import type { Held, Scope, Value } from "./values.ts";

/** A body with what it captures, ready to be called. */
export interface Body {
  readonly graph: Graph;
  /** Values of the body's outputs; their memory belongs to the scope. */
  call(inputs: readonly Value[], scope: Scope): Promise<Value[]>;
}

/** A node that is neither steps nor an evaluator, with its inputs. */
export interface ControlNode {
  readonly node: Node;
  readonly core: Core;
  readonly opset: number;
  /** Memory of the outputs. */
  readonly scope: Scope;
  /** Number of inputs that are written. */
  readonly count: number;
  has(i: number): boolean;
  value(i: number): Value;
  /** Input `i`, which must be a tensor. */
  tensor(i: number): Held;
  /** Input `i`, which must be a sequence. */
  sequence(i: number): readonly Held[];
  body(attribute: string): Body;
  turn(): Promise<void>;
  /** The same within a piece of work, which counts nothing. */
  rest(): Promise<void>;
  /** Counts work that is done in JavaScript, in multiply-accumulates. */
  work(macs: number): void;
  fail(why: string): Error;
}
