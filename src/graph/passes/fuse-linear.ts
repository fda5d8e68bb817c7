import { sizeOf, Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { type Editor, key, type Rule } from "./editor.ts";

/**
 * y[…, c, …] = x[…, c, …]·scale[c] + shift[c] after a linear layer, in double: what a BatchNormalization, or a Mul, Div, Add or Sub by constants
 * does. `scale` and `shift` have one entry per output channel.
 */
interface Affine {
  readonly scale: ((channel: number) => number) | undefined;
  readonly shift: ((channel: number) => number) | undefined;
}

const LINEAR = ["Conv", "ConvTranspose", "Gemm", "MatMul", "bitbasis/MatMul"];

/** Affine per-channel operators are computed into the weights and the bias of the layer before them. */
export const foldAffine: Rule = (node, editor) => {
  const at = dataInput(node, editor);
  if (at === undefined) return false;
  const value = node.inputs[at]!;
  const layer = editor.madeBy(value, ...LINEAR);
  if (layer === undefined || editor.onlyReader(value) !== node) return false;
  const weights = editor.constant(layer.inputs[1]);
  if (weights === undefined || weights.type !== "float32" || (layer.op === "Gemm" && !isPlain(layer))) return false;
  const channels = channelsOf(layer, weights);
  if (channels === undefined) return false;
  const affine = affineOf(node, at, editor, channels, layer.op.startsWith("Conv") ? weights.dims.length : undefined);
  if (affine === undefined) return false;
  const bias = editor.constant(layer.inputs[2]);
  if (layer.inputs[2] && (bias === undefined || (bias.size !== 1 && bias.size !== channels))) return false;
  const inputs = [...layer.inputs];
  if (affine.scale !== undefined) {
    const scaled = scaleWeights(layer, weights, channels, affine.scale);
    inputs[1] = editor.changeInitializer(layer.inputs[1]!, scaled, layer);
  }
  if (bias !== undefined || affine.shift !== undefined) {
    const old = bias?.data as Float32Array | undefined;
    const data = Float32Array.from({ length: channels }, (_, c) => {
      const before = old === undefined ? 0 : old[old.length === 1 ? 0 : c]!;
      return before * (affine.scale?.(c) ?? 1) + (affine.shift?.(c) ?? 0);
    });
    const tensor = new Tensor("float32", data, [channels]);
    inputs[2] =
      bias === undefined
        ? editor.addInitializer(`${layer.name}/bias`, tensor)
        : editor.changeInitializer(layer.inputs[2]!, tensor, layer);
  }
  const domain = layer.op === "MatMul" && inputs.length > 2 ? "bitbasis" : layer.domain;
  editor.remove(node);
  editor.replace(layer, { ...layer, domain, inputs, outputs: node.outputs });
  return true;
};

/** The input that is not constant; undefined when the operator is not affine with constants. */
function dataInput(node: Node, editor: Editor): number | undefined {
  switch (key(node)) {
    case "BatchNormalization":
    case "Sub":
    case "Div":
      return node.inputs.slice(1).every((name) => editor.constant(name)?.type === "float32") ? 0 : undefined;
    case "Mul":
    case "Add":
      if (editor.constant(node.inputs[1])?.type === "float32") return 0;
      return editor.constant(node.inputs[0])?.type === "float32" ? 1 : undefined;
  }
  return undefined;
}

function isPlain(gemm: Node): boolean {
  const { alpha = 1, beta = 1, transA = 0 } = gemm.attributes;
  return alpha === 1 && beta === 1 && transA === 0;
}

function channelsOf(layer: Node, weights: Tensor): number | undefined {
  const { dims } = weights;
  switch (layer.op) {
    case "Conv":
      return dims[0];
    case "ConvTranspose":
      return dims[1]! * ((layer.attributes["group"] as number | undefined) ?? 1);
    case "Gemm":
      return layer.attributes["transB"] === 1 ? dims[0] : dims[1];
  }
  return dims.length === 2 ? dims[1] : undefined;
}

/** What BatchNormalization does to channel c: x·scale + shift. */
export function batchAffine(node: Node, editor: Editor): Affine | undefined {
  const parts = node.inputs.slice(1, 5).map((name) => editor.constant(name)?.data as Float32Array | undefined);
  if (parts.length !== 4 || parts.some((part) => part === undefined)) return undefined;
  const [gamma, beta, mean, variance] = parts as [Float32Array, Float32Array, Float32Array, Float32Array];
  const epsilon = (node.attributes["epsilon"] as number | undefined) ?? 1e-5;
  const scale = (c: number): number => gamma[c]! / Math.sqrt(variance[c]! + epsilon);
  return { scale, shift: (c) => beta[c]! - mean[c]! * scale(c) };
}

function affineOf(
  node: Node,
  at: number,
  editor: Editor,
  channels: number,
  rank: number | undefined,
): Affine | undefined {
  if (node.op === "BatchNormalization") return batchAffine(node, editor);
  const constant = editor.constant(node.inputs[1 - at])!;
  if (!perChannel(constant.dims, channels, rank)) return undefined;
  const data = constant.data as Float32Array;
  const entry = (c: number): number => data[data.length === 1 ? 0 : c]!;
  switch (node.op) {
    case "Mul":
      return { scale: entry, shift: undefined };
    case "Div":
      return data.some((v) => v === 0) ? undefined : { scale: (c) => 1 / entry(c), shift: undefined };
    case "Add":
      return { scale: undefined, shift: entry };
  }
  return { scale: undefined, shift: (c) => -entry(c) };
}

/** Whether a constant has one value, or one per channel; channels are second of `rank` axes for convolutions and last otherwise. */
function perChannel(dims: readonly number[], channels: number, rank: number | undefined): boolean {
  const size = sizeOf(dims);
  if (dims.length > (rank ?? 2)) return false;
  if (size === 1) return rank !== undefined || dims.length <= 2;
  const axis = dims.length - (rank === undefined ? 1 : rank - 1);
  return size === channels && dims[axis] === channels;
}

function scaleWeights(layer: Node, weights: Tensor, channels: number, scale: (c: number) => number): Tensor {
  const from = weights.data as Float32Array;
  const group = layer.op === "ConvTranspose" ? ((layer.attributes["group"] as number | undefined) ?? 1) : 1;
  const rowMajor = layer.op === "Conv" || (layer.op === "Gemm" && layer.attributes["transB"] === 1);
  const inner = rowMajor ? from.length / channels : layer.op === "ConvTranspose" ? sizeOf(weights.dims.slice(2)) : 1;
  const perGroup = channels / group;
  const rowsPerGroup = weights.dims[0]! / group;
  const to = Float32Array.from(from, (w, i) => {
    const block = Math.floor(i / inner);
    if (rowMajor) return w * scale(block);
    const groupOf = group === 1 ? 0 : Math.floor(Math.floor(block / perGroup) / rowsPerGroup);
    return w * scale(groupOf * perGroup + (block % perGroup));
  });
  return new Tensor("float32", to, weights.dims);
}

/** A BatchNormalization that follows no linear layer is a product and a sum per channel. */
export const spellBatchNormalization: Rule = (node, editor) => {
  if (key(node) !== "BatchNormalization") return false;
  const rank = editor.rank(node.inputs[0]!);
  const affine = batchAffine(node, editor);
  const channels = editor.constant(node.inputs[1])?.size;
  if (rank === undefined || rank < 2 || affine === undefined || channels === undefined) return false;
  const dims = [channels, ...new Array<number>(rank - 2).fill(1)];
  const all = (f: (c: number) => number): Tensor =>
    new Tensor(
      "float32",
      Float32Array.from({ length: channels }, (_, c) => f(c)),
      dims,
    );
  const scale = editor.addInitializer(`${node.name}/scale`, all(affine.scale!));
  const shift = editor.addInitializer(`${node.name}/shift`, all(affine.shift!));
  const scaled = editor.newValue(`${node.outputs[0]}/scaled`);
  const plain = { domain: "", attributes: {} };
  editor.replace(
    node,
    { ...plain, name: `${node.name}/scale`, op: "Mul", inputs: [node.inputs[0]!, scale], outputs: [scaled] },
    { ...plain, name: node.name, op: "Add", inputs: [scaled, shift], outputs: node.outputs },
  );
  return true;
};

/** Gemm with constant weights is bitbasis/MatMul, whose weights are [K, N]. */
export const gemmToMatMul: Rule = (node, editor) => {
  if (key(node) !== "Gemm" || !isPlain(node)) return false;
  const weights = editor.constant(node.inputs[1]);
  if (weights === undefined || weights.type !== "float32") return false;
  const [rows, columns] = weights.dims as [number, number];
  const transposed = node.attributes["transB"] === 1;
  const n = transposed ? rows : columns;
  const bias = editor.constant(node.inputs[2]);
  if (node.inputs[2] && (bias === undefined || (bias.size !== 1 && (bias.size !== n || bias.dims.at(-1) !== n))))
    return false;
  const inputs = [...node.inputs];
  if (transposed) {
    const from = weights.data as Float32Array;
    const to = new Float32Array(from.length);
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c]!;
    inputs[1] = editor.changeInitializer(node.inputs[1]!, new Tensor("float32", to, [columns, rows]), node);
  }
  if (bias !== undefined && bias.dims.join() !== String(n)) {
    const data = bias.data as Float32Array;
    const wide = Float32Array.from({ length: n }, (_, c) => data[data.length === 1 ? 0 : c]!);
    inputs[2] = editor.changeInitializer(node.inputs[2]!, new Tensor("float32", wide, [n]), node);
  }
  editor.replace(node, { ...node, op: "MatMul", domain: "bitbasis", inputs, attributes: {} });
  return true;
};

