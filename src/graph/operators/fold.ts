import type { Call } from "./call.ts";
import type { Operator, ShapeRule } from "./operator.ts";

function list(call: Call, name: string, length: number, fallback: number): readonly number[] {
  const given = call.list(name) ?? new Array<number>(length).fill(fallback);
  if (given.length !== length || given.some((v) => v < fallback))
    throw call.fail(`"${name}" expected ${length} integers ≥ ${fallback}, got [${given}]`);
  return given;
}

const col2imShape: ShapeRule = (call) => {
  for (const [name, least] of [
    ["strides", 1],
    ["dilations", 1],
    ["pads", 0],
  ] as const)
    list(call, name, call.list(name)?.length ?? 0, least);
  if (call.shape(0).length !== 3) throw call.fail("the input expected three dimensions");
  const [image, block] = [call.needed(1), call.needed(2)];
  const n = image.length;
  if (n < 1 || block.length !== n || [...image, ...block].some((d) => !(d >= 1)))
    throw call.fail(`an image of [${image}] in blocks of [${block}]`);
  const [strides, dilations] = [list(call, "strides", n, 1), list(call, "dilations", n, 1)];
  const pads = list(call, "pads", 2 * n, 0);
  const counts = image.map((d, i) => {
    const room = d + pads[i]! + pads[n + i]! - dilations[i]! * (block[i]! - 1) - 1;
    return Math.max(0, Math.floor(room / strides[i]!) + 1);
  });
  const [batch, rows, blocks] = call.shape(0) as [number, number, number];
  const taps = block.reduce((a, b) => a * b, 1);
  const expected = counts.reduce((a, b) => a * b, 1);
  if (blocks !== expected) throw call.fail(`${expected} blocks are expected, got ${blocks}`);
  if (rows % taps !== 0) throw call.fail(`${rows} rows are no whole number of blocks of ${taps} elements`);
  return [{ type: call.type(0), shape: [batch, rows / taps, ...image] }];
};

/** Blocks added up to an image. */
export const folds = {
  "/Col2Im": {
    since: 18,
    inputs: "T int64 int64",
    types: { T: ["float32"] },
    attributes: { dilations: "ints", pads: "ints", strides: "ints" },
    rank: (_, { length }) => (length(1) === undefined ? undefined : length(1)! + 2),
    shape: col2imShape,
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
