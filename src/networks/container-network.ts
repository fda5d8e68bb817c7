// Quantized container → exact dyadic ReLU network: a weight is a float32 scale times an integer, which is a dyadic number.
import type { Attribute, Graph, Node } from "../graph/graph.ts";
import type { DyadicNetwork } from "../regimes/index.ts";
import { dequantize, fromRows, fuse, type WeightSeries } from "../series/index.ts";
import { openModel } from "../session/open.ts";
import { Reading } from "../session/source.ts";
import { Tensor } from "../tensor/index.ts";
import { type ReluNetworkOptions, reluNetworkOfGraph } from "./relu-network.ts";

/**
 * Reads the weights of a quantized container as one exact network: what the container computes if its activations were not rounded.
 * The scales make for many fractional bits (24 and more); round the result where that is too many.
 *
 * @throws as `reluNetwork`, and BitbasisError (`MODEL`) for bytes that are no container
 * @example
 * const { bytes } = await quantize(mlp, { preset: "fast" });
 * const { network } = roundNetwork(await containerNetwork(bytes), 10);
 */
export async function containerNetwork(
  container: Uint8Array,
  options: ReluNetworkOptions = {},
): Promise<DyadicNetwork> {
  const { graph, weights } = (await openModel(new Reading(container), {})).model;
  const build = new Standard(graph, weights);
  for (const node of graph.nodes) build.add(node);
  return reluNetworkOfGraph(build.graph(), options, build.exact);
}

/** Rewrites what the passes make (channels-last operators, fused activations) in standard operators. */
class Standard {
  readonly exact = new Map<string, Float64Array>();
  private readonly nodes: Node[] = [];
  private readonly initializers: Map<string, Tensor>;

  constructor(
    private readonly source: Graph,
    weights: ReadonlyMap<string, WeightSeries>,
  ) {
    this.initializers = new Map(source.initializers);
    for (const [name, series] of weights) {
      this.initializers.set(name, new Tensor("float32", dequantize(series), series.shape));
      this.exact.set(name, exactValues(series));
    }
  }

  graph(): Graph {
    return { ...this.source, nodes: this.nodes, initializers: this.initializers };
  }

  add(node: Node): void {
    if (node.domain !== "bitbasis") this.nodes.push(node);
    else if (node.op === "MatMul") this.matMul(node);
    else if (node.op === "Conv") this.last(node, this.kernel(node));
    else if (CHANNELS_LAST.has(node.op)) this.last(node, node.inputs.slice(1));
    // Left as it is: the reader refuses it, together with whatever else it cannot read.
    else this.nodes.push(node);
  }

  private matMul(node: Node): void {
    const [x, w, bias] = node.inputs as [string, string, string?];
    const right = node.attributes["transB"] === 1 ? this.emit(node, "Transpose", [w], { perm: [1, 0] }) : w;
    const product = this.emit(node, "MatMul", [x, right]);
    const sum = bias ? this.emit(node, "Add", [product, bias]) : product;
    this.finish(node, sum);
  }

  /** A channels-last operator between two transpositions. */
  private last(node: Node, others: readonly string[]): void {
    const first = this.emit(node, "Transpose", [node.inputs[0]!], { perm: [0, 3, 1, 2] });
    const { activation: _a, min: _min, max: _max, ...attributes } = node.attributes;
    const made = this.emit(node, node.op, [first, ...others], attributes);
    this.finish(node, this.emit(node, "Transpose", [made], { perm: [0, 2, 3, 1] }));
  }

  /** The weights of a Conv from [O, kh, kw, I/g] to [O, I/g, kh, kw], and its bias. */
  private kernel(node: Node): string[] {
    const name = node.inputs[1]!;
    const moved = `${name}/first`;
    if (!this.initializers.has(moved)) {
      const tensor = this.initializers.get(name)!;
      const [o, h, w, i] = tensor.dims as readonly [number, number, number, number];
      const order = Array.from({ length: tensor.size }, (_, at) => {
        const [x, rest] = [at % w, Math.floor(at / w)];
        const [y, pair] = [rest % h, Math.floor(rest / h)];
        return ((Math.floor(pair / i) * h + y) * w + x) * i + (pair % i);
      });
      const data = tensor.data as Float32Array;
      this.initializers.set(
        moved,
        new Tensor(
          "float32",
          Float32Array.from(order, (from) => data[from]!),
          [o, i, h, w],
        ),
      );
      const values = this.exact.get(name);
      if (values !== undefined)
        this.exact.set(
          moved,
          Float64Array.from(order, (from) => values[from]!),
        );
    }
    return [moved, ...node.inputs.slice(2)];
  }

  /** The activation that was fused, and the node's own output name. */
  private finish(node: Node, value: string): void {
    const { activation, min, max } = node.attributes;
    const last: Node = {
      name: node.name,
      op: "Identity",
      domain: "",
      inputs: [value],
      outputs: node.outputs,
      attributes: {},
    };
    if (activation === undefined) this.nodes.push(last);
    else if (activation !== "Clip") this.nodes.push({ ...last, op: String(activation) });
    else if (max === undefined) this.nodes.push({ ...last, op: "Clip", inputs: [value, this.scalar(min)] });
    else this.nodes.push({ ...last, op: "Clip", inputs: [value, this.scalar(min), this.scalar(max)] });
  }

  private scalar(value: Attribute | undefined): string {
    const name = `clip ${String(value)}`;
    this.initializers.set(name, new Tensor("float32", Float32Array.of(Number(value)), []));
    return name;
  }

  private emit(node: Node, op: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string {
    const name = `${node.outputs[0]}/${this.nodes.length}`;
    this.nodes.push({ name: node.name, op, domain: "", inputs, outputs: [name], attributes });
    return name;
  }
}

const CHANNELS_LAST = new Set(["MaxPool", "AveragePool", "GlobalAveragePool"]);

/** s·(Q − zero) of every weight: 24 bits times 16 bits, which a double holds exactly. */
function exactValues(series: WeightSeries): Float64Array {
  const fused = fuse(series);
  const rows = Float64Array.from(fused, (q, at) => series.scales[Math.floor(at / series.columns)]! * q);
  return fromRows(rows, series.shape, series.axis);
}
