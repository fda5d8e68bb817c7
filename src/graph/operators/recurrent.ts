import type { Node } from "../graph.ts";
import type { Call } from "./call.ts";
import type { Maker } from "./maker.ts";
import type { Operator, ShapeRule, WeightInput } from "./operator.ts";
import type { RankView } from "./rank.ts";

type Cell = "RNN" | "GRU" | "LSTM";

/** Products with the state per step. */
export const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const;
const DEFAULTS = { RNN: ["Tanh"], GRU: ["Sigmoid", "Tanh"], LSTM: ["Sigmoid", "Tanh", "Tanh"] } as const;

/** Activations by name, each with the defaults of its alpha and beta; undefined where it has none. */
export const ACTIVATIONS: Readonly<Record<string, readonly [string, (number | undefined)?, number?]>> = {
  affine: ["Affine", 1, 0],
  elu: ["Elu", 1],
  hardsigmoid: ["HardSigmoid", 0.2, 0.5],
  leakyrelu: ["LeakyRelu", 0.01],
  relu: ["Relu"],
  scaledtanh: ["ScaledTanh", 1, 1],
  sigmoid: ["Sigmoid"],
  softplus: ["Softplus"],
  softsign: ["Softsign"],
  tanh: ["Tanh"],
  thresholdedrelu: ["ThresholdedRelu", 1],
};

interface Activation {
  readonly name: string;
  readonly alpha: number;
  readonly beta: number;
}

/** The activations of all directions; alphas and betas are lists for those functions that have one, in order. */
function activationsOf(node: Node, make: Maker, cell: Cell, directions: number): Activation[] {
  const defaults = new Array<readonly string[]>(directions).fill(DEFAULTS[cell]).flat();
  const names = node.attributes["activations"] ?? defaults;
  if (!Array.isArray(names) || names.length !== defaults.length || names.some((name) => typeof name !== "string")) {
    throw make.fail(`"activations" expected ${defaults.length} names, got ${JSON.stringify(names)}`, "MODEL");
  }
  const alphas = [...numbers(node, make, "activation_alpha")];
  const betas = [...numbers(node, make, "activation_beta")];
  return (names as readonly string[]).map((given) => {
    const found = Object.hasOwn(ACTIVATIONS, given.toLowerCase()) ? ACTIVATIONS[given.toLowerCase()]! : undefined;
    if (found === undefined) throw make.fail(`activation "${given}" is not one of ONNX`, "MODEL");
    const [name, alpha, beta] = found;
    return {
      name,
      alpha: alpha === undefined ? 0 : (alphas.shift() ?? alpha),
      beta: beta === undefined ? 0 : (betas.shift() ?? beta),
    };
  });
}

function numbers(node: Node, make: Maker, name: string): readonly number[] {
  const given = node.attributes[name] ?? [];
  if (!Array.isArray(given) || given.some((v) => typeof v !== "number"))
    throw make.fail(`"${name}" expected numbers`, "MODEL");
  return given as readonly number[];
}

/** An attribute that is one of a few texts or integers. */
function oneOf<T extends string | number>(node: Node, make: Maker, name: string, allowed: readonly T[]): T {
  const given = (node.attributes[name] ?? allowed[0]) as T;
  if (!allowed.includes(given)) {
    throw make.fail(`"${name}" expected one of ${allowed.join(", ")}, got ${JSON.stringify(given)}`, "MODEL");
  }
  return given;
}

/**
 * RNN, GRU and LSTM as one product of all inputs by their weights, W, with the biases, and per direction a bitbasis/RNN, GRU or LSTM for what depends on
 * the state: both W and R are then ordinary constant operands of a linear operator, so that both become series.
 */
