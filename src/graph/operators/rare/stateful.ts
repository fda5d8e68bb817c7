import type { Graph } from "../../graph.ts";
import { range, shape } from "../attend.ts";
import type { Call } from "../call.ts";
import type { Maker } from "../maker.ts";
import { ANY, type Operator } from "../operator.ts";

/** Rows of an update written into a cache from an index on, one for each batch. */
const scatter: Operator["expands"] = (call, make) => {
  const [cache, update] = [call.shape(0), call.shape(1)];
  const axis = call.axis(call.number("axis", -2), cache.length);
  const fits = update.length === cache.length && update.every((d, i) => (i === axis ? d <= cache[i]! : d === cache[i]));
  if (axis === 0 || !fits)
    throw call.fail(
      "the update expected the shape of the cache, and no more than it along the axis, which is not the first",
    );
  const [batch, length] = [update[0]!, update[axis]!];
  if (call.has(2) && call.shape(2).join() !== `${batch}`) throw call.fail(`"write_indices" expected shape [${batch}]`);
  const along = (at: number, size: number): string =>
    shape(
      make,
      range(cache.length).map((i) => (i === at ? size : 1)),
    );
  let places = make.op("Reshape", [make.integers("places", range(length)), along(axis, length)]);
  if (call.has(2)) places = make.op("Add", [make.op("Reshape", [call.node.inputs[2]!, along(0, batch)]), places]);
  if (call.text("mode", "linear") === "circular")
    places = make.op("Mod", [places, make.tensor("length", "int64", cache[axis]!)]);
  const indices = make.op("Expand", [places, shape(make, update)]);
  return make.end("ScatterElements", [call.node.inputs[0]!, indices, call.node.inputs[1]!], { axis });
};

function convShape(call: Call) {
  const [x, w] = [call.shape(0), call.shape(1)];
  const [batch = 0, channels = 0] = x;
  const past = (w[2] ?? 0) - 1;
  if (x.length !== 3 || w.length !== 3 || w[0] !== channels || w[1] !== 1 || past < 0)
    throw call.fail("shapes [batch, channels, length] and [channels, 1, k] are expected");
  if (call.has(2) && call.shape(2).join() !== `${channels}`) throw call.fail(`the bias expected shape [${channels}]`);
  const state = [batch, channels, past];
  if (call.has(3) && call.shape(3).join() !== state.join()) throw call.fail(`the state expected shape [${state}]`);
  return { state, length: x[2]! };
}

/** Products of the taps with the padded input, added in their order. */
const causalConv: Operator["expands"] = (call, make) => {
  const [x, w, bias, given] = call.node.inputs;
  const { state, length } = convShape(call);
  const [, channels, past] = state as [number, number, number];
  const zeros = (): string => make.op("Expand", [make.tensor("zero", "float32", 0), shape(make, state)]);
  const padded = past === 0 ? x! : make.op("Concat", [call.has(3) ? given! : zeros(), x!], { axis: 2 });
  const cut = (value: string, from: number, to: number): string =>
    make.op("Slice", [value, ...[[from], [to], [2]].map((one) => make.integers("cut", one))]);
  const taps = make.op("Reshape", [w!, shape(make, [1, channels, past + 1])]);
  let sum = call.has(2) ? make.op("Reshape", [bias!, shape(make, [1, channels, 1])]) : undefined;
  for (let tap = 0; tap <= past; tap++) {
    const product = make.op("Mul", [cut(padded, tap, tap + length), cut(taps, tap, tap + 1)]);
    sum = sum === undefined ? product : make.op("Add", [sum, product]);
  }
  make.output(0, call.text("activation", "none") === "none" ? "Identity" : "bitbasis/Silu", [sum!]);
  make.output(1, "Slice", [padded, ...[[length], [length + past], [2]].map((one) => make.integers("cut", one))]);
  return make.done();
};

interface Heads {
  readonly batch: number;
  readonly steps: number;
  readonly groups: number;
  /** Query heads of a group. */
  readonly each: number;
  readonly keySize: number;
  readonly valueSize: number;
}

function headsOf(call: Call): Heads {
  const [queries, groups] = [call.number("q_num_heads", 0), call.number("kv_num_heads", 0)];
  if (!(groups > 0 && queries > 0 && queries % groups === 0))
    throw call.fail(`"q_num_heads" expected a multiple of "kv_num_heads", got ${queries} and ${groups}`);
  const [q, k, v] = [call.shape(0), call.shape(1), call.shape(2)];
  const [batch = 0, steps = 0, width = 0] = q;
  const [keySize, valueSize] = [width / queries, (v[2] ?? 0) / groups];
  const fits = [k, v].every((s) => s.length === 3 && s[0] === batch && s[1] === steps);
  if (
    q.length !== 3 ||
    !fits ||
    !Number.isInteger(keySize) ||
    !Number.isInteger(valueSize) ||
    k[2] !== groups * keySize
  )
    throw call.fail("query, key and value expected shape [batch, steps, heads · size]");
  return { batch, steps, groups, each: queries / groups, keySize, valueSize };
}

const RULES = ["linear", "gated", "delta", "gated_delta"] as const;

/** Values of one step, or of all of them along a first axis. */
interface Step {
  readonly q: string;
  readonly k: string;
  readonly v: string;
  /** e^decay, and beta, where the rule has them. */
  readonly decay: string | undefined;
  readonly beta: string | undefined;
}

