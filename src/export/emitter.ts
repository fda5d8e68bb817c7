import type { Node } from "../graph/index.ts";
import type { Tensor } from "../tensor/index.ts";

/** Makes the nodes and constants of a standard graph. */
export interface Emitter {
  /** Adds a node of one output and returns its name, `output` where one is given. */
  emit(op: string, inputs: readonly string[], attributes?: Node["attributes"], output?: string): string;
  /** Adds a constant and returns its name, which begins with `base`. */
  constant(base: string, tensor: Tensor): string;
  /** Adds the constant called `name`, which it returns. */
  initializer(name: string, tensor: Tensor): string;
}
