import { INDEX } from "../graph/operators/operator.ts";
import { sizeOf } from "../tensor/index.ts";
import { axisOf, type RunControl, stack } from "./control.ts";
import type { ControlNode } from "./control-node.ts";
import { cut, eachOf, join } from "./slabs.ts";
import { bool, type Held, int64, isHeld, Scope, scalarOf, toConstant, type Value } from "./values.ts";

/** A place in a sequence of `length` tensors, counted from the end when negative; `after`: the one behind the last tensor too. */
function position(c: ControlNode, i: number, length: number, after: 0 | 1): number {
  const given = c.tensor(i);
  if (sizeOf(given.dims) !== 1 || !INDEX.includes(given.type))
    throw c.fail(`a position expected int32 or int64 [], got ${given.type} [${given.dims}]`);
  const at = scalarOf(c.core, given);
  if (at < -length || at >= length + after) {
    // As for any index in the data: the feeds are wrong, not the model.
    throw new RangeError(c.fail(`position ${at} expected an integer in ${-length}..${length - 1 + after}`).message);
  }
  return at < 0 ? at + length : at;
}

function sameType(c: ControlNode, values: readonly Held[]): readonly Held[] {
  const other = values.find(({ type }) => type !== values[0]!.type);
  if (other !== undefined) throw c.fail(`a sequence of ${values[0]!.type} got ${other.type}`);
  return values;
}

const construct: RunControl = async (c) => {
  return [
    sameType(
      c,
      Array.from({ length: c.count }, (_, i) => c.tensor(i)),
    ),
  ];
};

const insert: RunControl = async (c) => {
  const sequence = c.sequence(0);
  const place = c.has(2) ? position(c, 2, sequence.length, 1) : sequence.length;
  return [sameType(c, [...sequence.slice(0, place), c.tensor(1), ...sequence.slice(place)])];
};

const erase: RunControl = async (c) => {
  const sequence = c.sequence(0);
  if (sequence.length === 0) throw c.fail("a sequence without tensors has none to erase");
  const place = c.has(1) ? position(c, 1, sequence.length, 0) : sequence.length - 1;
  return [sequence.filter((_, i) => i !== place)];
};

const at: RunControl = async (c) => {
  const sequence = c.sequence(0);
  return [sequence[position(c, 1, sequence.length, 0)]];
};

/** What a part of a tensor takes in JavaScript, with its shape and its size. */
const PART_BYTES = 256;
/** Sizes of the parts, and whether they keep the axis. */
function splitSizes(c: ControlNode, extent: number): { sizes: number[]; keeps: boolean } {
  if (!c.has(1)) {
    c.core.hold(extent * PART_BYTES);
    return { sizes: new Array<number>(extent).fill(1), keeps: c.node.attributes["keepdims"] !== 0 };
  }
  const split = c.tensor(1);
  if (!INDEX.includes(split.type)) throw c.fail(`"split" expected int32 or int64, got ${split.type}`);
  c.core.hold(sizeOf(split.dims) * PART_BYTES);
  const numbers = Array.from(toConstant(c.core, split).data as ArrayLike<number | bigint>, Number);
  if (split.dims.length === 0) {
    const size = numbers[0]!;
    if (size < 1) throw c.fail(`"split" expected an integer ≥ 1, got ${size}`);
    c.core.hold(Math.ceil(extent / size) * PART_BYTES);
    const sizes = Array.from({ length: Math.ceil(extent / size) }, (_, i) => Math.min(size, extent - i * size));
    return { sizes, keeps: true };
  }
  if (numbers.some((size) => size < 0) || numbers.reduce((a, b) => a + b, 0) !== extent)
    throw c.fail(`"split" expected sizes ≥ 0 with the sum ${extent}, got [${numbers}]`);
  return { sizes: numbers, keeps: true };
}

const split: RunControl = async (c) => {
  const value = c.tensor(0);
  const axis = axisOf(c, "axis", attribute(c, "axis", 0), value.dims.length);
  const { sizes, keeps } = splitSizes(c, value.dims[axis]!);
  return [await cut(c, value, axis, sizes, keeps)];
};

const concat: RunControl = async (c) => {
  const sequence = c.sequence(0);
  const [first] = sequence;
  if (first === undefined) throw c.fail("a sequence without tensors cannot be concatenated");
  sameType(c, sequence);
  if (attribute(c, "new_axis", 0) !== 0) return [await stack(c, sequence, "axis", attribute(c, "axis", 0))];
  const axis = axisOf(c, "axis", attribute(c, "axis", 0), first.dims.length);
  await eachOf(c, sequence, ({ dims }) => {
    if (dims.length !== first.dims.length || dims.some((d, i) => i !== axis && d !== first.dims[i]))
      throw c.fail(`tensors along axis ${axis} expected the other extents of [${first.dims}], got [${dims}]`);
  });
  return [await join(c, sequence, axis)];
};

function attribute(c: ControlNode, name: string, fallback: number): number {
  const value = c.node.attributes[name];
  if (value === undefined) return fallback;
  if (typeof value !== "number" || !Number.isInteger(value))
    throw c.fail(`"${name}" expected an integer, got ${JSON.stringify(value)}`);
  return value;
}

/** Calls the body for the tensors at each place of the sequences; tensors go into every call. */
const map: RunControl = async (c) => {
  const body = c.body("body");
  const inputs = Array.from({ length: c.count }, (_, i) => c.value(i));
  const { length } = c.sequence(0);
  const outputs: Held[][] = body.graph.outputs.map(() => []);
  const made = new Scope(c.core);
  for (let i = 0; i < length; i++) {
    const step = inputs.map((value): Value => {
      if (isHeld(value) || value === undefined) return value;
      if (value.length !== length) throw c.fail(`its sequences expected ${length} tensors, got ${value.length}`);
      return value[i];
    });
    const results = await body.call(step, made);
    made.give(results, c.scope);
    results.forEach((value, k) => {
      if (!isHeld(value)) throw c.fail(`output ${k} of its body expected a tensor`);
      outputs[k]!.push(value);
    });
    await c.turn();
  }
  return outputs;
};

const getElement: RunControl = async (c) => {
  const value = c.value(0);
  if (value === undefined) throw new RangeError(c.fail("the optional holds nothing").message);
  return [value];
};

/** Operators of sequences and optionals. A sequence is a list of tensors: taking one out or putting one in copies nothing. */
export const LISTS: Readonly<Record<string, RunControl>> = {
  SequenceEmpty: async () => [[]],
  SequenceConstruct: construct,
  SequenceInsert: insert,
  SequenceErase: erase,
  SequenceAt: at,
  SequenceLength: async (c) => [int64(c.sequence(0).length)],
  SplitToSequence: split,
  ConcatFromSequence: concat,
  SequenceMap: map,
  Optional: async (c) => [c.value(0)],
  OptionalGetElement: getElement,
  OptionalHasElement: async (c) => [bool(c.value(0) !== undefined)],
  Identity: async (c) => [c.value(0)],
};
