import { sizeOf } from "../../tensor/index.ts";
import type { Call } from "./call.ts";
import { elementsOf } from "./elements.ts";
import { type Evaluate, INTEGERS, type Operator, type ShapeRule, sameRank } from "./operator.ts";

/** The axis of a DequantizeLinear, 0 where one scale is for all. */
function axisOf(call: Call): number {
  const { length } = call.shape(0);
  return call.shape(1).every((d) => d === 1) && call.number("block_size", 0) === 0
    ? 0
    : call.axis(call.number("axis", 1), length);
}

const shape: ShapeRule = (call) => {
  const [x, scale] = [call.shape(0), call.shape(1)];
  const block = call.number("block_size", 0);
  const axis = axisOf(call);
  if (call.has(2) && call.shape(2).join() !== scale.join()) throw call.fail("scale and zero point expected one shape");
  if (block > 0) {
    const expected = x.map((d, i) => (i === axis ? Math.ceil(d / block) : d));
    if (expected.join() !== scale.join()) throw call.fail(`the scale expected shape [${expected}]`);
  } else if (sizeOf(scale) !== 1 && (scale.length !== 1 || scale[0] !== x[axis])) {
    throw call.fail(`the scale expected shape [] or [${x[axis]}]`);
  }
  return [{ type: call.type(1), shape: x }];
};

/** (x − zero)·scale, per tensor, per axis or per block; the constants of quantized models. */
const evaluate: Evaluate = (call, [output]) => {
  if (output!.type !== "float32") return undefined;
  const { shape: dims } = output!;
  const axis = axisOf(call);
  const block = call.number("block_size", 0);
  const scale = elementsOf(call.constant(1)!.data);
  const zero = call.has(2) ? elementsOf(call.constant(2)!.data) : undefined;
  const from = elementsOf(call.constant(0)!.data);
  const to = new Float32Array(from.length);
  const inner = sizeOf(dims.slice(axis + 1));
  const extent = dims[axis] ?? 1;
  const groups = block > 0 ? Math.ceil(extent / block) : extent;
  for (let i = 0; i < from.length; i++) {
    const along = Math.floor(i / inner) % extent;
    let at = scale.length === 1 ? 0 : along;
    if (block > 0) at = (Math.floor(i / (inner * extent)) * groups + Math.floor(along / block)) * inner + (i % inner);
    to[i] = (Number(from[i]) - Number(zero?.[at] ?? 0)) * (scale[at] as number);
  }
  return [to];
};

/** Networks that are quantized already. */
export const quantized = {
  "/DequantizeLinear": {
    since: 10,
    inputs: "T S T?",
    types: { T: INTEGERS, S: ["float32", "float16"] },
    attributes: { axis: "int", block_size: "int" },
    rank: sameRank,
    shape,
    evaluate,
  },
} as const satisfies Readonly<Record<string, Operator>>;
