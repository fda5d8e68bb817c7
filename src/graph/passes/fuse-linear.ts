import { sizeOf, Tensor } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { type Editor, key, type Rule } from "./editor.ts";
import { isRounding } from "./fuse-scalars.ts";
import { transposed, turnsMatrix } from "./layout.ts";

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
  const value = at === undefined ? undefined : node.inputs[at];
  const layer = editor.madeBy(value, ...LINEAR);
  if (at === undefined || value === undefined || layer === undefined || editor.onlyReader(value) !== node) return false;
  if (isRounding(node, editor)) return false;
  const form = formOf(layer, editor);
  if (form === undefined) return false;
  const affine = affineOf(node, at, editor, form);
  if (affine === undefined) return false;
  // A scaled copy of a table that is multiplied as it lies would be stored beside it.
  if (affine.scale !== undefined && key(layer) === "bitbasis/MatMul" && isTransposed(layer)) return false;
  const weights = affine.scale && scaleWeights(layer, form, affine.scale);
  const bias = shiftBias(form, affine);
  if ((affine.scale !== undefined && weights === undefined) || bias?.some((v) => !Number.isFinite(v))) return false;
  const inputs = [...layer.inputs];
  if (weights !== undefined) inputs[1] = editor.changeInitializer(layer.inputs[1]!, weights, layer);
  if (bias !== undefined) {
    const tensor = new Tensor("float32", bias, [form.channels]);
    inputs[2] =
      form.bias === undefined
        ? editor.addInitializer(`${layer.name}/bias`, tensor)
        : editor.changeInitializer(layer.inputs[2]!, tensor, layer);
  }
  const domain = layer.op === "MatMul" && inputs.length > 2 ? "bitbasis" : layer.domain;
  editor.remove(node);
  editor.replace(layer, { ...layer, domain, inputs, outputs: node.outputs });
  return true;
};

