import { BitbasisError } from "../../core/errors.ts";
import { Tensor } from "../../tensor/index.ts";
import { nodeError } from "../errors.ts";
import type { Attribute, Graph, Node } from "../graph.ts";
import { isGraph } from "../order.ts";
import { ranks } from "../ranks.ts";
import { Names } from "./names.ts";

/** Oldest opset that is read: its binary operators broadcast as NumPy does. */
export const MIN_OPSET = 7;

interface Context {
  readonly opset: number;
  constant(name: string | undefined): Tensor | undefined;
  /** Adds an initializer and returns its name. */
  add(base: string, tensor: Tensor): string;
  /** A new value name. */
  value(base: string): string;
  fail(node: Node, why: string): BitbasisError;
}

type Rewrite = (node: Node, context: Context) => readonly Node[] | undefined;

/**
 * Brings the operators of every opset from 7 on to one form, that of opset 21: axes, bounds, pads and splits are inputs, Softmax has an axis,
 * Upsample is Resize, Scatter is ScatterElements, Dropout is Identity, Sum, Mean, Max and Min are binary, Gelu is bitbasis/Gelu.
 * The result has `opsets.bitbasis`; `opsets[""]` stays the model's own, for messages. Normalizing twice changes nothing.
 */
export function normalize(graph: Graph): Graph {
  if ("bitbasis" in graph.opsets) return graph;
  const opset = graph.opsets[""] ?? 0;
  if (opset < MIN_OPSET) {
    throw new BitbasisError(
      "UNSUPPORTED",
      `opset ${opset} is older than ${MIN_OPSET}: convert the model to a newer one`,
    );
  }
  const names = new Names(graph);
  return flattenSoftmax(rewrite(graph, opset, names), opset, names);
}

function rewrite(graph: Graph, opset: number, names: Names): Graph {
  const initializers = new Map(graph.initializers);
  const context: Context = {
    opset,
    constant: (name) => (name === undefined ? undefined : initializers.get(name)),
    add: (base, tensor) => {
      const name = names.unique(base);
      initializers.set(name, tensor);
      return name;
    },
    value: (base) => names.unique(base),
    fail: (node, why) => nodeError(node, graph.opsets, why),
  };
  const nodes = graph.nodes.flatMap((given) => {
    const attributes: Record<string, Attribute> = {};
    for (const [name, value] of Object.entries(given.attributes)) {
      attributes[name] = isGraph(value) ? rewrite(value, opset, names) : value;
    }
    const node = { ...given, attributes };
    const rule = node.domain === "" ? REWRITES[node.op] : undefined;
    return rule?.(node, context) ?? [node];
  });
  return { ...graph, opsets: { ...graph.opsets, bitbasis: 1 }, nodes, initializers };
}

function without(node: Node, ...names: string[]): Record<string, Attribute> {
  return Object.fromEntries(Object.entries(node.attributes).filter(([name]) => !names.includes(name)));
}

/** Moves attributes to inputs: `order[i]` is the attribute that becomes input `i + 1`, as `type`. */
function toInputs(type: "int64" | "float32", ...order: string[]): Rewrite {
  return (node, { add }) => {
    if (!order.some((name) => name in node.attributes)) return undefined;
    const inputs = [
      node.inputs[0]!,
      ...order.map((name) => {
        const value = node.attributes[name];
        if (value === undefined) return "";
        const tensor =
          typeof value === "number" ? new Tensor(type, [value], []) : new Tensor(type, [...(value as number[])]);
        return add(`${node.name}/${name}`, tensor);
      }),
    ];
    while (inputs.at(-1) === "") inputs.pop();
    return [{ ...node, inputs, attributes: without(node, ...order) }];
  };
}

/** As `toInputs`, for operators whose second input says the same since a later opset. */
const axesToInput = toInputs("int64", "axes");

/** a ∘ b ∘ c … as binary nodes; the last one has the name and the output of the original. */
function binary(op: string): Rewrite {
  return (node, { value }) => {
    if (node.inputs.length === 1) return [{ ...node, op: "Identity" }];
    if (node.inputs.length === 2) return op === node.op ? undefined : [{ ...node, op }];
    const nodes: Node[] = [];
    let left = node.inputs[0]!;
    node.inputs.slice(1).forEach((right, i) => {
      const last = i === node.inputs.length - 2;
      const output = last ? node.outputs[0]! : value(`${node.outputs[0]}/${i}`);
      nodes.push({
        ...node,
        name: last ? node.name : `${node.name}/${i}`,
        op,
        inputs: [left, right],
        outputs: [output],
      });
      left = output;
    });
    return nodes;
  };
}

const mean: Rewrite = (node, context) => {
  if (node.inputs.length === 1) return [{ ...node, op: "Identity" }];
  const sum = context.value(`${node.outputs[0]}/sum`);
  const parts = { ...node, name: `${node.name}/sum`, op: "Sum", outputs: [sum] };
  const count = context.add(`${node.name}/count`, new Tensor("float32", [node.inputs.length], []));
  return [...(binary("Add")(parts, context) ?? [parts]), { ...node, op: "Div", inputs: [sum, count] }];
};

