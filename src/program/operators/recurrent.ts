import { ConvStep } from "../../core/abi/conv.ts";
import { UnaryFunction } from "../../core/abi/elementwise.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { RecurrentCell, RecurrentStep } from "../../core/abi/recurrent.ts";
import { type Argument, f32Bits, isFloatKernel, isKernel, type Kernel, type Step, step } from "../../core/index.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower, LoweredStep, Lowering, Operand } from "../lowering.ts";
import { packF32 } from "./conv.ts";
import { lowerProduct } from "./matmul.ts";
import { emitFill } from "./movement.ts";
import { byteStrides, emitCopy, type Source, shifted, temporary } from "./support.ts";

/** Where the inputs of bitbasis/RNN, GRU and LSTM stand. */
const INPUT = { product: 0, weights: 1, lengths: 2, state: 3, cell: 4, extra: 5 } as const;

const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const;

/** Functions that a gate may have, by their name in ONNX. */
const ACTIVATIONS: Readonly<Record<string, UnaryFunction>> = {
  Affine: UnaryFunction.Affine,
  Elu: UnaryFunction.Elu,
  HardSigmoid: UnaryFunction.HardSigmoid,
  LeakyRelu: UnaryFunction.LeakyRelu,
  Relu: UnaryFunction.Clip,
  ScaledTanh: UnaryFunction.ScaledTanh,
  Sigmoid: UnaryFunction.Sigmoid,
  Softplus: UnaryFunction.Softplus,
  Softsign: UnaryFunction.Softsign,
  Tanh: UnaryFunction.Tanh,
  ThresholdedRelu: UnaryFunction.ThresholdedRelu,
};

/** bitbasis/RNN, GRU and LSTM: one direction; inputs [T, B, G·H] already multiplied by their weights, weights [G·H, H]. */
export function lowerRecurrent(l: Lowering): void {
  const kind = l.node.op as keyof typeof GATES;
  const x = l.input(INPUT.product);
  if (x.type !== "float32") throw l.unsupported(`a recurrence of ${x.type}`);
  const [time, batch, width] = x.shape as [number, number, number];
  const hidden = width / GATES[kind];
  const shape = [batch, hidden];
  const state = initial(l, 1, l.optional(INPUT.state), shape);
  const cell = kind === "LSTM" ? initial(l, 2, l.optional(INPUT.cell), shape).at : 0;
  const output = l.wants(0) ? l.output(0).at : 0;
  if (sizeOf(x.shape) === 0) return;
  // a GRU that resets its state before the candidate's product needs a product of its own for that
  const two = kind === "GRU" && l.attribute("linear_before_reset", 0) === 0;
  const gates = temporary(l, "float32", [batch, width]);
  const reset = temporary(l, "float32", two ? shape : [0]);
  const first = product(l, "state", state, gates, two ? { outChannels: 2 * hidden } : {});
  const second = two ? candidateProduct(l, reset, gates, first.at(-1)!.step.opcode as Kernel) : undefined;
  const inner = [...first, ...(second?.steps ?? [])];
  const words = inner.flatMap((s) => [...s.step.words]);
  const copyBytes = 4 * words.length;
  const macs = inner.reduce((sum, s) => sum + s.macs, 0) * time;
  const base = step(Opcode.Recurrent, RecurrentStep, {
    ...{ input: x.at, output, state: state.at, cell, gates: gates.at, reset: two ? reset.at : 0 },
    candidate: second?.at ?? shifted(gates.at, kind === "GRU" ? 8 * hidden : 0),
    ...{ extra: l.optional(INPUT.extra)?.at ?? 0, lengths: l.optional(INPUT.lengths)?.at ?? 0 },
    ...{ time, batch, hiddenSize: hidden, kind: RecurrentCell[kind] },
    reverse: l.text("direction", "forward") === "reverse" ? 1 : 0,
    coupled: l.attribute("input_forget", 0),
    clip: f32Bits(l.attribute("clip", Number.POSITIVE_INFINITY)),
    ...activation(l, 0, "f"),
    ...activation(l, 1, "g"),
    ...activation(l, 2, "h"),
    quantized: first.some((s) => s.step.opcode === Opcode.Quantize) ? 1 : 0,
    products: two ? 2 : 1,
    ...{ copies: l.allocate(copyBytes * l.threads), copyBytes, slots: l.threads },
  });
  const kernel = `recurrent_${inner.at(-1)!.kernel}`;
  l.emit(
    { opcode: base.opcode, words: [...base.words, ...words] },
    { kernel, macs, bytes: 4 * sizeOf(x.shape), rows: batch },
  );
}

