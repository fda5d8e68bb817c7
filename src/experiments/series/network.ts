import type { Attribute, Graph, Node } from "../../graph/graph.ts";
import { writeOnnx } from "../../onnx/index.ts";
import { quantize } from "../../quantize/index.ts";
import type { LayerPlan, Plan } from "../../series/index.ts";
import { InferenceSession } from "../../session/session.ts";
import { normalNumbers, sizeOf, Tensor, uniformNumbers } from "../../tensor/index.ts";
import type { ExperimentOptions, StudyNetwork } from "../experiment.ts";

const PICTURES = 64;
const SIZE = 12;

/**
 * A small residual network with random weights, and smooth random pictures: what an experiment runs on when no network is given. Its answers mean
 * nothing, but they are 10 scores that a quantized network must reproduce.
 */
export function generatedNetwork(seed: number): StudyNetwork {
  const normal = normalNumbers(uniformNumbers(seed));
  const nodes: Node[] = [];
  const initializers = new Map<string, Tensor>();
  const weights = (name: string, dims: readonly number[]): string => {
    const deviation = Math.sqrt(2 / sizeOf(dims.slice(1)));
    const data = Float32Array.from({ length: sizeOf(dims) }, () => deviation * normal());
    initializers.set(name, new Tensor("float32", data, dims));
    return name;
  };
  const node = (op: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}): string => {
    nodes.push({ name: output, op, domain: "", inputs, outputs: [output], attributes });
    return output;
  };
  const conv = (x: string, name: string, from: number, to: number, stride = 1): string =>
    node("Conv", [x, weights(`${name}.w`, [to, from, 3, 3]), weights(`${name}.b`, [to])], name, {
      pads: [1, 1, 1, 1],
      strides: [stride, stride],
    });
  let x = node("Relu", [conv("image", "stem", 3, 16)], "stem.relu");
  for (const [i, [from, to]] of [[16, 16] as const, [16, 32] as const].entries()) {
    const inner = node("Relu", [conv(x, `block${i}.a`, from, to, to / from)], `block${i}.relu`);
    const outer = conv(inner, `block${i}.b`, to, to);
    const sum = from === to ? node("Add", [outer, x], `block${i}.sum`) : outer;
    x = node("Relu", [sum], `block${i}.out`);
  }
  const pooled = node("Flatten", [node("GlobalAveragePool", [x], "pool")], "flat");
  node("Gemm", [pooled, weights("fc.w", [10, 32]), weights("fc.b", [10])], "scores", { transB: 1 });
  const graph: Graph = {
    name: "generated",
    opsets: { "": 17 },
    inputs: [{ name: "image", type: "float32", shape: ["N", 3, SIZE, SIZE] }],
    outputs: [{ name: "scores", type: "float32", shape: undefined }],
    ...{ nodes, initializers },
  };
  const data = new Float32Array(PICTURES * 3 * SIZE * SIZE);
  for (let i = 0; i < data.length; i++) data[i] = 0.6 * (i % SIZE > 0 ? data[i - 1]! : 0) + 0.8 * normal();
  const image = new Tensor("float32", data, [PICTURES, 3, SIZE, SIZE]);
  return { name: "a generated residual network", onnx: writeOnnx(graph), inputs: [{ image }] };
}

/** How far a network under a plan is from its own float32, over all inputs. */
export type Evaluation = {
  /** Part of the vectors along the last axis of the output whose largest element is where float32 has it. */
  readonly agreement: number;
  /** Signal over error of the output, in dB. */
  readonly decibels: number;
  /** Part of the vectors whose largest element is at their label; where labels are given. */
  readonly accuracy?: number;
  /** Of the container. */
  readonly bytes: number;
};

/** A network whose float32 answers are known. */
export class Study {
  private constructor(
    readonly network: StudyNetwork,
    private readonly output: string,
    private readonly classes: number,
    private readonly expected: Float32Array,
    private readonly signal: AbortSignal | undefined,
    /** Of float32, where labels are given. */
    readonly accuracy: number | undefined,
  ) {}

  static async create(options: ExperimentOptions): Promise<Study> {
    const network = options.network ?? generatedNetwork(options.seed ?? 1);
    const session = await InferenceSession.create(network.onnx, { preset: "float32" });
    const [output = ""] = session.outputNames;
    const { values, classes } = await answers(session, network, output);
    return new Study(network, output, classes, values, options.signal, accuracyOf(values, classes, network.labels));
  }

  /** Names of the linear layers in order. */
  async layers(): Promise<string[]> {
    const plan: Plan = { version: 1, default: { bits: 4, weightTerms: 1, activationTerms: 1 } };
    return (await quantize(this.network.onnx, { plan })).report.layers.map(({ name }) => name);
  }

  async evaluate(plan: LayerPlan | Plan): Promise<Evaluation> {
    this.signal?.throwIfAborted();
    const whole: Plan = "version" in plan ? plan : { version: 1, default: plan };
    const { bytes } = await quantize(this.network.onnx, { plan: whole });
    const session = await InferenceSession.create(bytes);
    const { values } = await answers(session, this.network, this.output);
    let [signal, error, same] = [0, 0, 0];
    for (const [i, v] of this.expected.entries()) {
      signal += v * v;
      error += (v - values[i]!) ** 2;
    }
    const count = values.length / this.classes;
    for (let i = 0; i < count; i++) same += this.best(values, i) === this.best(this.expected, i) ? 1 : 0;
    const accuracy = accuracyOf(values, this.classes, this.network.labels);
    return {
      agreement: same / count,
      decibels: error === 0 ? 200 : decibels(signal / error),
      ...(accuracy === undefined ? {} : { accuracy }),
      bytes: bytes.length,
    };
  }

  private best(values: Float32Array, i: number): number {
    return argmax(values, i * this.classes, this.classes);
  }
}

async function answers(
  session: InferenceSession,
  { inputs }: StudyNetwork,
  output: string,
): Promise<{ values: Float32Array; classes: number }> {
  const parts: Float32Array[] = [];
  let classes = 1;
  for (const feeds of inputs) {
    const { [output]: tensor } = await session.run(feeds, [output]);
    parts.push(Float32Array.from(tensor!.data as ArrayLike<number>));
    classes = tensor!.dims.at(-1) ?? 1;
  }
  await session.release();
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return { values, classes };
}

function accuracyOf(values: Float32Array, classes: number, labels: readonly number[] | undefined): number | undefined {
  if (labels === undefined) return undefined;
  if (labels.length !== values.length / classes)
    throw new RangeError(`"labels" expected ${values.length / classes} classes, one per vector, got ${labels.length}`);
  const hits = labels.filter((label, i) => argmax(values, i * classes, classes) === label).length;
  return hits / labels.length;
}

function argmax(values: Float32Array, from: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[from + i]! > values[from + best]!) best = i;
  return best;
}

/** 10·log10, to a tenth: further digits of a host's logarithm may differ. */
export function decibels(ratio: number): number {
  return Math.round(100 * Math.log10(ratio)) / 10;
}
