import { newCore } from "../../src/core/index.ts";
import type { Graph, Node } from "../../src/graph/graph.ts";
import type { Model } from "../../src/model/index.ts";
import { expandWeights, type LayerPlan, type WeightSeries } from "../../src/series/index.ts";
import { sizeOf, Tensor } from "../../src/tensor/index.ts";

/** Numbers in −1 … 1 from a seed. */
export function noise(length: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** A tensor of such numbers. */
export function noiseTensor(dims: readonly number[], seed: number): Tensor<"float32"> {
  return new Tensor("float32", noise(sizeOf(dims), seed), dims);
}

/** Two Gemm layers with names that are hard to store; `terms` of each. */
export async function smallModel(terms: readonly [number, number] = [3, 2]): Promise<Model> {
  const core = await newCore();
  const names = ["7", "b#1"];
  const weights = new Map<string, WeightSeries>();
  const layers = new Map<string, LayerPlan>();
  const nodes: Node[] = [];
  names.forEach((name, i) => {
    const tensor = new Tensor("float32", noise(21, i + 1), [7, 3]);
    const outliers = i === 1 ? 0.2 : 0;
    const { name: _n, ...rest } = expandWeights(core, tensor, { name, axis: i, bits: 4, terms: terms[i]!, outliers });
    const { shape, axis, rows, columns, bits, digits, scales, sparse, planes, largestL1, largestSum } = rest;
    weights.set(name, {
      ...{ name, shape, axis, rows, columns, bits, terms: terms[i]!, digits, scales },
      ...(sparse === undefined ? {} : { sparse }),
      ...{ planes: [...planes], largestL1, largestSum },
    });
    const node = { name: `gemm ${i}`, op: "Gemm", domain: "", inputs: [`x${i}`, name], outputs: [`x${i + 1}`] };
    nodes.push({ ...node, attributes: {} });
    layers.set(node.name, { bits: 4, weightTerms: terms[i]!, activationTerms: 2 });
  });
  const graph: Graph = {
    name: "small",
    opsets: { "": 17 },
    inputs: [{ name: "x0", type: "float32", shape: ["N", 7] }],
    outputs: [{ name: "x2", type: "float32", shape: ["N", 3] }],
    nodes,
    initializers: new Map<string, Tensor>([
      ["9", new Tensor("float32", noise(3, 9), [3])],
      ["bytes", new Tensor("uint8", Uint8Array.of(1, 2, 3))],
      ["__metadata__", new Tensor("int64", BigInt64Array.of(-1n, 2n ** 62n), [2, 1])],
      ['a "quoted\\" name #', new Tensor("float32", Float32Array.of(1.5), [])],
      ["__proto__", new Tensor("bool", Uint8Array.of(1, 0))],
      ["half", new Tensor("float16", Uint16Array.of(0x3c00))],
      ["empty", new Tensor("float64", new Float64Array(0), [0, 4])],
    ]),
  };
  return { graph, weights, layers, plan: { version: 1, default: layers.get("gemm 0")! }, preset: "faithful" };
}