function becomes(cell: Cell): Operator["becomes"] {
  return (node, make) => {
    const direction = oneOf(node, make, "direction", ["forward", "reverse", "bidirectional"]);
    const batchFirst = oneOf(node, make, "layout", [0, 1]) === 1;
    const resetLast = oneOf(node, make, "linear_before_reset", [0, 1]) === 1;
    const coupled = oneOf(node, make, "input_forget", [0, 1]);
    const directions = direction === "bidirectional" ? ["forward", "reverse"] : [direction];
    const activations = activationsOf(node, make, cell, directions.length);
    const perCell = DEFAULTS[cell].length;
    const { hidden_size, clip } = node.attributes;
    const [x = "", w = "", r = "", b = "", lengths = "", state = "", initialCell = "", peepholes = ""] = node.inputs;
    const source = batchFirst ? make.op("Transpose", [x], { perm: [1, 0, 2] }) : x;
    const split = new Map<string, readonly string[]>();
    /** What belongs to direction `d` of an input that has its directions at `axis`: as many as the attribute says. */
    const part = (name: string, d: number, axis = 0): string => {
      if (name === "") return "";
      const constant = make.constant(name);
      if (constant !== undefined) {
        if (constant.dims[axis] !== directions.length)
          throw make.fail(
            `"${name}" [${constant.dims}] expected ${directions.length} directions along axis ${axis}`,
            "MODEL",
          );
        return make.op("Gather", [name, make.tensor("direction", "int64", d)], { axis });
      }
      const sizes = directions.map(() => 1);
      const key = `${axis} ${name}`;
      const parts =
        split.get(key) ?? make.several("Split", [name, make.integers("sizes", sizes)], sizes.length, { axis });
      split.set(key, parts);
      return make.op("Squeeze", [parts[d]!, make.integers("axis", [axis])]);
    };
    const made = directions.map((one, d) => {
      const weights = make.op("Transpose", [part(w, d)], { perm: [1, 0] });
      let product = make.op("MatMul", [source, weights]);
      let extra = cell === "LSTM" ? part(peepholes, d) : "";
      if (b !== "") {
        const { sum, inner } = biases(make, part(b, d), cell === "GRU" && resetLast);
        product = make.op("Add", [product, sum]);
        if (inner !== undefined) extra = inner;
      }
      const stateAxis = batchFirst ? 1 : 0;
      const own = activations.slice(d * perCell, (d + 1) * perCell);
      const inputs = [product, part(r, d), lengths, part(state, d, stateAxis)];
      inputs.push(cell === "LSTM" ? part(initialCell, d, stateAxis) : "", extra);
      while (inputs.at(-1) === "") inputs.pop();
      return make.several(`bitbasis/${cell}`, inputs, cell === "LSTM" ? 3 : 2, {
        direction: one,
        activations: own.map(({ name }) => name),
        activation_alpha: own.map(({ alpha }) => alpha),
        activation_beta: own.map(({ beta }) => beta),
        ...(hidden_size === undefined ? {} : { hidden_size }),
        ...(clip === undefined ? {} : { clip }),
        ...(cell === "LSTM" ? { input_forget: coupled } : {}),
        ...(cell === "GRU" ? { linear_before_reset: resetLast ? 1 : 0 } : {}),
      });
    });
    node.outputs.forEach((_, i) => {
      if (!make.wants(i)) return;
      if (i >= made[0]!.length) throw make.fail(`output ${i} is one too many`, "MODEL");
      // the sequence gets its directions behind the time, or, batch first, behind the batch and the time; states before or behind the batch
      const axis = i === 0 ? (batchFirst ? 2 : 1) : batchFirst ? 1 : 0;
      const at = make.integers("axis", [axis]);
      const parts = made.map((outputs) => {
        const value = outputs[i]!;
        return i === 0 && batchFirst ? make.op("Transpose", [value], { perm: [1, 0, 2] }) : value;
      });
      if (parts.length === 1) make.output(i, "Unsqueeze", [parts[0]!, at]);
      else {
        const placed = parts.map((value) => make.op("Unsqueeze", [value, at]));
        make.output(i, "Concat", placed, { axis });
      }
    });
    return make.done();
  };
}

/** The biases [2·G·H] of one direction: the sum of both halves; of a GRU that resets last, without that of the candidate's state, which is `inner`. */
function biases(make: Maker, both: string, resetLast: boolean): { sum: string; inner?: string } {
  if (!resetLast) {
    const [input, state] = make.several("Split", [both], 2, { axis: 0, num_outputs: 2 });
    return { sum: make.op("Add", [input!, state!]) };
  }
  const [wz, wr, wh, rz, rr, rh] = make.several("Split", [both], 6, { axis: 0, num_outputs: 6 });
  const sums = [make.op("Add", [wz!, rz!]), make.op("Add", [wr!, rr!]), wh!];
  return { sum: make.op("Concat", sums, { axis: 0 }), inner: rh! };
}

const shape =
  (cell: Cell): ShapeRule =>
  (call: Call) => {
    const gates = GATES[cell];
    const x = call.shape(0);
    if (x.length !== 3) throw call.fail("the inputs expected three dimensions");
    const [time, batch, width] = x as [number, number, number];
    const hidden = call.number("hidden_size", width / gates);
    if (hidden < 1 || width !== gates * hidden) {
      throw call.fail(`weights of ${width} rows do not fit ${gates} gates of ${hidden}`);
    }
    const expect = (i: number, what: string, dims: readonly number[]): void => {
      if (call.has(i) && call.shape(i).join() !== dims.join()) throw call.fail(`${what} expected shape [${dims}]`);
    };
    expect(1, "the recurrent weights", [width, hidden]);
    expect(2, "the sequence lengths", [batch]);
    expect(3, "the initial state", [batch, hidden]);
    expect(4, "the initial cell", [batch, hidden]);
    expect(5, cell === "LSTM" ? "the peepholes" : "the bias", [cell === "LSTM" ? 3 * hidden : hidden]);
    const state = { type: call.type(0), shape: [batch, hidden] };
    return [{ type: call.type(0), shape: [time, batch, hidden] }, state, ...(cell === "LSTM" ? [state] : [])];
  };

const common = {
  since: 1,
  inputs: "T T int32? T? T? T?",
  types: { T: ["float32"] },
  attributes: {
    direction: ["forward", "reverse"],
    activations: "texts",
    activation_alpha: "floats",
    activation_beta: "floats",
    hidden_size: "int",
    clip: "float",
    input_forget: "int",
    linear_before_reset: "int",
  },
  rank: (_: Node, __: RankView, output: number) => (output === 0 ? 3 : 2),
  weights: [{ input: 1, axis: (_, rank) => (rank === 2 ? 0 : undefined) }] as readonly WeightInput[],
  elements: "recurrent",
  steps: true,
} as const satisfies Operator;

const OTHERS =
  "direction:text activations:texts activation_alpha:floats activation_beta:floats hidden_size:int clip:float layout:int output_sequence:int<7";

/** Recurrent networks over a sequence. */
export const recurrent = {
  "/RNN": { since: 1, others: OTHERS, becomes: becomes("RNN") },
  "/GRU": { since: 1, others: `${OTHERS} linear_before_reset:int`, becomes: becomes("GRU") },
  "/LSTM": { since: 1, others: `${OTHERS} input_forget:int`, becomes: becomes("LSTM") },
  "bitbasis/RNN": { ...common, shape: shape("RNN") },
  "bitbasis/GRU": { ...common, shape: shape("GRU") },
  "bitbasis/LSTM": { ...common, shape: shape("LSTM") },
} as const satisfies Readonly<Record<string, Operator>>;