/** Zero padding before a convolution is the convolution's own. */
export const foldPad: Rule = (node, editor) => {
  if (key(node) !== "Conv" || (node.attributes["auto_pad"] ?? "NOTSET") !== "NOTSET") return false;
  const pad = editor.madeBy(node.inputs[0], "Pad");
  if (pad === undefined || (pad.attributes["mode"] ?? "constant") !== "constant") return false;
  const amounts = editor.integers(pad.inputs[1]);
  const rank = editor.constant(node.inputs[1])?.dims.length;
  if (amounts === undefined || rank === undefined || amounts.length !== 2 * rank || pad.inputs[3]) return false;
  if (pad.inputs[2] && editor.scalar(pad.inputs[2]) !== 0) return false;
  const outer = [amounts[0], amounts[1], amounts[rank], amounts[rank + 1]];
  if (outer.some((amount) => amount !== 0) || amounts.some((amount) => amount < 0)) return false;
  const n = rank - 2;
  const own = (node.attributes["pads"] as readonly number[] | undefined) ?? new Array<number>(2 * n).fill(0);
  const added = [...amounts.slice(2, rank), ...amounts.slice(rank + 2)];
  const pads = own.map((amount, i) => amount + added[i]!);
  editor.replace(node, {
    ...node,
    inputs: [pad.inputs[0]!, ...node.inputs.slice(1)],
    attributes: { ...node.attributes, pads },
  });
  return true;
};
