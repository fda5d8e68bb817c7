import { expect, test } from "vitest";
import { Call } from "../../src/graph/operators/call.ts";
import { outputsOf } from "../../src/graph/operators/contract.ts";
import { evaluate } from "../../src/graph/operators/evaluate.ts";
import { operatorOf } from "../../src/graph/operators/index.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";
import { agreed } from "./agree.ts";
import type { OperatorCase } from "./harness.ts";

// A node whose inputs are known is folded in TypeScript, the same node with fed inputs runs in the core: the bits must be the same.
const INTEGERS: readonly ElementType[] = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"];
const FLOATS: readonly ElementType[] = ["float32", "float64"];
const NUMBERS = [...FLOATS, ...INTEGERS];

/** The ends of the type, and around 0; floats with halves, both zeros, infinities and NaN. */
function edges(type: ElementType): Tensor {
  if (type.startsWith("float"))
    return new Tensor(type, [0, -0, 0.5, -0.5, 1.5, -2.5, 1e30, -1e30, 3, -7, Infinity, -Infinity, NaN]);
  const bits = BigInt(/\d+/.exec(type)![0]);
  const signed = !type.startsWith("u");
  const [low, high] = signed ? [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n] : [0n, 2n ** bits - 1n];
  const half = signed ? -1n : 2n ** (bits - 1n);
  return new Tensor(type, [low, low + 1n, half, 0n, 1n, 2n, 3n, 7n, high / 3n, high - 1n, high]);
}

/** Against every element: a column and a row. */
function pair(type: ElementType): readonly Tensor[] {
  const x = edges(type);
  return [x.reshape([x.size, 1]), x];
}

type Sample = Pick<OperatorCase, "op" | "inputs" | "attributes" | "constants">;

const UNARY: readonly (readonly [string, readonly ElementType[]])[] = [
  ["Abs", NUMBERS],
  ["Neg", [...FLOATS, "int8", "int16", "int32", "int64"]],
  ["Sign", NUMBERS],
  ["Relu", NUMBERS],
  ...["Floor", "Ceil", "Round", "Sqrt", "Reciprocal"].map((op) => [op, FLOATS] as const),
];

const samples: readonly Sample[] = [
  ...UNARY.flatMap(([op, types]) => types.map((type) => ({ op, inputs: [edges(type)] }))),
  ...["Add", "Sub", "Mul", "Div", "Min", "Max", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"].flatMap(
    (op) => NUMBERS.map((type) => ({ op, inputs: pair(type) })),
  ),
  // a constant division by zero is not folded: the divisors are the odd ones
  ...["Div", "Mod"].flatMap((op) =>
    INTEGERS.flatMap((type) =>
      [0, 1].map((fmod) => {
        const [a] = pair(type);
        const divisors = new Tensor(type, type.startsWith("u") ? [1, 3, 7, 100] : [1, 3, -7, 100, -1]);
        return { op, inputs: [a!, divisors], attributes: op === "Mod" ? { fmod } : {} };
      }),
    ),
  ),
  ...[0.5, 1, 2].map((e) => ({
    op: "Pow",
    inputs: [edges("float32"), new Tensor("float32", [e], [])],
    constants: [1],
  })),
  ...NUMBERS.map((type) => {
    const bound = (x: number): Tensor => new Tensor(type, [x], []);
    return { op: "Clip", inputs: [edges(type), bound(0), bound(3)], constants: [1, 2] };
  }),
  ...["ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"].flatMap((op) =>
    NUMBERS.map((type) => {
      const x = edges(type);
      const [a, b] = pair(type);
      const inputs = [a!.reshape([a!.size]), new Tensor("int64", [0n])];
      const zeros = type.startsWith("float") ? new Tensor(type, [-0, 0, -0]) : b!;
      return { op, inputs: x.size % 2 === 1 ? inputs : [zeros, inputs[1]!], constants: [1] };
    }),
  ),
  ...["ReduceMax", "ReduceMin"].flatMap((op) =>
    FLOATS.map((type) => {
      const zeros = new Tensor(type, [0, -0, -0, 0], [2, 2]);
      return { op, inputs: [zeros, new Tensor("int64", [1n])], constants: [1] };
    }),
  ),
  ...INTEGERS.map((type) => ({ op: "CumSum", inputs: [edges(type), new Tensor("int32", [0], [])], constants: [1] })),
];

function folded({ op, inputs, attributes = {} }: Sample): {
  outputs: Tensor[] | undefined;
  type: ElementType;
  shape: readonly number[];
} {
  const names = inputs.map((_, i) => `x${i}`);
  const node = { name: "node", op, domain: "", inputs: names, outputs: ["y"], attributes };
  const tensors = inputs as readonly Tensor[];
  const known = tensors.map(({ type, dims }) => ({ type, shape: dims }));
  const call = new Call(node, { "": 21 }, known, tensors);
  const operator = operatorOf(node)!;
  const values = outputsOf(call, operator);
  const outputs = evaluate(call, operator, values, 1e6);
  return { outputs: outputs && [...outputs], ...values[0]! };
}

/** Bits of the elements, every NaN as one. */
function bits(x: Tensor): unknown[] {
  return Array.from(x.data as ArrayLike<number | bigint>, (v) => (Object.is(v, -0) ? "-0" : String(v)));
}

test("folding and the core give the same bits", async () => {
  let compared = 0;
  for (const sample of samples) {
    const { outputs, type, shape } = folded(sample);
    if (outputs === undefined) continue;
    const [y] = await agreed({ ...sample, outputs: [{ type, shape }] });
    const first = sample.inputs[0] as Tensor;
    expect(bits(outputs[0]!), `${sample.op} of ${first.type} ${JSON.stringify(sample.attributes)}`).toEqual(bits(y!));
    compared++;
  }
  // what folding leaves to the core is not compared: sums and products of floats, and division where a divisor is 0
  expect(samples.length - compared).toBe(samples.filter((s) => left(s)).length);
}, 300_000);

function left({ op, inputs }: Sample): boolean {
  const { type } = inputs[0] as Tensor;
  if (op === "ReduceSum" || op === "ReduceProd") return type.startsWith("float");
  return (
    op === "Div" &&
    INTEGERS.includes(type) &&
    Array.from((inputs[1] as Tensor).data as ArrayLike<unknown>, Number).includes(0)
  );
}
