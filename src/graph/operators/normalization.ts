import { broadcast } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import type { Call } from "./call.ts";
import { axisLayout, twinLayout } from "./layout-rules.ts";
import { each, FLOATS, type Operator, type ShapeRule, sameRank } from "./operator.ts";
import { type Rewrite, without } from "./rewrite.ts";

/** Inputs `from` … `to` are vectors with an entry for each of `count` channels. */
function checkVectors(call: Call, from: number, to: number, count: number): void {
  for (let i = from; i <= to; i++) {
    const shape = call.shape(i);
    if (shape.length !== 1 || shape[0] !== count) throw call.fail(`input ${i} expected shape [${count}]`);
  }
}

function channelsOf(call: Call): number {
  const shape = call.shape(0);
  if (shape.length < 2) throw call.fail("the input expected at least two dimensions");
  return call.node.domain === "bitbasis" ? shape.at(-1)! : shape[1]!;
}

const batchShape: ShapeRule = (call) => {
  checkVectors(call, 1, 4, channelsOf(call));
  return [call.value(0)];
};

const instanceShape: ShapeRule = (call) => {
  if (call.shape(0).length < 3) throw call.fail("the input expected at least three dimensions");
  checkVectors(call, 1, 2, channelsOf(call));
  return [call.value(0)];
};

/** Before opset 21 a group had one scale and bias for all of its channels. */
const groupShape: ShapeRule = (call) => {
  const groups = call.number("num_groups", 0);
  if (groups < 1) throw call.fail(`"num_groups" expected integer ≥ 1, got ${groups}`);
  const channels = channelsOf(call);
  if (channels % groups !== 0) throw call.fail(`"num_groups" expected a divisor of ${channels}, got ${groups}`);
  checkVectors(call, 1, 2, call.shape(1)[0] === groups ? groups : channels);
  return [call.value(0)];
};

const layerShape: ShapeRule = (call) => {
  const shape = call.shape(0);
  const axis = call.axis(call.number("axis", -1), shape.length);
  const rows = shape.slice(axis);
  for (let i = 1; i < call.count; i++) {
    if (call.has(i) && broadcast(rows, call.shape(i))?.join() !== rows.join())
      throw call.fail(`input ${i} expected to broadcast to [${rows}]`);
  }
  const statistics = { type: "float32" as const, shape: shape.map((d, i) => (i < axis ? d : 1)) };
  return [call.value(0), statistics, statistics];
};

const softmaxShape: ShapeRule = (call) => {
  const rank = call.shape(0).length;
  if (rank > 0) call.axis(call.number("axis", -1), rank);
  return [call.value(0)];
};

const TRAINING = { domain: "bitbasis", op: "TrainingBatchNormalization" } as const;

const trains = ({ attributes }: Node): boolean => attributes["training_mode"] === 1;

const batchBecomes: Rewrite = (node, make) => {
  if (trains(node)) return [{ ...node, ...TRAINING }];
  if (node.attributes["spatial"] === 0) throw make.fail("spatial = 0 is not supported");
  const { epsilon = 1e-5 } = node.attributes;
  return [{ ...node, outputs: node.outputs.slice(0, 1), attributes: { epsilon } }];
};

/**
 * Before opset 13 Softmax worked on the input flattened to two dimensions at `axis`. That is the new one when `axis` is the last; otherwise
 * the flattening is written out.
 */
const softmaxBecomes: Rewrite = (node, make) => {
  const old = make.opset < 13;
  const axis = node.attributes["axis"] ?? (old ? 1 : -1);
  if (typeof axis !== "number" || !Number.isInteger(axis)) throw make.fail('"axis" expected an integer', "MODEL");
  const [input = ""] = node.inputs;
  const rank = make.rank(input);
  if (!old) return undefined;
  if (axis === -1 || (rank !== undefined && axis === rank - 1)) return [{ ...node, attributes: { axis: -1 } }];
  const flat = make.op("Flatten", [input], { axis });
  const shape = make.op("Shape", [input]);
  const soft = make.op(node.op, [flat], { axis: -1 });
  return make.end("Reshape", [soft, shape], { allowzero: 1 });
};

const softmax = {
  since: 1,
  inputs: "T",
  types: { T: FLOATS },
  attributes: { axis: "int" },
  becomes: softmaxBecomes,
  rank: sameRank,
  shape: softmaxShape,
  layout: axisLayout(-1),
  sizes: "polynomial",
  steps: true,
} as const satisfies Operator;

const instance = {
  since: 1,
  inputs: "T T T",
  types: { T: FLOATS },
  attributes: { epsilon: "float" },
  others: "consumed_inputs:ints<6",
  rank: sameRank,
  shape: instanceShape,
  layout: twinLayout,
  sizes: "polynomial",
  steps: true,
} as const satisfies Operator;

/** Statistics of rows or channels taken out of the elements. */
export const normalizations = {
  ...each(["LogSoftmax", "Hardmax"], softmax),
  "/Softmax": { ...softmax, positive: "always" },
  "/BatchNormalization": {
    since: 1,
    inputs: "T U U V V",
    others: "momentum:float training_mode:int consumed_inputs:ints<6 is_test:int<7 spatial:int<9",
    types: { T: FLOATS, U: FLOATS, V: FLOATS },
    attributes: { epsilon: "float" },
    becomes: batchBecomes,
    later: (node) => (trains(node) ? TRAINING : undefined),
    rank: sameRank,
    shape: batchShape,
    sizes: "polynomial",
    steps: true,
  },
  "/InstanceNormalization": instance,
  "bitbasis/InstanceNormalization": instance,
  "/GroupNormalization": {
    since: 18,
    inputs: "T T T",
    types: { T: FLOATS },
    attributes: { epsilon: "float", num_groups: "int" },
    others: "stash_type:int",
    rank: sameRank,
    shape: groupShape,
    sizes: "polynomial",
    steps: true,
  },
  "/LayerNormalization": {
    since: 17,
    inputs: "T T T?",
    types: { T: FLOATS },
    attributes: { axis: "int", epsilon: "float", stash_type: "int" },
    rank: sameRank,
    shape: layerShape,
    sizes: "polynomial",
    steps: true,
  },
  // What onnxruntime's optimizer writes into ONNX's own domain.
  "/SimplifiedLayerNormalization": {
    since: 1,
    attributes: { axis: "int", epsilon: "float", stash_type: "int" },
    becomes: (node, make) => {
      if (make.wants(1)) throw make.fail("the inverse deviation as an output is not supported");
      return make.end("RMSNormalization", node.inputs, without(node, "stash_type"));
    },
  },
  "/RMSNormalization": {
    since: 23,
    inputs: "T T",
    types: { T: FLOATS },
    attributes: { axis: "int", epsilon: "float", stash_type: "int" },
    rank: sameRank,
    shape: (call: Call) => layerShape(call).slice(0, 1),
    sizes: "polynomial",
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
