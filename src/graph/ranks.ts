import type { Tensor } from "../tensor/index.ts";
import type { Graph, Node } from "./graph.ts";
import { operatorOf } from "./operators/index.ts";
import type { Rank, RankView } from "./operators/rank.ts";

/** A constant by its name. */
export type Constants = (name: string) => Tensor | undefined;

/** Ranks of values as far as they can be told without knowing input shapes, node by node in topological order. */
export class Ranks {
  private readonly known = new Map<string, number>();
  private readonly lengths = new Map<string, number>();

  /** @param captured - constants of the enclosing graphs */
  constructor(
    private readonly initializers: ReadonlyMap<string, Tensor>,
    private readonly captured: Constants = () => undefined,
  ) {}

  rank(name: string): Rank {
    return this.known.get(name) ?? this.constant(name)?.dims.length;
  }

  set(name: string, rank: number): void {
    this.known.set(name, rank);
  }

  /** All that is known, for the bodies of a node. */
  all(): ReadonlyMap<string, number> {
    const constants = [...this.initializers].map(([name, { dims }]) => [name, dims.length] as const);
    return new Map([...constants, ...this.known]);
  }

  /** Takes in the inputs of a graph. */
  inputs(graph: Graph): void {
    for (const { name, shape } of graph.inputs) if (shape !== undefined) this.known.set(name, shape.length);
  }

  /** Takes in what a node makes of what is known. */
  add(node: Node): void {
    const operator = operatorOf(node);
    const view = this.view(node);
    node.outputs.forEach((output, i) => {
      const rank = operator?.rank?.(node, view, i);
      if (rank !== undefined) this.known.set(output, rank);
    });
    const length = operator?.length?.(node, view);
    if (length !== undefined) this.lengths.set(node.outputs[0]!, length);
    // Weights tell the rank of what they are applied to, also when the producer does not.
    if (node.op.startsWith("Conv") && node.domain !== "com.microsoft" && view.rank(0) === undefined) {
      const own = view.rank(1);
      if (own !== undefined) this.known.set(node.inputs[0]!, own);
    }
  }

  private constant(name: string): Tensor | undefined {
    return this.initializers.get(name) ?? this.captured(name);
  }

  private view({ inputs }: Node): RankView {
    const constant = (i: number): Tensor | undefined => this.constant(inputs[i] ?? "");
    return {
      rank: (i) => this.rank(inputs[i] ?? ""),
      length: (i) => {
        const dims = constant(i)?.dims;
        return this.lengths.get(inputs[i] ?? "") ?? (dims?.length === 1 ? dims[0] : undefined);
      },
      numbers: (i) => {
        const data = constant(i)?.data;
        return data === undefined ? undefined : Array.from(data as ArrayLike<number | bigint>, Number);
      },
    };
  }
}

/** Ranks of the values of a normalized graph; `known` are those of what it reads from elsewhere. */
export function ranksOf(graph: Graph, known: ReadonlyMap<string, number> = new Map()): Ranks {
  const ranks = new Ranks(graph.initializers);
  for (const [name, rank] of known) ranks.set(name, rank);
  ranks.inputs(graph);
  for (const node of graph.nodes) ranks.add(node);
  return ranks;
}