/** Output `i`, or memory that stands for it, filled with the initial state. */
function initial(l: Lowering, i: number, given: Operand | undefined, shape: readonly number[]): Source {
  const state = l.wants(i) ? l.output(i) : temporary(l, "float32", shape);
  if (given === undefined) emitFill(l, state, new Uint8Array(4));
  else emitCopy(l, given.at, state.at, 4, shape, byteStrides({ ...state, shape }), byteStrides({ ...state, shape }));
  return state;
}

/** The steps that multiply a state [B, H] by the recurrent weights [N, H], or by some rows of them. */
function product(
  l: Lowering,
  what: "state" | "reset",
  a: Source,
  y: Source,
  only: { readonly firstRow?: number; readonly outChannels?: number; readonly output?: Argument },
): readonly LoweredStep[] {
  const [rows, k] = a.shape as [number, number];
  const n = y.shape[1]!;
  const name = l.node.inputs[INPUT.weights] ?? "";
  // weights that a node computes are packed once, in front of the loop
  if (l.floats(name) === undefined) packF32(l, l.operand(name), { batch: 1, rows: k, columns: n, transposed: true });
  const operand = (value: Source, name: string): Operand => ({ ...value, name: `${l.node.name}/${name}` });
  const layer = { batch: 1, rows, k, n, transposed: true, name, bias: 0, inner: true };
  return l
    .capture(() => lowerProduct(l, { ...layer, a: operand(a, what), y: operand(y, "product") }))
    .map((lowered) => ({ ...lowered, step: rowsOf(l, lowered.step, k, only) }));
}

/** A linear step that has `outChannels` rows of its weights from row `firstRow`, the first of a panel, on. */
function rowsOf(
  l: Lowering,
  of: Step,
  k: number,
  only: { firstRow?: number; outChannels?: number; output?: Argument },
): Step {
  const kernel = of.opcode;
  if (!isKernel(kernel)) return of;
  const { firstRow = 0, outChannels, output } = only;
  const words = [...of.words];
  const move = (word: ConvStep, bytes: number): void => {
    words[word] = shifted(words[word]!, bytes);
  };
  move(ConvStep.weights, l.constants.core.exports.panelBytes(kernel, 1, firstRow, 1, k));
  if (!isFloatKernel(kernel)) {
    move(ConvStep.scales, 4 * firstRow);
    move(ConvStep.columnSums, 4 * firstRow);
    if (words[ConvStep.turns] !== 0) {
      move(ConvStep.turns, (firstRow / l.constants.core.exports.panelColumns(kernel)) * Math.ceil(k / 2));
    }
  }
  if (outChannels !== undefined) words[ConvStep.outChannels] = outChannels;
  if (output !== undefined) words[ConvStep.output] = output;
  return { opcode: of.opcode, words };
}

/**
 * The product of the reset state by the candidate's rows, the last third of the weights, and where it stands, `width` floats per row apart: where
 * the first product left room for it, if these rows begin with a panel; else as a part of all rows, which costs three times the work.
 */
function candidateProduct(
  l: Lowering,
  reset: Source,
  gates: Source,
  kernel: Kernel,
): { steps: readonly LoweredStep[]; at: Argument } {
  const hidden = reset.shape[1]!;
  const aligned = (2 * hidden) % l.constants.core.exports.panelColumns(kernel) === 0;
  const all = aligned ? gates : temporary(l, "float32", gates.shape);
  const at = shifted(all.at, 8 * hidden);
  const only = aligned ? { firstRow: 2 * hidden, outChannels: hidden, output: at } : {};
  return { steps: product(l, "reset", reset, all, only), at };
}

function activation<Name extends "f" | "g" | "h">(
  l: Lowering,
  i: number,
  name: Name,
): Record<Name | `${Name}Alpha` | `${Name}Beta`, number> {
  const functions = l.node.attributes["activations"] as readonly string[];
  const given = functions[i];
  const operation = given === undefined ? UnaryFunction.Abs : ACTIVATIONS[given];
  if (operation === undefined) throw l.unsupported(`activation "${given}"`);
  const alpha = l.integers("activation_alpha")?.[i] ?? 0;
  const beta = l.integers("activation_beta")?.[i] ?? 0;
  // Relu is a Clip between 0 and infinity, and Elu is b·x above 0
  const [a, b] = given === "Relu" ? [0, Infinity] : given === "Elu" ? [alpha, 1] : [alpha, beta];
  const words = { [name]: operation, [`${name}Alpha`]: f32Bits(a), [`${name}Beta`]: f32Bits(b) };
  return words as Record<Name | `${Name}Alpha` | `${Name}Beta`, number>;
}

export const RECURRENT = {
  "bitbasis/RNN": lowerRecurrent,
  "bitbasis/GRU": lowerRecurrent,
  "bitbasis/LSTM": lowerRecurrent,
} satisfies Readonly<Record<string, Lower>>;
