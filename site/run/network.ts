import {
  type ElementType,
  InferenceSession,
  type Plan,
  type Preset,
  Tensor,
  type ValueMetadata,
} from "../../src/entries/index.ts";
import { inspect, type LayerReport, quantize } from "../../src/entries/quantize.ts";
import { uniformNumbers } from "../../src/tensor/random.ts";

/** What an input is fed: a shape, and its elements where they are no noise. */
export interface Feed {
  readonly shape: readonly number[];
  readonly data?: Float32Array;
}

export interface Opened {
  readonly inputs: readonly ValueMetadata[];
  readonly bytes: number;
  readonly parameters: number;
  readonly nodes: number;
}

/** How a network is to be quantized. */
export type Choice = { readonly preset: Preset } | { readonly plan: Plan };

/** The first output, as one of the runs had it. */
export interface Answer {
  /** Terms in use; 0 is the network itself in float32. */
  readonly terms: number;
  readonly data: Float32Array;
  /** Largest distance to float32, relative to the largest value there. */
  readonly difference: number;
}

export interface Quantized {
  readonly output: string;
  readonly dims: readonly number[];
  readonly answers: readonly Answer[];
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly layers: readonly LayerReport[];
  /** Medians of runs in turn, milliseconds. */
  readonly times: { readonly float32: number; readonly quantized: number; readonly runs: number };
  readonly container: Uint8Array;
}

let network: { readonly bytes: Uint8Array; readonly inputs: readonly ValueMetadata[] } | undefined;

/** Elements shown and compared at most: an output of a detector has millions. */
const MOST = 2 ** 18;
/** What both contestants may take to be timed. */
const TIMED = { milliseconds: 1500, runs: 31 };
const SEED = 1;

/** Reads a network of the user or of the page; what cannot run is refused here. */
export async function open(bytes: Uint8Array): Promise<Opened> {
  const { format, operators, parameters } = await inspect(bytes);
  if (format !== "onnx") throw new Error("expected an .onnx file: a container is quantized already");
  const session = await InferenceSession.create(bytes, { preset: "float32" });
  network = { bytes, inputs: session.inputMetadata };
  await session.release();
  const nodes = Object.values(operators).reduce((sum, calls) => sum + calls, 0);
  return { inputs: network.inputs, bytes: bytes.length, parameters, nodes };
}

/** Quantizes, then runs with one term, two, … all, and beside float32. */
export async function quantized(choice: Choice, feeds: Readonly<Record<string, Feed>>): Promise<Quantized> {
  if (network === undefined) throw new Error("no network is open");
  const { bytes, inputs } = network;
  const tensors = Object.fromEntries(inputs.map((input) => [input.name, tensorOf(input, feeds[input.name])]));
  const { bytes: container, report } = await quantize(bytes, { ...choice, check: false });
  const float32 = await InferenceSession.create(bytes, { preset: "float32" });
  const whole = await InferenceSession.create(container);
  try {
    const output = float32.outputNames[0]!;
    const first = (await float32.run(tensors, [output]))[output]!;
    const reference = numbers(first);
    const answers: Answer[] = [{ terms: 0, data: reference, difference: 0 }];
    const { total } = whole.terms;
    for (let terms = 1; terms <= total; terms++) {
      const session = terms === total ? whole : await InferenceSession.create(container, { terms });
      const data = numbers((await session.run(tensors, [output]))[output]!);
      if (session !== whole) await session.release();
      answers.push({ terms, data, difference: difference(data, reference) });
    }
    const times = await race([() => float32.run(tensors), () => whole.run(tensors)]);
    return {
      ...{ output, dims: first.dims, answers, layers: report.layers, container },
      ...{ bytesBefore: report.bytesBefore, bytesAfter: report.bytesAfter },
      times: { float32: times.medians[0]!, quantized: times.medians[1]!, runs: times.runs },
    };
  } finally {
    await float32.release();
    await whole.release();
  }
}

/** Runs both in turn, so that what the machine does besides falls on both. */
async function race(contestants: readonly (() => Promise<unknown>)[]): Promise<{ medians: number[]; runs: number }> {
  const times: number[][] = contestants.map(() => []);
  const end = performance.now() + TIMED.milliseconds;
  do {
    for (const [i, run] of contestants.entries()) {
      const start = performance.now();
      await run();
      times[i]!.push(performance.now() - start);
    }
  } while (performance.now() < end && times[0]!.length < TIMED.runs);
  return { medians: times.map((list) => list.sort((a, b) => a - b)[list.length >> 1]!), runs: times[0]!.length };
}

function tensorOf({ name, type, isTensor }: ValueMetadata, feed: Feed | undefined): Tensor {
  if (!isTensor || feed === undefined) throw new Error(`input "${name}" of type ${type} cannot be made here`);
  const size = feed.shape.reduce((product, extent) => product * extent, 1);
  if (feed.data !== undefined) return new Tensor("float32", feed.data, feed.shape);
  const random = uniformNumbers(SEED);
  const value = (): number => (type.startsWith("float") ? random() * 2 - 1 : random() < 0.5 ? 0 : 1);
  const values = Array.from({ length: size }, value);
  if (type === "string") return new Tensor("string", values.map(String), feed.shape);
  if (type === "bool")
    return new Tensor(
      "bool",
      values.map((bit) => bit > 0),
      feed.shape,
    );
  if (type.endsWith("int64")) return new Tensor(type as ElementType, values.map(BigInt), feed.shape);
  return new Tensor(type as ElementType, values, feed.shape);
}

function numbers(tensor: Tensor): Float32Array {
  if (tensor.type === "string") throw new Error("the first output is text, of which no error can be told");
  return Float32Array.from(tensor.data.slice(0, MOST) as ArrayLike<number | bigint>, Number);
}

function difference(a: Float32Array, b: Float32Array): number {
  let most = 0;
  let size = 0;
  b.forEach((value, i) => {
    most = Math.max(most, Math.abs(a[i]! - value));
    size = Math.max(size, Math.abs(value));
  });
  return size > 0 ? most / size : most;
}
