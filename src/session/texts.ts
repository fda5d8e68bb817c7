// Texts live in JavaScript. Where many are moved or compared by an operator that has steps, the core does it to their numbers: in slices, with turns between
// them, and under the limits of its memory and work. A chunk of its own: few networks have texts, and fewer so many.
import type { Core } from "../core/index.ts";
import type { Graph } from "../graph/index.ts";
import { Call } from "../graph/operators/call.ts";
import { outputsOf } from "../graph/operators/contract.ts";
import { operatorOf } from "../graph/operators/index.ts";
import type { Stage } from "../graph/stage.ts";
import { type Part, type Routine, routineOf } from "../program/routine.ts";
import { bytesIn, sizeOf, Tensor } from "../tensor/index.ts";
import type { Runner } from "./runner.ts";
import { type Held, type Value, viewOf } from "./values.ts";

/** So many texts are moved at once, in a millisecond: a program would take as long to make. */
const AT_ONCE = 2 ** 14;
/** Texts that are numbered, or found again, between two turns: a millisecond or two. */
const TEXTS = 2 ** 13;
/** What a text takes in a table that finds its number. */
const ENTRY_BYTES = 48;

/**
 * The outputs of the node that a part stops at; undefined where there are few texts.
 *
 * @param inputs - of the node, all of which are there
 * @param run - gives the outputs of a routine
 */
export async function moveTexts(
  { stage, bodies }: Part,
  inputs: readonly (Tensor | undefined)[],
  core: Core,
  { rest }: Runner,
  run: (routine: Routine, values: ReadonlyMap<string, Value>) => Promise<readonly Value[]>,
): Promise<readonly Value[] | undefined> {
  const { node } = stage.stop!;
  const given = inputs.map((tensor) => tensor && { type: tensor.type, shape: tensor.dims });
  const outputs = outputsOf(new Call(node, stage.opsets, given, inputs), operatorOf(node)!);
  const sizes = [...given, ...outputs].map((value) => (value === undefined ? 0 : sizeOf(value.shape)));
  if (Math.max(...sizes) <= AT_ONCE) return undefined;
  const table = new Table(core, rest);
  const values = new Map<string, Tensor>();
  for (const [i, tensor] of inputs.entries()) {
    const name = node.inputs[i]!;
    if (tensor === undefined || values.has(name)) continue;
    values.set(name, tensor.type === "string" ? await table.numbers(tensor as Tensor<"string">) : tensor);
  }
  // No attribute is called "".
  if (!bodies.has("")) bodies.set("", routineOf(graphOf(stage, values), stage));
  const results = await run(bodies.get("")!, values);
  const read: Value[] = [];
  let next = 0;
  for (const [i, name] of node.outputs.entries()) {
    const value = name === "" ? undefined : (results[next++] as Held);
    read.push(value !== undefined && outputs[i]!.type === "string" ? await table.texts(value) : value);
  }
  return read;
}

/** The node alone, of numbers. */
function graphOf({ stop, opsets }: Stage, values: ReadonlyMap<string, Tensor>): Graph {
  const { node } = stop!;
  const outputs = node.outputs.filter((name) => name !== "");
  return {
    name: node.name,
    opsets,
    inputs: [...values].map(([name, { type }]) => ({ name, type, shape: undefined })),
    outputs: outputs.map((name) => ({ name, type: "int32", shape: undefined })),
    nodes: [node],
    initializers: new Map(),
  };
}

/** Texts by number, equal ones once. 0 is the empty text, which Pad puts where nothing is. */
class Table {
  private readonly all = [""];
  private readonly known = new Map([["", 0]]);

  constructor(
    private readonly core: Core,
    private readonly rest: Runner["rest"],
  ) {}

  async numbers({ data, dims, size }: Tensor<"string">): Promise<Tensor> {
    this.core.hold(size * (ENTRY_BYTES + 4));
    const numbers = new Int32Array(size);
    for (let i = 0; i < size; i++) {
      const text = data[i]!;
      let number = this.known.get(text);
      if (number === undefined) {
        number = this.all.push(text) - 1;
        this.known.set(text, number);
      }
      numbers[i] = number;
      if (i % TEXTS === TEXTS - 1) await this.rest();
    }
    return new Tensor("int32", numbers, dims);
  }

  async texts(value: Held): Promise<Tensor> {
    const size = sizeOf(value.dims);
    this.core.hold(bytesIn("string", size));
    const texts = new Array<string>(size);
    for (let first = 0; first < size; first += TEXTS) {
      // A view anew for each piece: in a turn the memory may grow.
      const bytes = viewOf(this.core, value).slice(4 * first, 4 * (first + TEXTS));
      new Int32Array(bytes.buffer).forEach((number, i) => {
        texts[first + i] = this.all[number]!;
      });
      await this.rest();
    }
    return new Tensor("string", texts, value.dims);
  }
}
