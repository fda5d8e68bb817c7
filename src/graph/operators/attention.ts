import { type Attended, attend, biasOf, iota, shape, splitHeads, toFloat, windowBias } from "./attend.ts";
import type { Call } from "./call.ts";
import { typeCode } from "./cast.ts";
import type { Maker } from "./maker.ts";
import { HALVES, type Operator, type ShapeRule, sameRank } from "./operator.ts";

/** A query, key or value in the form [batch, heads, length, size]. */
export interface Heads {
  readonly name: string;
  readonly batch: number;
  readonly heads: number;
  readonly length: number;
  readonly size: number;
}

/** Input `i`, given as [batch, heads, length, size] or as [batch, length, heads·size] with the number of heads beside it. */
export function headsOf(call: Call, make: Maker, i: number, count: number): Heads {
  const name = call.node.inputs[i]!;
  const dims = call.shape(i);
  if (dims.length === 4) {
    const [batch, heads, length, size] = dims as [number, number, number, number];
    return { name, batch, heads, length, size };
  }
  if (dims.length !== 3) throw call.fail(`input ${i} expected three or four dimensions`);
  if (count < 1) throw call.fail(`input ${i} of three dimensions expected a number of heads ≥ 1, got ${count}`);
  const [batch, length, width] = dims as [number, number, number];
  if (width % count !== 0) throw call.fail(`${count} heads do not divide the ${width} channels of input ${i}`);
  return { name: splitHeads(make, name, dims, count), batch, heads: count, length, size: width / count };
}

/** Places of a cache, which an input is [batch, heads, places, size] of; 0 where there is none. */
export function cachedLength(call: Call, past: number, { batch, heads, size }: Heads): number {
  if (!call.has(past)) return 0;
  const dims = call.shape(past);
  const [rows, groups, places, width] = dims;
  if (dims.length !== 4 || rows !== batch || groups !== heads || width !== size)
    throw call.fail(`input ${past} expected [${batch}, ${heads}, places, ${size}]`);
  return places!;
}

/** What was there before, and what has come since, along the axis of lengths; the value that makes output `i`. */
export function present(call: Call, make: Maker, past: number, output: number, now: Heads): Heads {
  if (!call.has(past)) {
    if (make.wants(output)) make.output(output, "Identity", [now.name]);
    return now;
  }
  const length = cachedLength(call, past, now);
  const inputs = [call.node.inputs[past]!, now.name];
  const name = make.wants(output) ? call.node.outputs[output]! : make.name("present");
  make.into(name, "Concat", inputs, { axis: 2 });
  return { ...now, name, length: length + now.length };
}

/** An attention mask as a bias of rank 4, with −∞ for the keys that it does not reach. */
function maskBias(call: Call, make: Maker, i: number, queries: number, keys: number): string | undefined {
  if (!call.has(i)) return undefined;
  const dims = call.shape(i);
  const own = dims.at(-1);
  if (own === undefined || dims.length > 4 || (own > keys && own !== 1))
    throw call.fail(`the mask expected at most ${keys} keys`);
  if (dims.length >= 2 && dims.at(-2) !== queries && dims.at(-2) !== 1)
    throw call.fail(`the mask expected ${queries} rows`);
  const name = call.node.inputs[i]!;
  const bias = call.type(i) === "bool" ? biasOf(make, name) : toFloat(make, name, call.type(i));
  if (own === keys || own === 1) return bias;
  const pads = [...new Array<number>(2 * dims.length - 1).fill(0), keys - own];
  return make.op("Pad", [
    bias,
    make.integers("pads", pads),
    make.tensor("hidden", "float32", Number.NEGATIVE_INFINITY),
  ]);
}

function attentionExpands(call: Call, make: Maker) {
  const mode = call.number("qk_matmul_output_mode", 0);
  if (!(mode >= 0 && mode <= 3)) throw call.fail(`"qk_matmul_output_mode" expected integer in 0..3, got ${mode}`);
  if (call.has(4) !== call.has(5)) throw call.fail("past_key and past_value go together");
  const q = headsOf(call, make, 0, call.number("q_num_heads", 0));
  const kNow = headsOf(call, make, 1, call.number("kv_num_heads", 0));
  const vNow = headsOf(call, make, 2, call.number("kv_num_heads", 0));
  if (kNow.batch !== q.batch || vNow.batch !== q.batch) throw call.fail("Q, K and V expected the same batch");
  if (kNow.size !== q.size) throw call.fail("Q and K expected heads of one size");
  if (vNow.heads !== kNow.heads || vNow.length !== kNow.length)
    throw call.fail("K and V expected as many heads and rows");
  if (kNow.heads < 1 || q.heads % kNow.heads !== 0) throw call.fail(`${q.heads} heads do not share ${kNow.heads}`);
  const k = present(call, make, 4, 1, kNow);
  const v = present(call, make, 5, 2, vNow);
  const bias: string[] = [];
  const mask = maskBias(call, make, 3, q.length, k.length);
  if (mask !== undefined) bias.push(mask);
  let offset: number | string = k.length - kNow.length;
  if (call.has(6)) {
    if (call.shape(6).join() !== `${q.batch}`) throw call.fail(`input 6 expected shape [${q.batch}]`);
    const lengths = make.op("Reshape", [call.node.inputs[6]!, shape(make, [q.batch, 1, 1, 1])]);
    bias.push(biasOf(make, make.op("Less", [iota(make, k.length), lengths])));
    offset = make.op("Sub", [lengths, make.tensor("queries", "int64", q.length)]);
  }
  const window = windowBias(make, q.length, k.length, offset, {
    causal: call.number("is_causal", 0) !== 0,
    left: call.number("left_window_size", -1),
    right: call.number("right_window_size", -1),
  });
  if (window !== undefined) bias.push(window);
  const type = call.type(0);
  const attended = attend(make, {
    ...{
      q: toFloat(make, q.name, type),
      k: toFloat(make, k.name, call.type(1)),
      v: toFloat(make, v.name, call.type(2)),
    },
    ...{ batch: q.batch, heads: q.heads, groups: k.heads, queries: q.length, keys: k.length },
    ...{ size: q.size, valueSize: v.size, scale: call.number("scale", 1 / Math.sqrt(q.size)) },
    ...{ softcap: call.number("softcap", 0), bias },
  });
  const to = { to: typeCode(type) };
  const flat = call.shape(0).length === 3;
  const result = flat ? joinHeads(make, attended, q.batch, q.length, q.heads * v.size) : attended.result;
  make.output(0, "Cast", [result], to);
  const stages = [attended.scores, attended.capped, attended.biased, attended.weights];
  make.output(3, "Cast", [stages[mode]!], to);
  return make.done();
}

