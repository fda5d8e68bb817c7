import { sizeOf } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { range, shape } from "./attend.ts";
import type { Call } from "./call.ts";
import { typeCode } from "./cast.ts";
import type { Maker } from "./maker.ts";
import { FLOATS, HALVES, INDEX, type Operator, sameRank } from "./operator.ts";

/** A constant of the element type of an input. */
function like(call: Call, make: Maker, base: string, value: number): string {
  const type = call.type(0);
  const constant = make.tensor(base, "float32", value);
  return type === "float32" ? constant : make.op("Cast", [constant], { to: typeCode(type) });
}

/** x / (bias + alpha / size · window sum of x²)^beta over `size` neighbouring channels. */
function lrn(call: Call, make: Maker): readonly Node[] {
  const x = call.node.inputs[0]!;
  const dims = call.shape(0);
  const size = call.number("size", 0);
  if (dims.length < 2) throw call.fail("the input expected at least two dimensions");
  if (size < 1) throw call.fail(`"size" expected integer ≥ 1, got ${size}`);
  if (sizeOf(dims) === 0) return make.end("Identity", [x]);
  const [n, c] = dims as [number, number];
  const inner = sizeOf(dims.slice(2));
  // Channels become the rows of a picture one column wide, where a window of `size` rows is an average pool, and what is beside them its channels.
  const square = make.op("Reshape", [make.op("Mul", [x, x]), shape(make, [n, c, 1, inner])]);
  const before = Math.floor((size - 1) / 2);
  const mean = make.op("bitbasis/AveragePool", [square], {
    ...{ kernel_shape: [size, 1], strides: [1, 1], pads: [before, 0, size - 1 - before, 0], count_include_pad: 1 },
  });
  const alpha = like(call, make, "alpha", call.number("alpha", 0.0001));
  const sum = make.op("Add", [make.op("Mul", [mean, alpha]), like(call, make, "bias", call.number("bias", 1))]);
  const power = make.op("Pow", [sum, like(call, make, "beta", call.number("beta", 0.75))]);
  return make.end("Div", [x, make.op("Reshape", [power, shape(make, dims)])]);
}

/** x / ‖x‖ along an axis, 0 where the norm is 0. */
function lpNormalization(call: Call, make: Maker): readonly Node[] {
  const x = call.node.inputs[0]!;
  const axis = call.axis(call.number("axis", -1), call.shape(0).length);
  const p = call.number("p", 2);
  if (p !== 1 && p !== 2) throw call.fail(`"p" expected 1 or 2, got ${p}`);
  const norm = make.op(p === 1 ? "ReduceL1" : "ReduceL2", [x, make.integers("axes", [axis])], { keepdims: 1 });
  const zero = like(call, make, "zero", 0);
  const divided = make.op("Div", [x, norm]);
  return make.end("Where", [make.op("Equal", [norm, zero]), zero, divided]);
}

/** (x − mean) / deviation over the axes, with ONNX's 1e-9 under the division. */
function meanVariance(call: Call, make: Maker): readonly Node[] {
  const x = call.node.inputs[0]!;
  const axes = make.integers("axes", call.axes(call.list("axes") ?? [0, 2, 3], call.shape(0).length));
  const mean = (value: string): string => make.op("ReduceMean", [value, axes], { keepdims: 1 });
  const centred = make.op("Sub", [x, mean(x)]);
  const deviation = make.op("Sqrt", [mean(make.op("Mul", [centred, centred]))]);
  return make.end("Div", [centred, make.op("Add", [deviation, like(call, make, "epsilon", 1e-9)])]);
}

/** One norm of all pixels of a channel. */
function globalLpPool(call: Call, make: Maker): readonly Node[] {
  const x = call.node.inputs[0]!;
  const rank = call.shape(0).length;
  const p = call.number("p", 2);
  if (rank < 3) throw call.fail("the input expected at least three dimensions");
  const axes = make.integers(
    "axes",
    range(rank - 2).map((i) => i + 2),
  );
  if (p === 1 || p === 2) return make.end(p === 1 ? "ReduceL1" : "ReduceL2", [x, axes], { keepdims: 1 });
  if (p < 1) throw call.fail(`"p" expected integer ≥ 1, got ${p}`);
  const powers = make.op("Pow", [make.op("Abs", [x]), like(call, make, "p", p)]);
  const sum = make.op("ReduceSum", [powers, axes], { keepdims: 1 });
  return make.end("Pow", [sum, like(call, make, "root", 1 / p)]);
}

