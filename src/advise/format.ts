import type { Core } from "../core/index.ts";
import { activationTable } from "../fixed-point/activations.ts";
import { separation } from "../fixed-point/separation.ts";
import type { Graph, Node } from "../graph/index.ts";
import type { LinearNode } from "../quantize/linear.ts";
import { roundingOf } from "../quantize/quantize-graph.ts";
import { activationWidth, dequantize, isRounded, type LayerPlan, roundRows, weightWidth } from "../series/index.ts";

/** What a layer's weights lose in the format that the plan gives them. */
export interface WeightLoss {
  /** √(Σ(w − ŵ)²/Σw²). */
  readonly error: number;
  /** Part of the weights that are not 0 and become 0. */
  readonly lost: number;
  /** Part of the weights that are off by more than a step, which is clipping. */
  readonly saturated: number;
}

/** @returns undefined for layers without weights, or in float32 */
export function weightLoss(core: Core, linear: LinearNode, plan: LayerPlan): WeightLoss | undefined {
  const { weights } = linear;
  if (weights === undefined || weightWidth(plan) === 0 || !isRounded(plan)) return undefined;
  const series = roundRows(core, weights.tensor, roundingOf(linear, plan));
  const [exact, rounded] = [weights.tensor.data, dequantize(series)];
  const steps = series.scales;
  const { dims } = weights.tensor;
  const inner = dims.slice(weights.axis + 1).reduce((product, d) => product * d, 1);
  let [lost, saturated] = [0, 0];
  for (const [i, w] of exact.entries()) {
    const row = Math.floor(i / inner) % (dims[weights.axis] ?? 1);
    if (w !== 0 && rounded[i] === 0) lost++;
    if (Math.abs(w - rounded[i]!) > steps[row]!) saturated++;
  }
  const { relativeError: error } = series;
  return { error, lost: lost / Math.max(exact.length, 1), saturated: saturated / Math.max(exact.length, 1) };
}

/** What an activation function keeps of the values of a fixed-point format. */
export interface ActivationLoss {
  /** Of the function: `relu`, `gelu`, … */
  readonly name: string;
  /** The format: numbers k/s with |k| < 2^p, about ±8. */
  readonly p: number;
  /** Steps per unit: numbers of the format are multiples of 1/s. */
  readonly s: number;
  /** Values that it gives, of the 2^(p + 1) − 1 that go in. */
  readonly values: number;
  /** Whether neurons of this format tell all inputs apart, so that networks wide enough lose nothing. */
  readonly separates: boolean;
}

/** Names of `bitbasis/fixed-point` by ONNX operator; ReLU6, a Clip, is not among them. */
const NAMES: Readonly<Record<string, string>> = {
  Relu: "relu",
  Sigmoid: "sigmoid",
  Tanh: "tanh",
  HardSwish: "hardswish",
  HardSigmoid: "hardsigmoid",
  Gelu: "gelu",
  Silu: "silu",
  Swish: "silu",
  Softplus: "softplus",
  Elu: "elu",
};
/** Beyond ± 8 the functions with a bound are flat. */
const RANGE = 8;

/** The functions behind layers, fused into them or read next, in formats of the plan's activation bits. */
export class ActivationLosses {
  private readonly known = new Map<string, ActivationLoss>();

  constructor(private readonly graph: Graph) {}

  /** @returns undefined where the function is none that is known, or the activations stay in float32 */
  of(node: Node, plan: LayerPlan): ActivationLoss | undefined {
    const bits = activationWidth(plan);
    const name = this.nameBehind(node);
    if (name === undefined || bits < 2) return undefined;
    const key = `${name} ${bits}`;
    const found = this.known.get(key) ?? measured(name, bits - 1);
    this.known.set(key, found);
    return found;
  }

  private nameBehind({ attributes, outputs }: Node): string | undefined {
    const fused = attributes["activation"];
    // Relu is fused as a Clip without an upper bound.
    if (fused === "Clip" && attributes["min"] === 0)
      return { undefined: "relu", "6": RELU6 }[String(attributes["max"])];
    if (typeof fused === "string" && fused !== "") return NAMES[fused];
    const readers = this.graph.nodes.filter(({ inputs }) => inputs.includes(outputs[0]!));
    return readers.length === 1 ? NAMES[readers[0]!.op] : undefined;
  }
}

const RELU6 = "relu6";

function measured(name: string, p: number): ActivationLoss {
  const m = 2 ** p - 1;
  const s = Math.max(1, Math.round(m / RANGE));
  const relu6 = (): Int32Array =>
    Int32Array.from({ length: 2 * m + 1 }, (_, i) => Math.min(Math.max(i - m, 0), 6 * s, m));
  const table = name === RELU6 ? relu6() : activationTable(name, p, s);
  return { name, p, s, values: new Set(table).size, separates: separation(table, p, s).separates };
}
