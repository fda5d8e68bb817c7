import { BitbasisError, isRecord, wrongKind } from "../core/index.ts";
import type { Graph, ValueInfo } from "../graph/index.ts";
import type { Stage } from "../graph/specialize.ts";
import { type Shape, sizeOf, Tensor, type TensorLike } from "../tensor/index.ts";
import { type LinearNode, linearNodes } from "./linear.ts";
import type { MeasureOptions } from "./options.ts";
import { canBeMade, checkRange, proceduralInputs } from "./procedural.ts";
import { type Feeds, signatureOf, stageFor } from "./runner.ts";
import { shapesOf } from "./shapes.ts";
import { tokensOf } from "./tokens.ts";

/** Samples as callers give them: one record of tensors per run. */
export type Samples = Iterable<Readonly<Record<string, TensorLike>>>;

/** What a network is measured on. */
export interface Records {
  readonly feeds: readonly Feeds[];
  /** So many of the first feeds have the shapes of `stage`, and are what single layers are measured on. */
  readonly probes: number;
  /** All of the network, or what comes before a node that needs a run, whose values are its outputs then. */
  readonly stage: Stage;
  /** What they are, for people. */
  readonly names: string;
  readonly given: boolean;
}

/** Most records that single layers are measured on: each costs a partial run per layer. */
const MOST_PROBES = 4;

/** Least part of the linear layers that what comes before a stop must have to speak for the network. */
const LEAST_PART = 0.5;

/** Multiples of the usual sizes of free dimensions that are tried first. */
const SCALES = [1, 2, 0.5, 4, 0.25];

/**
 * Sizes for all of them that are tried next: many networks of sound take one window, or a hop of it, of whatever length the file says, others a number of frames or sides that
 * strides divide.
 */
const SIZES = [
  ...[512, 576, 256, 1024, 128, 64, 320, 640, 160, 1280, 96, 48, 32, 400, 480, 800, 768, 1536, 2048],
  ...[80, 76, 28, 16, 8, 4, 2, 1],
];

/**
 * Multiply-accumulates of all measurements of single layers, some six seconds, from which on free dimensions are guessed smaller. A quarter of it guessed 48 × 48 for lines of text that are
 * 48 high, of which a recogniser reads six columns: its plan under `compact` had 7.9 bits, at 48 × 192 it has 7.25.
 */
const MOST_WORK = 2 ** 36;

/** Multiply-accumulates that an element of another operator's output counts as. */
const OTHER_WORK = 16;

/** Most sizes that are taken from a file's own shapes. */
const MOST_TOLD = 12;

/** A batch in which ids tell places along it apart, as edges do with the nodes of a graph. */
const PLACES = 16;

/** Other sizes of free dimensions than the usual ones, in the order in which they are tried. */
function guesses(graph: Graph): ((usual: number) => number)[] {
  const taken = takenOf(graph);
  const sizes = [...(taken > 1 ? [taken] : []), ...SIZES, ...toldOf(graph)];
  return [...SCALES.map((scale) => (usual: number) => Math.round(usual * scale)), ...sizes.map((size) => () => size)];
}

/** Extents in shapes, whole or joined of parts: an exporter has written the one that it saw into attention, whatever the file says of its inputs. */
function toldOf(graph: Graph): readonly number[] {
  const parts = graph.nodes.flatMap(({ op, inputs }) => (op === "Reshape" || op === "Concat" ? inputs : []));
  const told = new Set<number>();
  for (const name of new Set(parts)) {
    const shape = graph.initializers.get(name);
    if (shape?.type === "int64" && shape.dims.length === 1) for (const size of shape.data) told.add(Number(size));
  }
  return [...told].filter((size) => size > 1 && !SIZES.includes(size)).slice(0, MOST_TOLD);
}

/** One more than the last element that is taken on its own by its place: the length that a loop was unrolled for, whatever the file says. */
function takenOf(graph: Graph): number {
  let last = 0;
  for (const { op, inputs } of graph.nodes) {
    const place = op === "Gather" ? graph.initializers.get(inputs[1]!) : undefined;
    if (place?.size === 1 && !graph.initializers.has(inputs[0]!)) last = Math.max(last, Number(place.data[0]));
  }
  return last + 1;
}

interface Guess {
  readonly batch: number;
  readonly stage: Stage;
  readonly shapes: ReadonlyMap<string, Shape>;
}

/** Whether dimensions other than a batch are free. */
export function hasFreeSizes({ inputs }: Graph): boolean {
  return inputs.some(({ shape }) => shape?.slice(1).some((d) => typeof d === "string"));
}