/** One step of the recurrence: the state [batch, groups, key, value] decays, takes the outer product of key and value in, and is read by the queries. */
function step(
  make: Maker,
  { q, k, v, decay, beta }: Step,
  state: string,
  scale: string,
): { state: string; read: string } {
  let next = decay === undefined ? state : make.op("Mul", [state, decay]);
  let value = v;
  if (beta !== undefined) {
    const known = make.op("ReduceSum", [make.op("Mul", [next, k]), make.integers("keys", [2])], { keepdims: 1 });
    value = make.op("Mul", [beta, make.op("Sub", [v, known])]);
  }
  next = make.op("Add", [next, make.op("Mul", [k, value])]);
  return { state: next, read: make.op("Mul", [make.op("MatMul", [q, next]), scale]) };
}

const linearAttention: Operator["expands"] = (call, make) => {
  const rule = call.text("update_rule", "gated_delta");
  if (call.has(4) !== rule.startsWith("gated") || call.has(5) !== rule.endsWith("delta"))
    throw call.fail(`the rule "${rule}" expected its inputs of decay and beta, and no others`);
  const heads = headsOf(call);
  const { batch, steps, groups, each, keySize, valueSize } = heads;
  const [q, k, v, past, decay, beta] = call.node.inputs;
  const stateShape = [batch, groups, keySize, valueSize];
  if (call.has(3) && call.shape(3).join() !== stateShape.join())
    throw call.fail(`the state expected shape [${stateShape}]`);
  /** [steps, batch, …] of [batch, steps, …]. */
  const apart = (value: string, ...dims: number[]): string => {
    const split = make.op("Reshape", [value, shape(make, [batch, steps, ...dims])]);
    return make.op("Transpose", [split], { perm: [1, 0, ...dims.map((_, i) => i + 2)] });
  };
  const widthOf = (i: number, allowed: readonly number[]): number => {
    const [b, t, width = 0] = call.shape(i);
    if (call.shape(i).length !== 3 || b !== batch || t !== steps || !allowed.includes(width))
      throw call.fail(`input ${i} expected shape [${batch}, ${steps}, ${allowed.join(" or ")}]`);
    return width;
  };
  const all: Step = {
    q: apart(q!, groups, each, keySize),
    k: apart(k!, groups, keySize, 1),
    v: apart(v!, groups, 1, valueSize),
    decay: call.has(4)
      ? make.op("Exp", [apart(decay!, groups, widthOf(4, [groups, groups * keySize]) / groups, 1)])
      : undefined,
    beta: call.has(5) ? apart(beta!, widthOf(5, [groups, 1]), 1, 1) : undefined,
  };
  const state = call.has(3) ? past! : make.op("Expand", [make.tensor("zero", "float32", 0), shape(make, stateShape)]);
  const given = call.number("scale", 0);
  const scale = make.tensor("scale", "float32", Math.fround(given === 0 ? 1 / Math.sqrt(keySize) : given));
  const [last, read] = scanned(make, all, state, scale, call.opsets);
  const ordered = make.op("Transpose", [read], { perm: [1, 0, 2, 3, 4] });
  make.output(0, "Reshape", [ordered, shape(make, [batch, steps, groups * each * valueSize])]);
  make.output(1, "Identity", [last]);
  return make.done();
};

/** The last state, and what all steps read: a Scan, whose steps run one program. */
function scanned(
  make: Maker,
  all: Step,
  state: string,
  scale: string,
  opsets: Graph["opsets"],
): readonly [string, string] {
  const body = make.body();
  const names = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const inner = Object.fromEntries(names.map(([name]) => [name, make.name(name)]));
  const before = make.name("state");
  const made = step(body, { ...all, ...inner }, before, scale);
  const info = (name: string) => ({ name, type: "float32", shape: undefined }) as const;
  const graph: Graph = {
    name: "step",
    opsets,
    inputs: [before, ...Object.values(inner)].map(info),
    outputs: [made.state, made.read].map(info),
    nodes: body.done(),
    initializers: new Map(),
  };
  const inputs = [state, ...names.map(([, value]) => value)];
  const outputs = make.several("Scan", inputs, 2, { body: graph, num_scan_inputs: names.length });
  return outputs as [string, string];
}

export const stateful = {
  "/TensorScatter": {
    since: 24,
    inputs: "T T int64?",
    types: { T: ANY },
    attributes: { axis: "int", mode: ["linear", "circular"] },
    expands: scatter,
  },
  "/CausalConvWithState": {
    since: 27,
    inputs: "T T T? T?",
    types: { T: ["float32"] },
    attributes: { activation: ["none", "silu", "swish"] },
    shape: (call: Call) => {
      const { state } = convShape(call);
      return [call.value(0), { type: call.type(0), shape: state }];
    },
    expands: causalConv,
  },
  "/LinearAttention": {
    since: 27,
    inputs: "T T T T? T? T?",
    types: { T: ["float32"] },
    attributes: { chunk_size: "int", kv_num_heads: "int", q_num_heads: "int", scale: "float", update_rule: RULES },
    shape: (call: Call) => {
      const { batch, steps, groups, each, keySize, valueSize } = headsOf(call);
      return [
        { type: call.type(0), shape: [batch, steps, groups * each * valueSize] },
        { type: call.type(0), shape: [batch, groups, keySize, valueSize] },
      ];
    },
    expands: linearAttention,
  },
} as const satisfies Readonly<Record<string, Operator>>;
