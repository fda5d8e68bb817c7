import { everyNode, type Graph, type Node, operatorOf } from "../graph/index.ts";
import { readersOf } from "./readers.ts";

/** What the structure of a network says of its linear layers, without a run. */
export interface Structure {
  /** Names of nodes whose results a logarithm, a root or a division takes, with nothing bounded in between. */
  readonly frontEnds: ReadonlySet<string>;
  /** Values that are never below 0. */
  readonly nonNegative: ReadonlySet<string>;
  /** Values that an RMS norm has made, which have no mean to speak of. */
  readonly centred: ReadonlySet<string>;
  /** Whether the network may hand a recurrent state from run to run: it has recurrent layers, and more than one input of floats, or one that such a layer starts from. */
  readonly streaming: boolean;
}

export function structureOf(graph: Graph): Structure {
  const nodes = everyNode(graph);
  return {
    ...{ frontEnds: frontEnds(graph, nodes), nonNegative: nonNegative(nodes), centred: centred(graph, nodes) },
    streaming: isStreaming(graph, nodes),
  };
}

/** States are the fourth and fifth input of a recurrent layer of one direction. */
function isStreaming(graph: Graph, nodes: readonly Node[]): boolean {
  const floats = graph.inputs.filter(({ type }) => type === "float32");
  const fed = new Set(floats.map(({ name }) => name));
  for (const node of nodes)
    if (isPassing(node) && fed.has(node.inputs[0]!)) for (const output of node.outputs) fed.add(output);
  return nodes.some((node) => {
    const starts = node.inputs.slice(3, 5);
    return operatorOf(node)?.elements === "recurrent" && (floats.length > 1 || starts.some((name) => fed.has(name)));
  });
}

/** Whether a node hands on the relative precision that small values need. */
function isPassing(node: Node): boolean {
  const elements = operatorOf(node)?.elements;
  return elements === "moved" || elements === "joined" || elements === "scaled";
}

/**
 * Linear layers of front ends. A quantized sum is off by a part of the *largest* sum; a logarithm, reciprocal, root or divisor asks for a part of *each*. Quiet
 * bands of a mel spectrogram lie 60 dB below the loud ones and were off by 37 dB at 12 bits; the layers before the logarithm, which are linear among
 * themselves, run in float32.
 *
 * Over some 60 networks this finds spectrograms (mel, constant-Q, short-time Fourier), nothing else: a ReduceMean, softmax or activation ends the walk, so that norms
 * and attention are not found, and a root that only divides is a norm too.
 *
 * A sine asks for a part of a *turn*, and coordinates or times of many turns are linear in inputs of the network: the frequencies of Fourier features run in float32 too (points that a segmenter is
 * asked about: off by 0.49 of the largest value under `fast` and 6·10⁻³ under `faithful` in integers, by 0.05 and 3·10⁻⁴ so). Sines within a network are activations, of a turn or few.
 */
function frontEnds(graph: Graph, nodes: readonly Node[]): Set<string> {
  const readers = readersOf(graph);
  const raw = linearInInputs(graph, nodes);
  const parts = before(nodes, readers, (node, name) =>
    takesPart(node, name, graph) ? powerOf(node, graph) !== 0.5 || !isNorm(node, readers) : undefined,
  );
  const turns = before(nodes, readers, ({ op }) => (op === "Sin" || op === "Cos" ? true : undefined));
  const found = nodes.filter((node) => {
    const [output = ""] = node.outputs;
    return isOpen(node) && (parts.has(output) || (turns.has(output) && raw.has(output)));
  });
  return new Set(found.map(({ name }) => name));
}

/** Values that are taken, with nothing but open linear layers and what hands them on in between. `takes` says whether a node takes a value or is the end of it; undefined: it may hand it on. */
function before(
  nodes: readonly Node[],
  readers: ReadonlyMap<string, readonly Node[]>,
  takes: (node: Node, name: string) => boolean | undefined,
): Set<string> {
  const found = new Set<string>();
  const handsOn = (node: Node) => isLinear(node) && node.outputs.some((output) => found.has(output));
  const isNeeded = (name: string): boolean =>
    (readers.get(name) ?? []).some((node) => takes(node, name) ?? handsOn(node));
  for (const node of [...nodes].reverse()) {
    for (const output of node.outputs) if (output !== "" && isNeeded(output)) found.add(output);
  }
  return found;
}

