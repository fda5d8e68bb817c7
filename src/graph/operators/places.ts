import { sizeOf } from "../../tensor/index.ts";
import type { Node } from "../graph.ts";
import { iota, range, shape } from "./attend.ts";
import type { Call } from "./call.ts";
import { typeAttribute, typeCode } from "./cast.ts";
import type { Maker } from "./maker.ts";
import { ANY, NUMBERS, type Operator, plus, sameRank } from "./operator.ts";

/** values[1] where an index is the place along the new axis, values[0] elsewhere; an index outside of −depth … depth − 1 has no place. */
function oneHot(call: Call, make: Maker): readonly Node[] {
  if (sizeOf(call.shape(1)) !== 1) throw call.fail("the depth expected a scalar");
  if (call.shape(2).join() !== "2") throw call.fail("the values expected shape [2]");
  const depth = Math.trunc(call.single(1));
  if (!(depth >= 1)) throw call.fail(`the depth expected integer ≥ 1, got ${depth}`);
  const rank = call.shape(0).length + 1;
  const axis = call.axis(call.number("axis", -1), rank);
  const given = make.op("Cast", [call.node.inputs[0]!], { to: typeCode("int64") });
  const wrapped = make.op("Where", [
    make.op("Less", [given, make.tensor("zero", "int64", 0)]),
    make.op("Add", [given, make.tensor("depth", "int64", depth)]),
    given,
  ]);
  // Counted by the core, whose memory has a limit: the depth is any number of a file.
  const along = range(rank).map((i) => (i === axis ? depth : 1));
  const places = make.op("Reshape", [iota(make, depth), shape(make, along)]);
  const hot = make.op("Equal", [make.op("Unsqueeze", [wrapped, make.integers("axis", [axis])]), places]);
  const value = (i: number): string =>
    make.op("Reshape", [
      make.op("Gather", [call.node.inputs[2]!, make.integers("which", [i])], { axis: 0 }),
      shape(make, []),
    ]);
  return make.end("Where", [hot, value(1), value(0)]);
}

/** Ones on a diagonal. */
function eyeLike(call: Call, make: Maker): readonly Node[] {
  const [rows, columns] = call.shape(0) as [number, number];
  if (call.shape(0).length !== 2) throw call.fail("the input expected two dimensions");
  const k = call.number("k", 0);
  const moved = make.op("Add", [iota(make, rows), make.tensor("k", "int64", k)]);
  const row = make.op("Reshape", [moved, shape(make, [rows, 1])]);
  const column = make.op("Reshape", [iota(make, columns), shape(make, [1, columns])]);
  const type = typeAttribute(call, "dtype", call.type(0));
  return make.end("Cast", [make.op("Equal", [row, column])], { to: typeCode(type) });
}

/** The first `lengths[b]` steps of every sequence backwards. */
function reverseSequence(call: Call, make: Maker): readonly Node[] {
  const dims = call.shape(0);
  const rank = dims.length;
  if (rank < 2) throw call.fail("the input expected at least two dimensions");
  const [batch, time] = [call.number("batch_axis", 1), call.number("time_axis", 0)];
  if (![0, 1].includes(batch) || ![0, 1].includes(time) || batch === time)
    throw call.fail("batch_axis and time_axis expected 0 and 1");
  const steps = dims[time]!;
  if (call.shape(1).join() !== `${dims[batch]}`) throw call.fail(`sequence_lens expected shape [${dims[batch]}]`);
  const along = (axis: number, extent: number): number[] => range(rank).map((i) => (i === axis ? extent : 1));
  const lengths = make.op("Reshape", [call.node.inputs[1]!, shape(make, along(batch, dims[batch]!))]);
  const places = make.op("Reshape", [iota(make, steps), shape(make, along(time, steps))]);
  const last = make.op("Sub", [lengths, make.tensor("one", "int64", 1)]);
  const inside = make.op("Less", [places, lengths]);
  const chosen = make.op("Where", [inside, make.op("Sub", [last, places]), places]);
  const every = make.op("Expand", [chosen, shape(make, dims)]);
  return make.end("GatherElements", [call.node.inputs[0]!, every], { axis: time });
}

/** The middle of what is too long, zeros around what is too short. */
function centerCropPad(call: Call, make: Maker): readonly Node[] {
  const dims = call.shape(0);
  const axes = call.axes(call.list("axes") ?? range(dims.length), dims.length);
  const wanted = call.needed(1);
  if (wanted.length !== axes.length) throw call.fail(`${wanted.length} extents for ${axes.length} axes`);
  if (wanted.some((d) => d < 0)) throw call.fail(`cannot make extents [${wanted}]`);
  const before = axes.map((axis, i) => {
    const more = wanted[i]! - dims[axis]!;
    // The half that is larger by one is the end of a pad and the end of a crop.
    return more >= 0 ? Math.floor(more / 2) : -Math.floor(-more / 2);
  });
  const after = axes.map((axis, i) => wanted[i]! - dims[axis]! - before[i]!);
  return make.end("Pad", [
    call.node.inputs[0]!,
    make.integers("pads", [...before, ...after]),
    "",
    make.integers("axes", axes),
  ]);
}

/** Places and orders. */
export const places = {
  "/OneHot": {
    since: 9,
    inputs: "I D T",
    types: { I: NUMBERS, D: NUMBERS, T: ANY },
    attributes: { axis: "int" },
    rank: (_, { rank }) => plus(rank(0), 1),
    expands: oneHot,
  },
  "/EyeLike": {
    since: 9,
    inputs: "T",
    types: { T: ANY },
    attributes: { dtype: "int", k: "int" },
    rank: sameRank,
    expands: eyeLike,
  },
  "/ReverseSequence": {
    since: 10,
    inputs: "T int64",
    types: { T: ANY },
    attributes: { batch_axis: "int", time_axis: "int" },
    rank: sameRank,
    expands: reverseSequence,
  },
  "/CenterCropPad": {
    since: 18,
    inputs: "T I",
    types: { T: ANY, I: ["int32", "int64"] },
    attributes: { axes: "ints" },
    rank: sameRank,
    expands: centerCropPad,
  },
} as const satisfies Readonly<Record<string, Operator>>;