/** [batch, heads, length, size] → [batch, length, heads·size] */
export function joinHeads(make: Maker, { result }: Attended, batch: number, length: number, width: number): string {
  const moved = make.op("Transpose", [result], { perm: [0, 2, 1, 3] });
  return make.op("Reshape", [moved, shape(make, [batch, length, width])]);
}

/** How a RotaryEmbedding turns its input. */
export interface Rotary {
  /** [batch, heads, length, size] */
  readonly x: string;
  /** Cosines and sines, [batch or 1, 1, length, half]: the first 2·half channels of a head turn. */
  readonly cos: string;
  readonly sin: string;
  readonly interleaved: boolean;
}

/** Turns pairs of channels by the angles of their places. */
export function rotate(make: Maker, { x, cos, sin, interleaved }: Rotary): string {
  return make.op("bitbasis/Rotary", [x, cos, sin], { interleaved: interleaved ? 1 : 0 });
}

const rotaryShape: ShapeRule = (call) => {
  const [batch, , length, size] = call.shape(0);
  for (const i of [1, 2]) {
    const [own, heads, places, half, ...more] = call.shape(i);
    const fits = (own === 1 || own === batch) && heads === 1 && places === length && 2 * half! <= size!;
    if (call.shape(0).length !== 4 || !fits || more.length > 0 || half !== call.shape(1)[3])
      throw call.fail(`input ${i} expected the angles of half of the channels, [${batch} or 1, 1, ${length}, …]`);
  }
  return [call.value(0)];
};

function rotaryExpands(call: Call, make: Maker) {
  const x = headsOf(call, make, 0, call.number("num_heads", 0));
  const width = call.number("rotary_embedding_dim", 0) || x.size;
  if (width > x.size || width % 2 !== 0) throw call.fail(`"rotary_embedding_dim" expected an even number ≤ ${x.size}`);
  const [cos, sin] = [1, 2].map((i) => {
    const dims = call.shape(i);
    const name = call.node.inputs[i]!;
    if (dims.at(-1)! < width / 2) throw call.fail(`input ${i} expected ${width / 2} columns`);
    const places = call.has(3) ? make.op("Gather", [name, call.node.inputs[3]!], { axis: 0 }) : name;
    if (call.has(3) && call.shape(3).join() !== `${x.batch},${x.length}`)
      throw call.fail(`position_ids expected shape [${x.batch}, ${x.length}]`);
    if (!call.has(3) && (dims.length !== 3 || dims[0] !== x.batch || dims[1] !== x.length))
      throw call.fail(`input ${i} expected shape [${x.batch}, ${x.length}, ${width / 2}]`);
    const columns = make.op("Slice", [
      places,
      ...["start", "end", "axis"].map((part, j) => make.integers(part, [[0], [width / 2], [2]][j]!)),
    ]);
    return make.op("Unsqueeze", [columns, make.integers("heads", [1])]);
  }) as [string, string];
  const turned = rotate(make, { x: x.name, cos, sin, interleaved: call.number("interleaved", 0) !== 0 });
  if (call.shape(0).length === 4) return make.end("Identity", [turned]);
  const moved = make.op("Transpose", [turned], { perm: [0, 2, 1, 3] });
  return make.end("Reshape", [moved, shape(make, call.shape(0))]);
}

/** Attention and what comes with it, written out in products once shapes are known. */
export const attention = {
  "/Attention": {
    since: 23,
    inputs: "T T U M? T? U? int64?",
    types: { T: HALVES, U: HALVES, M: ["bool", ...HALVES] },
    attributes: {
      is_causal: "int",
      kv_num_heads: "int",
      left_window_size: "int",
      q_num_heads: "int",
      qk_matmul_output_mode: "int",
      right_window_size: "int",
      scale: "float",
      softcap: "float",
      softmax_precision: "int",
    },
    rank: (_, { rank }, output) => (output === 0 ? rank(0) : 4),
    sizes: "polynomial",
    expands: attentionExpands,
  },
  "/RotaryEmbedding": {
    since: 23,
    inputs: "T T T int64?",
    types: { T: HALVES },
    attributes: { interleaved: "int", num_heads: "int", rotary_embedding_dim: "int" },
    rank: (_, { rank }) => rank(0),
    sizes: "polynomial",
    expands: rotaryExpands,
  },
  "bitbasis/Rotary": {
    since: 1,
    inputs: "T T T",
    types: { T: ["float32"] },
    attributes: { interleaved: "int" },
    rank: sameRank,
    shape: rotaryShape,
    sizes: "polynomial",
    steps: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
