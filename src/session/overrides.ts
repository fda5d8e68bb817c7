import type { Graph, ValueInfo } from "../graph/graph.ts";
import type { Model } from "../model/index.ts";
import type { Engine } from "./engine.ts";
import type { Value } from "./values.ts";

/** How the initializers of a model that may be fed become inputs. */
export interface Override {
  /** Their values where a run does not feed them. */
  readonly defaults: Graph["initializers"];
  /** The model in which these are inputs: nothing is folded or quantized from their defaults. */
  model(names: readonly string[]): Promise<Model>;
}

/**
 * Runs that feed initializers. They have an engine of their own, whose inputs are all the initializers that have been fed so far: feeding
 * others once more makes another engine, and the old one is left to the session's memory.
 */
export class Overrides {
  private readonly fed = new Set<string>();
  private engine: Engine | undefined;

  constructor(
    private readonly overridable: readonly ValueInfo[],
    private readonly override: Override | undefined,
    private readonly make: (model: Model) => Engine,
  ) {}

  /**
   * The engine for a run that feeds initializers, and what it must be fed: `tensors` and the defaults of the other ones.
   *
   * @throws RangeError when this model keeps them as constants
   */
  async bind(
    names: readonly string[],
    tensors: ReadonlyMap<string, Value>,
  ): Promise<{ engine: Engine; tensors: ReadonlyMap<string, Value> }> {
    if (this.override === undefined) {
      throw new RangeError(
        `"${names[0]}" is an initializer, which a container keeps as a constant; a session of the ONNX file can be fed with it`,
      );
    }
    const { defaults, model } = this.override;
    if (this.engine === undefined || names.some((name) => !this.fed.has(name))) {
      const all = this.overridable.map(({ name }) => name).filter((name) => this.fed.has(name) || names.includes(name));
      this.engine = this.make(await model(all));
      for (const name of all) this.fed.add(name);
    }
    const absent = [...this.fed].filter((name) => !tensors.has(name));
    const fed = new Map([...tensors, ...absent.map((name) => [name, defaults.get(name)!] as const)]);
    return { engine: this.engine, tensors: fed };
  }
}