/** swish(a)·b */
function swiGlu(node: Node, make: Maker): readonly Node[] {
  const [a = "", b = ""] = node.inputs;
  const { alpha = 1 } = node.attributes;
  return make.end("Mul", [make.op("Swish", [a], { alpha }), b]);
}

/**
 * −weight[t]·logProbability[t] at the target class of every element, reduced as asked; targets of `ignore_index` count nothing.
 *
 * @param scores - log probabilities [N, C, d…], input 0 for the first of the two losses
 */
function negativeLikelihood(call: Call, make: Maker, scores: string): void {
  const [dims, target] = [call.shape(0), call.shape(1)];
  if (dims.length < 2) throw call.fail("the scores expected at least two dimensions");
  const expected = [dims[0]!, ...dims.slice(2)];
  if (target.join() !== expected.join()) throw call.fail(`the targets expected shape [${expected}]`);
  const classes = dims[1]!;
  if (call.has(2) && call.shape(2).join() !== `${classes}`) throw call.fail(`the weights expected shape [${classes}]`);
  const targets = make.op("Cast", [call.node.inputs[1]!], { to: typeCode("int64") });
  const ignored = call.node.attributes["ignore_index"];
  let [safe, counts] = [targets, like(call, make, "one", 1)];
  if (typeof ignored === "number") {
    const skip = make.op("Equal", [targets, make.tensor("ignored", "int64", ignored)]);
    safe = make.op("Where", [skip, make.tensor("first", "int64", 0), targets]);
    counts = make.op("Where", [skip, like(call, make, "nothing", 0), counts]);
  }
  if (call.has(2)) counts = make.op("Mul", [make.op("Gather", [call.node.inputs[2]!, safe], { axis: 0 }), counts]);
  const rows = make.op("Unsqueeze", [safe, make.integers("class", [1])]);
  const chosen = make.op("Squeeze", [
    make.op("GatherElements", [scores, rows], { axis: 1 }),
    make.integers("class", [1]),
  ]);
  const losses = make.op("Neg", [make.op("Mul", [chosen, counts])]);
  const reduction = call.text("reduction", "mean");
  if (reduction === "none") make.output(0, "Identity", [losses]);
  else {
    const sum = make.op("ReduceSum", [losses], { keepdims: 0 });
    if (reduction === "sum") make.output(0, "Identity", [sum]);
    else {
      const every = make.op("Expand", [counts, shape(make, target)]);
      make.output(0, "Div", [sum, make.op("ReduceSum", [every], { keepdims: 0 })]);
    }
  }
}

const REDUCTION = { ignore_index: "int", reduction: ["none", "sum", "mean"] } as const;
const norm = { inputs: "T", types: { T: FLOATS }, rank: sameRank } as const;

/** Operators that are a few others in one. */
export const composites = {
  "/LRN": {
    ...norm,
    since: 1,
    types: { T: ["float32"] },
    attributes: { alpha: "float", beta: "float", bias: "float", size: "int" },
    expands: lrn,
  },
  "/LpNormalization": { ...norm, since: 1, attributes: { axis: "int", p: "int" }, expands: lpNormalization },
  "/MeanVarianceNormalization": { ...norm, since: 9, attributes: { axes: "ints" }, expands: meanVariance },
  "/GlobalLpPool": { ...norm, since: 2, attributes: { p: "int" }, expands: globalLpPool },
  "/SwiGLU": { since: 28, others: "alpha:float", becomes: swiGlu },
  "/NegativeLogLikelihoodLoss": {
    since: 12,
    inputs: "T I T?",
    types: { T: FLOATS, I: INDEX },
    attributes: REDUCTION,
    expands: (call: Call, make: Maker) => {
      negativeLikelihood(call, make, call.node.inputs[0]!);
      return make.done();
    },
  },
  "/SoftmaxCrossEntropyLoss": {
    since: 12,
    inputs: "T I T?",
    types: { T: HALVES, I: INDEX },
    attributes: REDUCTION,
    expands: (call: Call, make: Maker) => {
      const log = make.op("LogSoftmax", [call.node.inputs[0]!], { axis: 1 });
      make.output(1, "Identity", [log]);
      negativeLikelihood(call, make, log);
      return make.done();
    },
  },
} as const satisfies Readonly<Record<string, Operator>>;