/** Values that are made of inputs of the network and constants by nothing but linear layers and what hands values on. */
function linearInInputs(graph: Graph, nodes: readonly Node[]): Set<string> {
  const found = new Set(["", ...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  for (const node of nodes) {
    // What is taken out or put in by place is as it was; rows of a table are not linear in their numbers.
    const isPut = node.op.startsWith("Scatter");
    const isTaken = node.op.startsWith("Gather") && !graph.initializers.has(node.inputs[0]!);
    const isMoved = isPut || isTaken || operatorOf(node)?.elements === "moved";
    const of = isMoved ? node.inputs.filter((_, i) => i === 0 || (isPut && i === 2)) : node.inputs;
    if ((isPut || isTaken || isLinear(node)) && of.every((name) => found.has(name)))
      for (const output of node.outputs) found.add(output);
  }
  return found;
}

/** Whether the outputs of a node are linear in its inputs. */
function isLinear(node: Node): boolean {
  return isPassing(node) || isOpen(node);
}

/** Whether a node needs each value of `name` to a part of itself. */
function takesPart(node: Node, name: string, graph: Graph): boolean {
  const { op, inputs } = node;
  if (op === "Log" || op === "Reciprocal") return true;
  return inputs[op === "Div" ? 1 : 0] === name && (op === "Div" || powerOf(node, graph) < 1);
}

/** The constant power of its first input that a node is; NaN where it is none. */
function powerOf({ op, inputs }: Node, graph: Graph): number {
  if (op === "Sqrt") return 0.5;
  const exponent = op === "Pow" ? graph.initializers.get(inputs[1]!) : undefined;
  return exponent?.size === 1 ? Number(exponent.data[0]) : Number.NaN;
}

/** What keeps a divisor off 0, between a root and the division by it. */
const FLOORS = ["Add", "Max", "Clip"];

/** Whether a root is only divided by, as that of a sum of squares is in a norm. */
function isNorm(root: Node, readers: ReadonlyMap<string, readonly Node[]>): boolean {
  const divides = (name: string): boolean => {
    const all = readers.get(name) ?? [];
    return (
      all.length > 0 &&
      all.every((node) => {
        if (node.op === "Div") return node.inputs[1] === name && node.inputs[0] !== name;
        if (node.op === "Reciprocal") return true;
        const isBetween = FLOORS.includes(node.op) || operatorOf(node)?.elements === "moved";
        return isBetween && divides(node.outputs[0]!);
      })
    );
  };
  return divides(root.outputs[0]!);
}

/** Whether a node is a linear layer without an activation in it. The floor that is put below a logarithm is none. */
function isOpen(node: Node): boolean {
  if (operatorOf(node)?.elements !== "linear") return false;
  const { activation, min, max } = node.attributes;
  if (activation === undefined || activation === "") return true;
  return activation === "Clip" && typeof min === "number" && min > 0 && max === undefined;
}

function nonNegative(nodes: readonly Node[]): Set<string> {
  const found = new Set<string>();
  for (const node of nodes) {
    const { elements, positive } = operatorOf(node) ?? {};
    const { activation, min } = node.attributes;
    const clipped = activation === "Clip" && typeof min === "number" && min >= 0;
    const of = elements === "joined" || elements === "scaled" ? node.inputs : node.inputs.slice(0, 1);
    const mayKeep = positive === "kept" || elements === "joined" || elements === "moved";
    const keeps = mayKeep && of.every((name) => found.has(name));
    if (positive === "always" || clipped || keeps) for (const output of node.outputs) found.add(output);
  }
  return found;
}

/** x/√(mean(x²) + ε), with or without a gain. */
function centred(graph: Graph, nodes: readonly Node[]): Set<string> {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const found = new Set<string>();
  for (const node of nodes) {
    const [a = "", b = ""] = node.inputs;
    const constant = [a, b].some((name) => graph.initializers.has(name));
    const isNorm =
      ["RMSNormalization", "SimplifiedLayerNormalization"].includes(node.op) ||
      (node.op === "Div" && isRoot(a, b, makers)) ||
      (node.op === "Mul" &&
        (isRoot(a, b, makers) || isRoot(b, a, makers) || (constant && (found.has(a) || found.has(b)))));
    if (isNorm) found.add(node.outputs[0]!);
  }
  return found;
}

/** Whether `root` comes from the mean of squares of `x`, itself not a difference from a mean. */
function isRoot(x: string, root: string, makers: ReadonlyMap<string, Node>): boolean {
  let node = makers.get(root);
  for (let n = 0; n < 5 && node !== undefined; n++) {
    if (node.op === "ReduceMean") {
      const square = makers.get(node.inputs[0]!);
      return square?.inputs[0] === x && (square.op === "Pow" || square.inputs[1] === x) && makers.get(x)?.op !== "Sub";
    }
    if (!["Sqrt", "Reciprocal", "Add", "Div", "Pow"].includes(node.op)) return false;
    const next: Node | undefined = node.inputs.map((name) => makers.get(name)).find((maker) => maker !== undefined);
    node = next;
  }
  return false;
}