const pad: Rewrite = (node, context) => {
  if (!("pads" in node.attributes)) return undefined;
  const zero = { ...node, attributes: { value: 0, ...node.attributes } };
  const moved = toInputs("int64", "pads")({ ...zero, attributes: without(zero, "value") }, context)![0]!;
  const value = context.add(`${node.name}/value`, new Tensor("float32", [zero.attributes["value"] as number], []));
  return [{ ...moved, inputs: [...moved.inputs, value] }];
};

const split: Rewrite = (node, context) => {
  const moved = toInputs("int64", "split")(node, context)?.[0] ?? node;
  if ((moved.inputs[1] ?? "") !== "") return [moved];
  return [{ ...moved, attributes: { ...moved.attributes, num_outputs: node.outputs.length } }];
};

const dropout: Rewrite = (node, { constant, fail }) => {
  const training = node.inputs[2] ?? "";
  const mode = constant(training)?.data as ArrayLike<number> | undefined;
  if (mode !== undefined && mode[0] !== 0) throw fail(node, "training mode is not supported");
  if ((node.outputs[1] ?? "") !== "" || (training !== "" && mode === undefined)) return undefined;
  return [{ ...node, op: "Identity", inputs: [node.inputs[0]!], outputs: [node.outputs[0]!], attributes: {} }];
};

const batchNormalization: Rewrite = (node, { fail }) => {
  if (node.attributes["training_mode"] === 1) throw fail(node, "training mode is not supported");
  if (node.attributes["spatial"] === 0) throw fail(node, "spatial = 0 is not supported");
  const { epsilon = 1e-5 } = node.attributes;
  return [{ ...node, outputs: [node.outputs[0]!], attributes: { epsilon } }];
};

/** Upsample and Resize of opset 10: output pixel o reads input o / scale, rounded down for "nearest". */
const upsample: Rewrite = (node, context) => {
  if (node.op === "Resize" && context.opset >= 11) return undefined;
  const scales = node.attributes["scales"];
  const name =
    scales === undefined
      ? node.inputs[1]!
      : context.add(`${node.name}/scales`, new Tensor("float32", [...(scales as readonly number[])]));
  const attributes = {
    mode: node.attributes["mode"] ?? "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  };
  return [{ ...node, op: "Resize", inputs: [node.inputs[0]!, "", name], attributes }];
};

const REWRITES: Readonly<Record<string, Rewrite>> = {
  Squeeze: axesToInput,
  Unsqueeze: axesToInput,
  Slice: toInputs("int64", "starts", "ends", "axes"),
  Clip: toInputs("float32", "min", "max"),
  Pad: pad,
  Split: split,
  TopK: (node, context) => {
    if (!("k" in node.attributes)) return undefined;
    const k = context.add(`${node.name}/k`, new Tensor("int64", [node.attributes["k"] as number]));
    return [{ ...node, inputs: [node.inputs[0]!, k], attributes: without(node, "k") }];
  },
  Dropout: dropout,
  BatchNormalization: batchNormalization,
  Upsample: upsample,
  Resize: upsample,
  Sum: binary("Add"),
  Max: binary("Max"),
  Min: binary("Min"),
  Mean: mean,
  Scatter: (node) => [{ ...node, op: "ScatterElements" }],
  Gelu: (node) => [{ ...node, domain: "bitbasis", attributes: { approximate: "none", ...node.attributes } }],
  ...Object.fromEntries(
    "Sum Mean Max Min Prod L1 L2 LogSum LogSumExp SumSquare".split(" ").map((op) => [`Reduce${op}`, axesToInput]),
  ),
};

const SOFTMAX = new Set(["Softmax", "LogSoftmax", "Hardmax"]);

/**
 * Before opset 13 Softmax worked on the input flattened to two dimensions at `axis`. That is the new one when `axis` is the last; otherwise
 * the flattening is written out.
 */
function flattenSoftmax(graph: Graph, opset: number, names: Names): Graph {
  const rankOf = ranks(graph);
  const nodes = graph.nodes.flatMap((given): Node[] => {
    const attributes = { ...given.attributes };
    for (const [name, value] of Object.entries(attributes)) {
      if (isGraph(value)) attributes[name] = flattenSoftmax(value, opset, names);
    }
    const node = { ...given, attributes };
    if (node.domain !== "" || !SOFTMAX.has(node.op)) return [node];
    const [input, output] = [node.inputs[0]!, node.outputs[0]!];
    const axis = (node.attributes["axis"] ?? (opset < 13 ? 1 : -1)) as number;
    const rank = rankOf.get(input);
    if (opset >= 13 || axis === -1 || (rank !== undefined && axis === rank - 1)) {
      return [{ ...node, attributes: { axis: opset < 13 ? -1 : axis } }];
    }
    const [shape, flat, soft] = ["shape", "flat", "softmax"].map((part) => names.unique(`${output}/${part}`)) as [
      string,
      string,
      string,
    ];
    const plain = { domain: "", attributes: {} };
    return [
      { ...plain, name: `${node.name}/shape`, op: "Shape", inputs: [input], outputs: [shape] },
      { ...plain, name: `${node.name}/flat`, op: "Flatten", inputs: [input], outputs: [flat], attributes: { axis } },
      { ...node, inputs: [flat], outputs: [soft], attributes: { axis: -1 } },
      { ...plain, name: `${node.name}/unflat`, op: "Reshape", inputs: [soft, shape], outputs: [output] },
    ];
  });
  return { ...graph, nodes };
}