/** The network as one stage, for shapes that it takes; or why there is none. */
function guessStage(graph: Graph, part: boolean, shrink: number): Guess | string {
  const odd = graph.inputs.find((input) => !canBeMade(input));
  if (odd !== undefined) return `its input "${odd.name}" is ${odd.holder ?? odd.type}`;
  const isFree = hasFreeSizes(graph);
  let why: string | undefined;
  for (const guess of guesses(graph).slice(0, isFree ? undefined : 1)) {
    const choose = (usual: number): number => Math.ceil(guess(usual) / shrink);
    const found = guessed(graph, part, choose);
    if (typeof found !== "string") {
      const spread = spreadOut(graph, part, choose, found);
      return isFree ? lighter(graph, part, choose, spread) : spread;
    }
    why ??= found;
  }
  return why!;
}

/** The same with more than one place along a batch whose places are named by ids. */
function spreadOut(graph: Graph, part: boolean, choose: (usual: number) => number, found: Guess): Guess {
  const tables = tokensOf(graph);
  const isLone = ({ stage }: Guess): boolean =>
    [...tokensOf(graph, stage.values)].some(([name, count]) => count === 1 && !tables.has(name));
  if (!isLone(found)) return found;
  const spread = guessed(graph, part, choose, PLACES);
  return typeof spread === "string" ? found : spread;
}

function guessed(graph: Graph, part: boolean, choose: (usual: number) => number, batch = 1): Guess | string {
  const shapes = shapesOf(graph, choose, batch);
  const feeds = graph.inputs.map(({ name, type }) => [name, { type, shape: shapes.get(name)! }] as const);
  try {
    const stage = oneStage(graph, feeds, part);
    return typeof stage === "string" ? stage : { batch, stage, shapes };
  } catch (error) {
    if (!(error instanceof BitbasisError || error instanceof RangeError || error instanceof TypeError)) throw error;
    return `no sizes of its free dimensions were found that it takes: ${error.message}`;
  }
}

/** The same with free dimensions of a half or a quarter of the size, as long as it is much work to measure every layer. */
function lighter(graph: Graph, part: boolean, choose: (usual: number) => number, found: Guess): Guess {
  const linear = linearNodes(graph);
  let least = found;
  for (let scale = 0.5; scale >= 0.25 && workOf(linear, least.stage) > MOST_WORK; scale /= 2) {
    const smaller = guessed(graph, part, (usual) => Math.round(choose(usual) * scale), found.batch);
    if (typeof smaller !== "string") least = smaller;
  }
  return least;
}

/** About the multiply-accumulates of measuring every layer with weights alone: each runs half of the network, twice on two records. */
function workOf(linear: readonly LinearNode[], { values, nodes }: Stage): number {
  const byName = new Map(linear.map((layer) => [layer.node.name, layer]));
  const sizeAt = (name: string | undefined) => sizeOf(values.get(name ?? "")?.shape ?? []);
  let [layers, once] = [0, 0];
  for (const { name, inputs, outputs } of nodes) {
    const layer = byName.get(name);
    // Sums of a product of two activations are as long as rows of the left one.
    const depth = layer?.shape?.depth ?? (layer === undefined ? OTHER_WORK : values.get(inputs[0]!)?.shape.at(-1));
    once += sizeAt(outputs[0]) * (depth ?? 1);
    if (layer?.shape !== undefined) layers++;
  }
  return 2 * layers * once;
}

function oneStage(graph: Graph, feeds: Parameters<typeof stageFor>[1], part: boolean): Stage | string {
  const stage = stageFor({ graph, weights: new Map(), layers: new Map() }, feeds);
  if (stage.final && stage.stop === undefined) return stage;
  const linear = linearNodes(graph);
  const before = linear.length - layersBehind(linear, stage).length;
  if (part && before > 0 && before >= LEAST_PART * linear.length) return stage;
  const { kind, node } = stage.stop ?? {};
  if (kind === "control") return "it has control flow";
  return kind === "host" ? `its ${node?.op} is computed outside of the core` : "its shapes depend on data";
}

/** Linear layers that are not run with a stage: behind its stop, or in a branch that is not taken. */
export function layersBehind(linear: readonly LinearNode[], { nodes }: Stage): LinearNode[] {
  const run = new Set(nodes.map(({ name }) => name));
  return linear.filter(({ node }) => !run.has(node.name));
}

