import { sizeOf } from "../tensor/index.ts";
import { axisOf, nothingOf, type RunControl, Steps, stack } from "./control.ts";
import type { Body, ControlNode } from "./control-node.ts";
import { move, slab } from "./slabs.ts";
import { type Held, reshaped, toConstant, type Value } from "./values.ts";

/** Inputs to be scanned along their axes, and states. */
interface Scanned {
  readonly states: readonly Value[];
  readonly inputs: readonly Held[];
  readonly axes: readonly number[];
  /** 1: from the end. */
  readonly directions: readonly number[];
  readonly length: number;
}

/** Calls the body once per slab. Gives the last states, and what was collected. */
async function scan(c: ControlNode, body: Body, s: Scanned): Promise<{ states: readonly Value[]; slabs: Held[][] }> {
  const steps = new Steps(c, body, s.states, 0);
  try {
    for (let step = 0; step < s.length; step++) {
      const slabs: Held[] = [];
      for (const [i, input] of s.inputs.entries()) {
        const at = s.directions[i] === 1 ? s.length - 1 - step : step;
        slabs.push(without(await slab(c, input, s.axes[i]!, at, 1), s.axes[i]!));
      }
      await steps.next([], slabs);
    }
    return { states: steps.finish(), slabs: steps.collected };
  } finally {
    steps.release();
  }
}

function without(value: Held, axis: number): Held {
  return reshaped(
    value,
    value.dims.filter((_, i) => i !== axis),
  );
}

/** Integers of an attribute, one for each of `count` inputs or outputs. */
function perValue(c: ControlNode, name: string, count: number): readonly number[] {
  const given = c.node.attributes[name];
  if (given === undefined) return new Array<number>(count).fill(0);
  if (!Array.isArray(given) || given.length !== count || !given.every(Number.isInteger)) {
    throw c.fail(`"${name}" expected ${count} integers, got ${JSON.stringify(given)}`);
  }
  return given as readonly number[];
}

/** How many of the inputs are scanned. */
function scannedCount(c: ControlNode): number {
  return c.node.attributes["num_scan_inputs"] as number;
}

function commonLength(c: ControlNode, lengths: readonly number[]): number {
  if (lengths.some((length) => length !== lengths[0]))
    throw c.fail(`the scanned inputs expected one length, got ${lengths.join(", ")}`);
  return lengths[0]!;
}

const runScan: RunControl = async (c) => {
  if (c.opset < 9) return runBatches(c);
  const body = c.body("body");
  const count = scannedCount(c);
  const states = c.count - count;
  const inputs = Array.from({ length: count }, (_, i) => c.tensor(states + i));
  const axes = perValue(c, "scan_input_axes", count).map((axis, i) =>
    axisOf(c, "scan_input_axes", axis, inputs[i]!.dims.length),
  );
  const result = await scan(c, body, {
    states: Array.from({ length: states }, (_, i) => c.value(i)),
    inputs,
    axes,
    directions: perValue(c, "scan_input_directions", count),
    length: commonLength(
      c,
      inputs.map(({ dims }, i) => dims[axes[i]!]!),
    ),
  });
  const outputAxes = perValue(c, "scan_output_axes", result.slabs.length);
  const reversed = perValue(c, "scan_output_directions", result.slabs.length);
  const outputs: Held[] = [];
  for (const [i, slabs] of result.slabs.entries()) {
    const inOrder = reversed[i] === 1 ? [...slabs].reverse() : slabs;
    outputs.push(
      slabs.length === 0
        ? nothingOf(body.graph.outputs[states + i]!, outputAxes[i]!)
        : await stack(c, inOrder, "scan_output_axes", outputAxes[i]!),
    );
  }
  return [...result.states, ...outputs];
};

/** Scan of opset 8: lengths of the sequences, then states and inputs with a batch axis before everything else. */
const runBatches: RunControl = async (c) => {
  const body = c.body("body");
  const given = c.count - 1;
  const count = scannedCount(c);
  const states = given - count;
  const all = Array.from({ length: given }, (_, i) => c.tensor(1 + i));
  const inputs = all.slice(states);
  for (const { dims } of inputs)
    if (dims.length < 2) throw c.fail(`a scanned input expected 2 axes or more, got [${dims}]`);
  const batch = all[0]!.dims[0];
  if (batch === undefined || batch === 0 || all.some(({ dims }) => dims[0] !== batch))
    throw c.fail(`the inputs expected one batch, got ${all.map(({ dims }) => `[${dims}]`).join(", ")}`);
  const longest = commonLength(
    c,
    inputs.map(({ dims }) => dims[1]!),
  );
  const lengths = c.has(0) ? sequenceLengths(c, batch, longest) : new Array<number>(batch).fill(longest);
  const directions = perValue(c, "directions", count);
  const finals: Held[][] = Array.from({ length: states }, () => []);
  const outputs: Held[][] = [];
  for (let b = 0; b < batch; b++) {
    const one: Held[] = [];
    for (const value of all) one.push(without(await slab(c, value, 0, b, 1), 0));
    const result = await scan(c, body, {
      states: one.slice(0, states),
      inputs: one.slice(states),
      axes: new Array<number>(count).fill(0),
      directions,
      length: lengths[b]!,
    });
    result.states.forEach((value, i) => {
      finals[i]!.push(value as Held);
    });
    for (const [i, slabs] of result.slabs.entries()) {
      const output = body.graph.outputs[states + i]!;
      const joined = slabs.length === 0 ? nothingOf(output, 0) : await stack(c, slabs, "scan output", 0);
      outputs[i] = [...(outputs[i] ?? []), await padded(c, joined, longest)];
    }
  }
  const stacked: Held[] = [];
  for (const values of [...finals, ...outputs]) stacked.push(await stack(c, values, "batch", 0));
  return stacked;
};

function sequenceLengths(c: ControlNode, batch: number, longest: number): number[] {
  const given = c.tensor(0);
  const lengths = Array.from(toConstant(c.core, given).data as ArrayLike<number | bigint>, Number);
  const fit = sizeOf(given.dims) === batch && lengths.every((length) => length >= 0 && length <= longest);
  if (!fit) throw c.fail(`"sequence_lens" expected ${batch} integers in 0..${longest}, got [${lengths}]`);
  return lengths;
}

/** With zeros after the last slab. */
async function padded(c: ControlNode, value: Held, length: number): Promise<Held> {
  const count = value.dims[0]!;
  if (count === length) return value;
  return move(c, value.type, [length, ...value.dims.slice(1)], 0, [{ value, start: 0, into: 0, count }]);
}

export const SCAN: Readonly<Record<string, RunControl>> = { Scan: runScan };
