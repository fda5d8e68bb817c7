import { everyNode, type Graph, type Node, operatorOf, type ValueInfo } from "../graph/index.ts";
import { sizeOf } from "../tensor/index.ts";
import { canBeMade, filled } from "./procedural.ts";
import { readersOf } from "./readers.ts";
import { isFloat } from "./shapes.ts";

/** A network with the inputs that choose its branches held at one value each. */
export interface Branch {
  readonly graph: Graph;
  /** These values, for people: `sr = 16000`; empty where nothing is held. */
  readonly names: string;
}

/** Most branches that are looked at: each is measured for itself. */
const MOST = 3;

/**
 * The ways that a network may take where an If asks an input of one integer or boolean, such as a sample rate, or whether a cache is used. Each value that such an input is compared with is a way, and one
 * that it is not. A network that asks nothing is the only branch of itself.
 */
export function branchesOf(graph: Graph): readonly Branch[] {
  if (!everyNode(graph).some(({ op }) => op === "If")) return [{ graph, names: "" }];
  const readers = readersOf(graph);
  const switches = graph.inputs.flatMap((input) => {
    const asked = isSwitch(input) ? askedOf(input.name, graph, readers) : undefined;
    return asked === undefined ? [] : [{ input, values: valuesOf(input, asked) }];
  });
  if (switches.length === 0) return [{ graph, names: "" }];
  const held = new Set(switches.map(({ input }) => input.name));
  const inputs = graph.inputs.filter(({ name }) => !held.has(name));
  const count = Math.min(MOST, Math.max(...switches.map(({ values }) => values.length)));
  return Array.from({ length: count }, (_, i) => {
    const chosen = switches.map(({ input, values }) => ({ input, value: values[Math.min(i, values.length - 1)]! }));
    const constants = chosen.map(
      ({ input, value }) => [input.name, filled(input, (input.shape ?? []).map(Number), () => value)] as const,
    );
    const names = chosen.map(({ input, value }) => `${input.name} = ${input.type === "bool" ? value === 1 : value}`);
    return {
      graph: { ...graph, inputs, initializers: new Map([...graph.initializers, ...constants]) },
      names: names.join(", "),
    };
  });
}

function isSwitch(input: ValueInfo): boolean {
  return canBeMade(input) && !isFloat(input.type) && input.shape?.every((d) => d === 1) === true;
}

/** What a value is compared with on the way to the condition of an If; undefined where it comes to none. */
function askedOf(name: string, graph: Graph, readers: ReadonlyMap<string, readonly Node[]>): number[] | undefined {
  const asked: number[] = [];
  const seen = new Set<string>();
  let decides = false;
  for (const todo = [name]; todo.length > 0; ) {
    const value = todo.pop()!;
    if (seen.has(value)) continue;
    seen.add(value);
    for (const node of readers.get(value) ?? []) {
      if (node.op === "If") decides ||= node.inputs[0] === value;
      const elements = operatorOf(node)?.elements;
      if (elements === "compared" || elements === "logical" || elements === "moved") todo.push(...node.outputs);
      if (elements !== "compared") continue;
      const other = graph.initializers.get(node.inputs[node.inputs[0] === value ? 1 : 0] ?? "");
      const number = other !== undefined && sizeOf(other.dims) === 1 ? Number(other.data[0]) : Number.NaN;
      // Halves, which a Cast may be compared with, lie between the values of a switch.
      if (Number.isSafeInteger(number)) asked.push(number);
    }
  }
  return decides ? asked : undefined;
}

/** The values of a switch that are told apart, what is asked for first; what a comparison with them says no to comes last. */
function valuesOf({ type }: ValueInfo, asked: readonly number[]): number[] {
  if (type === "bool" || asked.length === 0) return [1, 0];
  const known = [...new Set(asked)];
  const largest = Math.max(...known);
  const smallest = Math.min(...known);
  return [...known, smallest > 0 ? smallest - 1 : largest + 1];
}