/**
 * What a network is measured on: the samples that were given, or else `count` procedural records.
 *
 * @param options.held - values of inputs that a branch holds, for people
 * @param options.part - whether values in the middle will do where a run is needed to go on, as in a detector that counts its boxes; most linear layers must come before
 * @param options.shrink - what free dimensions are divided by
 * @returns why it cannot be measured, as a string: control flow, shapes that depend on data, inputs that are not made
 * @throws RangeError or TypeError for samples that do not fit the inputs, or a range that makes no sense
 */
export function recordsFor(
  graph: Graph,
  options: Pick<MeasureOptions, "inputRange"> & {
    readonly samples?: Samples;
    readonly seed?: number;
    readonly part?: boolean;
    readonly held?: string;
    readonly shrink?: number;
  },
  count?: number,
): Records | string {
  const { inputRange, samples, seed = 1, part = false, held = "", shrink = 1 } = options;
  if (samples !== undefined) return givenRecords(graph, checkSamples(graph.inputs, samples));
  checkRange(inputRange, graph.inputs);
  const guess = guessStage(graph, part, shrink);
  if (typeof guess === "string") return held === "" ? guess : `${guess} (${held})`;
  const { stage, shapes } = guess;
  const about = inputRange === undefined ? {} : { inputRange };
  const { feeds, names } = proceduralInputs(graph, { shapes, values: stage.values, seed, ...about }, count);
  const said = `${held === "" ? "" : `${held}, `}${names}${inputRange === undefined ? " (guessed)" : ""}${untilOf(graph, stage)}`;
  return { feeds, probes: Math.min(feeds.length, MOST_PROBES), stage, names: said, given: false };
}

/** How far a stage goes, for people; nothing where it is all. */
function untilOf(graph: Graph, stage: Stage): string {
  if (stage.stop === undefined) return "";
  const { op, name } = stage.stop.node;
  const linear = linearNodes(graph);
  const before = linear.length - layersBehind(linear, stage).length;
  return `; values before ${op} "${name}" in the place of outputs, ${before} of ${linear.length} layers`;
}

/** Records of the shapes of the first come first. */
function givenRecords(graph: Graph, given: readonly Feeds[]): Records | string {
  const first = signatureOf(given[0]!);
  const alike = given.filter((feeds) => signatureOf(feeds) === first);
  const feeds = [...alike, ...given.filter((one) => !alike.includes(one))];
  const types = [...given[0]!].map(([name, { type, dims }]) => [name, { type, shape: dims }] as const);
  const stage = oneStage(graph, types, false);
  if (typeof stage === "string") return stage;
  const names = `${given.length} given sample${given.length === 1 ? "" : "s"}`;
  return { feeds, probes: Math.min(alike.length, MOST_PROBES), stage, names, given: true };
}

/** @throws TypeError or RangeError that names the sample, the input, what was expected and what was given */
function checkSamples(inputs: readonly ValueInfo[], samples: unknown): Feeds[] {
  if (isRecord(samples) && !(Symbol.iterator in samples))
    throw new TypeError('"samples" expected a list of records of tensors, got one object');
  if (typeof samples !== "object" || samples === null) throw wrongKind("samples", "a list", samples);
  const list = [...(samples as Iterable<unknown>)];
  if (list.length === 0) throw new RangeError('"samples" expected at least one record of tensors, got none');
  return list.map((sample, i) => {
    if (!isRecord(sample)) throw wrongKind(`samples[${i}]`, "a record of tensors", sample);
    const extra = Object.keys(sample).find((name) => !inputs.some((input) => input.name === name));
    if (extra !== undefined)
      throw new RangeError(
        `"samples[${i}]" expected ${inputs.map(({ name }) => `"${name}"`).join(", ")}, got "${extra}"`,
      );
    return new Map(inputs.map((input) => [input.name, checkTensor(`samples[${i}].${input.name}`, input, sample)]));
  });
}

function checkTensor(what: string, input: ValueInfo, sample: Record<string, unknown>): Tensor {
  const tensor = sample[input.name];
  if (!isRecord(tensor) || !ArrayBuffer.isView(tensor["data"]) || !Array.isArray(tensor["dims"]))
    throw wrongKind(what, `a tensor of ${input.type}`, tensor);
  const { type, dims, data } = tensor as unknown as Tensor;
  if (type !== input.type) throw new TypeError(`"${what}" expected ${input.type}, got ${type}`);
  const fits =
    input.shape === undefined ||
    (dims.length === input.shape.length && input.shape.every((d, axis) => typeof d === "string" || d === dims[axis]));
  if (!fits) throw new RangeError(`"${what}" expected [${input.shape}], got [${dims}]`);
  return new Tensor(type, data, dims);
}