/** The input that is not constant; undefined when the operator is not affine with constants. */
function dataInput(node: Node, editor: Editor): 0 | 1 | undefined {
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

/** What a linear layer that may take over an affine operator gives. */
interface Form {
  readonly weights: Tensor;
  /** Constant, one element or one per channel. */
  readonly bias: Float32Array | undefined;
  readonly channels: number;
  /** Of the result; undefined when the graph does not tell. */
  readonly rank: number | undefined;
  /** Axis of the channels in the result: from the front for convolutions, from the back for matrix products. */
  readonly axis: 1 | -1;
}

function formOf(layer: Node, editor: Editor): Form | undefined {
  const weights = editor.constant(layer.inputs[1]);
  if (weights?.type !== "float32" || "activation" in layer.attributes) return undefined;
  const { dims } = weights;
  const isConv = layer.op === "Conv" || layer.op === "ConvTranspose";
  if (isConv ? dims.length < 3 : dims.length !== 2) return undefined;
  if (layer.op === "Gemm" && !isPlain(layer)) return undefined;
  const channels = channelsOf(layer, dims);
  const bias = editor.constant(layer.inputs[2]);
  if (layer.inputs[2] && (bias?.type !== "float32" || !isRow(bias.dims, channels))) return undefined;
  const rank = isConv ? dims.length : layer.op === "Gemm" ? 2 : editor.rank(layer.outputs[0]!);
  return { weights, bias: bias?.data as Float32Array | undefined, channels, rank, axis: isConv ? 1 : -1 };
}

/** Whether a bias is one number, or one per column: [M, 1] is one per row, also where M = N. */
function isRow(dims: readonly number[], channels: number): boolean {
  const size = sizeOf(dims);
  return size === 1 || (size === channels && dims.at(-1) === channels);
}

function isPlain(gemm: Node): boolean {
  const { alpha = 1, beta = 1, transA = 0 } = gemm.attributes;
  return alpha === 1 && beta === 1 && transA === 0;
}

function channelsOf(layer: Node, dims: readonly number[]): number {
  switch (layer.op) {
    case "Conv":
      return dims[0]!;
    case "ConvTranspose":
      return dims[1]! * ((layer.attributes["group"] as number | undefined) ?? 1);
  }
  return isTransposed(layer) ? dims[0]! : dims[1]!;
}

/** Whether the weights of a matrix product are [N, K]. */
function isTransposed(layer: Node): boolean {
  return (layer.op === "Gemm" || layer.domain === "bitbasis") && (layer.attributes["transB"] ?? 0) !== 0;
}

/** gamma·(x − mean)/√(variance + epsilon) + beta, when the statistics are constant. */
function batchAffine(node: Node, editor: Editor): (Affine & { readonly channels: number }) | undefined {
  const tensors = node.inputs.slice(1, 5).map((name) => editor.constant(name));
  const channels = tensors[0]?.size ?? 0;
  if (tensors.length !== 4 || tensors.some((t) => t?.type !== "float32" || t.dims.length !== 1 || t.size !== channels))
    return undefined;
  const [gamma, beta, mean, variance] = tensors.map((tensor) => tensor!.data) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const epsilon = (node.attributes["epsilon"] as number | undefined) ?? 1e-5;
  const scale = (c: number): number => gamma[c]! / Math.sqrt(variance[c]! + epsilon);
  return { scale, shift: (c) => beta[c]! - mean[c]! * scale(c), channels };
}

function affineOf(node: Node, at: 0 | 1, editor: Editor, form: Form): Affine | undefined {
  if (node.op === "BatchNormalization") {
    // It works on axis 1, which is the last one of matrices only.
    const affine = batchAffine(node, editor);
    return affine?.channels === form.channels && (form.axis === 1 || form.rank === 2) ? affine : undefined;
  }
  const constant = editor.constant(node.inputs[1 - at])!;
  if (!perChannel(constant.dims, form)) return undefined;
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

/** Whether a constant has one value, or one per channel, and does not raise the rank of what the layer gives (a matrix product gives at least a vector). */
function perChannel(dims: readonly number[], { channels, rank, axis }: Form): boolean {
  if (dims.length > (rank ?? 1)) return false;
  const size = sizeOf(dims);
  if (size === 1) return true;
  return size === channels && dims.at(axis === -1 ? -1 : 1 - rank!) === channels;
}

function shiftBias({ bias, channels }: Form, { scale, shift }: Affine): Float32Array | undefined {
  if (bias === undefined && shift === undefined) return undefined;
  return Float32Array.from({ length: channels }, (_, c) => {
    const before = bias === undefined ? 0 : bias[bias.length === 1 ? 0 : c]!;
    return before * (scale?.(c) ?? 1) + (shift?.(c) ?? 0);
  });
}

/** The weights times a factor per output channel; undefined where that leaves the range in which float32 has all its digits. */
function scaleWeights(layer: Node, { weights, channels }: Form, scale: (c: number) => number): Tensor | undefined {
  const from = weights.data as Float32Array;
  const group = layer.op === "ConvTranspose" ? ((layer.attributes["group"] as number | undefined) ?? 1) : 1;
  const rowMajor = layer.op === "Conv" || isTransposed(layer);
  const inner = rowMajor ? from.length / channels : layer.op === "ConvTranspose" ? sizeOf(weights.dims.slice(2)) : 1;
  const perGroup = channels / group;
  const rowsPerGroup = weights.dims[0]! / group;
  const [before, after] = [new Float64Array(channels), new Float64Array(channels)];
  const to = Float32Array.from(from, (w, i) => {
    const block = Math.floor(i / inner);
    const groupOf = group === 1 ? 0 : Math.floor(Math.floor(block / perGroup) / rowsPerGroup);
    const c = rowMajor ? block : groupOf * perGroup + (block % perGroup);
    const scaled = w * scale(c);
    before[c] = Math.max(before[c]!, Math.abs(w));
    after[c] = Math.max(after[c]!, Math.abs(scaled));
    return scaled;
  });
  // NaN fails the first test. Below 2^−102 the weights beside the largest one begin to lose digits, which matters unless the channel was dead before.
  const good = after.every(
    (most, c) => most < 2 ** 127 && (most > 2 ** -102 || scale(c) === 0 || before[c]! < 2 ** -64),
  );
  return good ? new Tensor("float32", to, weights.dims) : undefined;
}

/** A BatchNormalization that follows no linear layer is a product and a sum per channel. */
export const spellBatchNormalization: Rule = (node, editor) => {
  if (key(node) !== "BatchNormalization") return false;
  const rank = editor.rank(node.inputs[0]!);
  const affine = batchAffine(node, editor);
  if (rank === undefined || rank < 2 || affine === undefined) return false;
  const { channels } = affine;
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
  // MatMul would take an input of any rank.
  if (key(node) !== "Gemm" || !isPlain(node) || editor.rank(node.inputs[0]!) !== 2) return false;
  const form = formOf(node, editor);
  if (form === undefined) return false;
  const { weights, bias, channels } = form;
  const inputs = node.inputs.slice(0, 2);
  const shared = isTransposed(node) && editor.readers(node.inputs[1]!).length > 1;
  if (isTransposed(node) && !shared) {
    const turned = transposed(weights, [1, 0]);
    inputs[1] = editor.changeInitializer(node.inputs[1]!, turned, node);
  }
  if (bias !== undefined) {
    const wide = Float32Array.from({ length: channels }, (_, c) => bias[bias.length === 1 ? 0 : c]!);
    const isVector = editor.constant(node.inputs[2])!.dims.join() === String(channels);
    const row = new Tensor("float32", wide, [channels]);
    inputs[2] = isVector ? node.inputs[2]! : editor.changeInitializer(node.inputs[2]!, row, node);
  }
  editor.replace(node, { ...node, op: "MatMul", domain: "bitbasis", inputs, attributes: shared ? { transB: 1 } : {} });
  return true;
};

/** A constant is transposed: most graphs have none, and need not be indexed to find that out. */
const isTurned = (node: Node, editor: Editor): boolean =>
  key(node) === "Transpose" && editor.constant(node.inputs[0]) !== undefined;

/**
 * A table that others read too, as an embedding does, is multiplied as it lies: a transposed copy of it would be stored as well. Before constants are
 * folded.
 */
export const tieWeights: Rule = (node, editor) => {
  if (key(node) !== "MatMul" || !editor.some(isTurned)) return false;
  const turned = editor.madeBy(node.inputs[1], "Transpose");
  const table = editor.constant(turned?.inputs[0]);
  if (turned === undefined || table?.type !== "float32" || table.dims.length !== 2) return false;
  if (!turnsMatrix(turned)) return false;
  if (editor.readers(turned.inputs[0]!).every((reader) => key(reader) === "Transpose")) return false;
  const inputs = [node.inputs[0]!, turned.inputs[0]!];
  editor.replace(node, { ...node, domain: "bitbasis", inputs, attributes: { transB: 1 } });
  return true;
};

/** Zero padding before a convolution is the convolution's own. */
export const foldPad: Rule = (node, editor) => {
  if (key(node) !== "Conv" || (node.attributes["auto_pad"] ?? "NOTSET") !== "NOTSET") return false;
  const pad = editor.madeBy(node.inputs[0], "Pad");
  if (pad === undefined || (pad.attributes["mode"] ?? "constant") !== "constant") return false;
  const amounts = editor.numbers(pad.inputs[1]);
  const rank = editor.constant(node.inputs[1])?.dims.length;
  if (amounts === undefined || rank === undefined || amounts.length !== 2 * rank || pad.inputs[3]) return false;
  if (pad.inputs[2] && editor.scalar(pad.inputs[2]) !== 0) return false;
  const outer = [amounts[0], amounts[1], amounts[rank], amounts[rank + 1]];
  if (outer.some((amount) => amount !== 0) || amounts.some((amount) => amount < 0)) return false;
  const n = rank - 2;
  const own = (node.attributes["pads"] as readonly number[] | undefined) ?? new Array<number>(2 * n).fill(0);
  if (own.length !== 2 * n || own.some((amount) => amount < 0)) return false;
  const added = [...amounts.slice(2, rank), ...amounts.slice(rank + 2)];
  const pads = own.map((amount, i) => amount + added[i]!);
  editor.replace(node, {
    ...node,
    inputs: [pad.inputs[0]!, ...node.inputs.slice(1)],
    attributes: { ...node.attributes, pads },
  });
  return true;
};
