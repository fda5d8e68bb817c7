import { broadcast, type Shape } from "../../tensor/index.ts";
import type { Call, ShapeRule } from "./call.ts";

/** The shape of a NumPy matrix product. */
function product(call: Call, a: Shape, b: Shape): number[] {
  if (a.length === 0 || b.length === 0) throw call.fail("a scalar has no matrix product");
  const left = a.length === 1 ? [1, a[0]!] : a;
  const right = b.length === 1 ? [b[0]!, 1] : b;
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2));
  if (batch === undefined || left.at(-1) !== right.at(-2)) throw call.fail("the matrices do not fit");
  const shape = [...batch];
  if (a.length > 1) shape.push(left.at(-2)!);
  if (b.length > 1) shape.push(right.at(-1)!);
  return shape;
}

const matmul: ShapeRule = (call) => {
  const shape = product(call, call.shape(0), call.shape(1));
  if (call.node.domain === "bitbasis" && call.has(2)) {
    const bias = call.shape(2);
    if (bias.length !== 1 || bias[0] !== shape.at(-1)) throw call.fail(`the bias expected shape [${shape.at(-1)}]`);
  }
  return [{ type: call.type(0), shape }];
};

const gemm: ShapeRule = (call) => {
  const [a, b] = [call.shape(0), call.shape(1)];
  if (a.length !== 2 || b.length !== 2) throw call.fail("A and B expected two dimensions");
  const [m, k] = call.number("transA", 0) === 1 ? [a[1]!, a[0]!] : [a[0]!, a[1]!];
  const [kb, n] = call.number("transB", 0) === 1 ? [b[1]!, b[0]!] : [b[0]!, b[1]!];
  if (k !== kb) throw call.fail("the matrices do not fit");
  if (call.has(2) && broadcast([m, n], call.shape(2))?.join() !== `${m},${n}`) throw call.fail("C does not broadcast");
  return [{ type: call.type(0), shape: [m, n] }];
};

function recurrent(states: number): ShapeRule {
  return (call) => {
    const x = call.shape(0);
    if (x.length !== 3) throw call.fail("the input expected three dimensions");
    const directions = call.text("direction", "forward") === "bidirectional" ? 2 : 1;
    const hidden = call.number("hidden_size", call.shape(2).at(-1)!);
    const batchFirst = call.number("layout", 0) === 1;
    const [steps, batch] = batchFirst ? [x[1]!, x[0]!] : [x[0]!, x[1]!];
    const type = call.type(0);
    const all = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden];
    const last = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
    return [{ type, shape: all }, ...new Array(states).fill({ type, shape: last })];
  };
}

const einsum: ShapeRule = (call) => {
  const equation = call.text("equation", "").replaceAll(" ", "");
  const [left = "", right] = equation.split("->");
  const terms = left.split(",");
  if (equation.includes(".") || terms.length !== call.count) throw call.fail(`equation "${equation}" is not supported`);
  const extents = new Map<string, number>();
  terms.forEach((term, i) => {
    const shape = call.shape(i);
    if (term.length !== shape.length) throw call.fail(`term "${term}" does not fit input ${i}`);
    [...term].forEach((letter, axis) => {
      if ((extents.get(letter) ?? shape[axis]) !== shape[axis]) throw call.fail(`"${letter}" has two extents`);
      extents.set(letter, shape[axis]!);
    });
  });
  const once = [...extents.keys()]
    .filter((letter) => left.split(letter).length === 2)
    .sort()
    .join("");
  return [{ type: call.type(0), shape: [...(right ?? once)].map((letter) => extents.get(letter) ?? 1) }];
};

const layerNormalization: ShapeRule = (call) => {
  const shape = call.shape(0);
  const axis = call.axis(call.number("axis", -1), shape.length);
  const statistics = { type: "float32" as const, shape: shape.map((d, i) => (i < axis ? d : 1)) };
  return [call.value(0), statistics, statistics];
};

const integerProduct: ShapeRule = (call) => [{ type: "int32", shape: product(call, call.shape(0), call.shape(1)) }];

export const linear: Readonly<Record<string, ShapeRule>> = {
  "/MatMul": matmul,
  "bitbasis/MatMul": matmul,
  "/MatMulInteger": integerProduct,
  "/Gemm": gemm,
  "/Einsum": einsum,
  "/LSTM": recurrent(2),
  "/GRU": recurrent(1),
  "/RNN": recurrent(1),
  "/LayerNormalization": layerNormalization,
};
