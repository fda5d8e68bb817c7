// Operators that the passes make (src/graph/operators.md), in terms of the standard's: channels-last twins, the fused activation, fused functions.
import type { Node } from "../../../src/graph/graph.ts";
import { elementwise } from "./elementwise.ts";
import { linear, product } from "./linear.ts";
import { transpose } from "./movement.ts";
import { floats, Operation, type Operator, type Operators } from "./operation.ts";
import { reductions } from "./reduce.ts";
import { resizes } from "./resize.ts";
import { broadcastAt, generate, type Value, value } from "./value.ts";
import { windows } from "./window.ts";

const toFirst = (rank: number): number[] => [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
const toLast = (rank: number): number[] => [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
const first = (x: Value): Value => transpose(x, toFirst(x.dims.length));
const last = (x: Value): Value => transpose(x, toLast(x.dims.length));

/** Applied to the sum with the bias; in double until the whole is rounded. */
function activated(op: Operation, x: Value): Value {
  const kind = op.text("activation", "");
  if (kind === "") return x;
  const [low, high] = [op.number("min", Number.NEGATIVE_INFINITY), op.number("max", Number.POSITIVE_INFINITY)];
  const f =
    kind === "Clip"
      ? (v: number) => Math.min(Math.max(v, low), high)
      : (v: number) => (v * Math.min(Math.max(v + 3, 0), 6)) / 6;
  return value(x.type, x.dims, floats(x).map(f));
}

/** Their standard twins are those of this opset. */
const OPSET = 21;

/** The same call with other inputs, as a call of the standard's operator. */
function withInputs(op: Operation, inputs: readonly (Value | undefined)[], node: Node = op.node): Operation {
  return new Operation(node, OPSET, inputs, op.body);
}

/** A channels-first operator on channels-last values; `weights` turns the second input into the standard's. */
function twin(operator: Operator, weights?: (op: Operation, w: Value) => Value): Operator {
  return (op) => {
    const [x, w, ...rest] = op.inputs;
    const inputs = [first(x!), ...(w === undefined ? [] : [weights === undefined ? w : weights(op, w)]), ...rest];
    return [activated(op, last(operator(withInputs(op, inputs))[0]!))];
  };
}

/** [O, k…, I/g] → [O, I/g, k…]. */
const convWeights = (_: Operation, w: Value): Value => first(w);

/** [O, k…, I/g] → [I, O/g, k…]: output channel o of group g reads that group's I/g inputs. */
const transposedWeights = (op: Operation, w: Value): Value => {
  const group = op.number("group", 1);
  const [outputs, inGroup] = [w.dims[0]!, w.dims.at(-1)!];
  const outGroup = outputs / group;
  return generate(w.type, [inGroup * group, outGroup, ...w.dims.slice(1, -1)], ([i, o, ...k]) =>
    broadcastAt(w, [Math.floor(i! / inGroup) * outGroup + o!, ...k, i! % inGroup]),
  );
};

/** scales and sizes are in the order of the channels-last axes. */
const resize: Operator = (op) => {
  const x = op.x();
  const order = toFirst(x.dims.length);
  const vector = (v: Value | undefined): Value | undefined =>
    v === undefined || v.data.length === 0
      ? v
      : value(
          v.type,
          v.dims,
          order.map((axis) => v.data[axis]!),
        );
  const inputs = [first(x), op.inputs[1], vector(op.inputs[2]), vector(op.inputs[3])];
  return [last(resizes["Resize"]!(withInputs(op, inputs))[0]!)];
};

const matmul: Operator = (op) => {
  const [a, b, bias] = [op.x(0), op.x(1), op.inputs[2]];
  const y = product("float64", { ...a, type: "float64" }, b);
  const sum =
    bias === undefined
      ? floats(y)
      : generate("float64", y.dims, (i) => (broadcastAt(y, i) as number) + (broadcastAt(bias, i) as number)).data;
  return [value(a.type, y.dims, activated(op, { ...y, data: sum }).data)];
};

export const bitbasis: Operators = {
  Conv: twin(windows["Conv"]!, convWeights),
  ConvTranspose: twin(windows["ConvTranspose"]!, transposedWeights),
  MatMul: matmul,
  Gemm: linear["Gemm"]!,
  ...Object.fromEntries(
    ["MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"].map((name) => [
      name,
      twin(windows[name]!),
    ]),
  ),
  Resize: resize,
  InstanceNormalization: twin(reductions["InstanceNormalization"]!),
  BatchNormalization: twin(reductions["BatchNormalization"]!),
  LayerNormalization: reductions["LayerNormalization"]!,
  Gelu: elementwise["Gelu"]!,
  Silu: (op) => elementwise["Swish"]!(withInputs(op, op.inputs, { ...op.node, attributes: {} })),
};
