// Graphs for tests of the survey: what it says against one, what it knows of a value, and bodies.
import { expect } from "vitest";
import type { Graph, ValueInfo } from "../../src/graph/index.ts";
import { normalize } from "../../src/graph/passes/normalize.ts";
import { survey } from "../../src/graph/survey.ts";
import { type ElementType, Tensor } from "../../src/tensor/index.ts";
import { BOOL, bool, INT, int } from "../support/control-flow.ts";
import { build, f32, i64, type NodeSpec, node } from "./build.ts";

export type Inputs = Parameters<typeof build>[0];
export type Constants = Record<string, Tensor>;

/** What the survey says against a graph. */
export function said(graph: Graph): string | undefined {
  try {
    survey(normalize(graph), new Map());
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const ZEROS: Partial<Record<ElementType, unknown>> = {
  ...{ float32: 0, float64: 0, int32: 0, int64: 0n, bool: 0, string: "" },
};

/**
 * What is known of value `v`: "list"; "?" where not even the type is; "int64 …" where the rank is not; "float32 [2,?]" where an extent is not. An Identity behind it is no guess: so much is known
 * of the value itself.
 */
export function known(inputs: Inputs, constants: Constants, nodes: readonly NodeSpec[], opset = 18): string {
  const before: NodeSpec = ["SequenceEmpty", [], ["none"]];
  const takes = (reader: NodeSpec, other = f32([])): boolean => {
    const all = { ...constants, other, yes: bool(true) };
    return said(build(inputs, all, [before, ...nodes, reader], ["read"], opset)) === undefined;
  };
  expect(said(build(inputs, constants, [before, ...nodes], ["v"], opset))).toBeUndefined();
  if (!takes(["SequenceInsert", ["none", "v"], ["read"]])) return "list";
  const besides = (type: ElementType, dims: readonly number[]): boolean => {
    const size = dims.reduce((a, b) => a * b, 1);
    const c = new Tensor(type, new Array(size).fill(ZEROS[type]) as never, dims);
    return takes(["Where", ["yes", "v", "other"], ["read"]], c);
  };
  const [type = "bfloat16", ...others] = (Object.keys(ZEROS) as ElementType[]).filter((one) => besides(one, []));
  if (others.length > 0) return "?";
  const ranks = [0, 1, 2, 3, 4].filter((rank) =>
    takes(["Transpose", ["v"], ["read"], { perm: Array.from({ length: rank }, (_, i) => i) }]),
  );
  if (ranks.length > 1) return `${type} …`;
  if (ranks.length === 0) return `${type} of more than four axes`;
  const extents = Array.from({ length: ranks[0]! }, (_, axis) => {
    const behind = new Array<number>(ranks[0]! - axis - 1).fill(1);
    const fitting = [2, 3, 4, 5, 6].filter((extent) => besides(type, [extent, ...behind]));
    return fitting.length === 5 ? "?" : fitting.join(" or ");
  });
  return `${type} [${extents}]`;
}

export function inner(
  inputs: readonly ValueInfo[],
  nodes: readonly NodeSpec[],
  outputs: readonly string[],
  constants: Constants = {},
): Graph {
  return {
    ...{ name: "body", opsets: { "": 18 }, inputs, initializers: new Map(Object.entries(constants)) },
    nodes: nodes.map((spec, i) => ({ ...node(spec, i), name: `inner ${spec[2]}` })),
    outputs: outputs.map((name) => ({ name, type: "float32", shape: undefined })),
  };
}

export const free = (name: string, type: ElementType = "float32"): ValueInfo => ({ name, type, shape: undefined });
export const branches = (then: NodeSpec, other: NodeSpec) => ({
  then_branch: inner([], [[then[0], then[1], ["p"], then[3] ?? {}]], ["p"]),
  else_branch: inner([], [[other[0], other[1], ["q"], other[3] ?? {}]], ["q"]),
});
export const relu: NodeSpec = ["Relu", ["x"], ["p"]];

export const LOOP = [
  { name: "i", ...INT },
  { name: "go", ...BOOL },
] as const;
/** A Loop over one carried value and one that is collected. */
export const loop = (count: string, goes: string, nodes: readonly NodeSpec[], outputs: readonly string[]): NodeSpec => [
  "Loop",
  [count, goes, "x"],
  outputs.length > 1 ? ["v", "w"] : ["v"],
  { body: inner([...LOOP, free("s")], [["Identity", ["go"], ["on"]], ...nodes], ["on", ...outputs]) },
];
export const scan = (
  inputs: readonly string[],
  states: number,
  nodes: readonly NodeSpec[],
  outputs: string[],
  more = {},
) =>
  [
    "Scan",
    inputs,
    ["v", "w"].slice(0, outputs.length),
    {
      body: inner(
        inputs.map((_, i) => free(`b${i}`)),
        nodes,
        outputs,
      ),
      num_scan_inputs: inputs.length - states,
      ...more,
    },
  ] satisfies NodeSpec;

export const x: Inputs = { x: ["N", 3] };
export const anything: Inputs = { x: { type: "float32", shape: undefined } };
export const asked: Inputs = { ...x, c: BOOL, n: INT, m: { type: "int64", shape: [1] } };
export const sizes = (count: number): Inputs => ({ ...x, m: { type: "int64", shape: [count] } });
export const numbers: Constants = { two: int(2), zero: int(0), axis: i64(0), ones: f32([2, 3]) };
