import type { Node } from "../../graph.ts";
import { type Attending, attend, iota, shape, splitHeads, toFloat, windowBias } from "../attend.ts";
import { cachedLength, type Heads, headsOf, joinHeads, present, rotate } from "../attention.ts";
import type { Call } from "../call.ts";
import { typeCode } from "../cast.ts";
import type { Maker } from "../maker.ts";
import { HALVES, INDEX, type Operator } from "../operator.ts";
import type { Rewrite } from "../rewrite.ts";

/** Several heads in one: [batch, length, heads, parts, size] → `parts` values [batch, heads, length, size]. */
function unpacked(call: Call, make: Maker, i: number, parts: number): Heads[] {
  const dims = call.shape(i) as [number, number, number, number, number];
  if (dims.length !== 5 || dims[3] !== parts) throw call.fail(`input ${i} expected shape [.., .., .., ${parts}, ..]`);
  const [batch, length, heads, , size] = dims;
  const whole = make.op("Transpose", [call.node.inputs[i]!], { perm: [3, 0, 2, 1, 4] });
  const sizes = make.integers("parts", new Array<number>(parts).fill(1));
  return make.several("Split", [whole, sizes], parts, { axis: 0 }).map((part) => ({
    ...{ name: make.op("Reshape", [part, shape(make, [batch, heads, length, size])]), batch, heads, length, size },
  }));
}

/** Query, key and value of a MultiHeadAttention in whichever of its forms they come, biases of the projections added. */
function projections(call: Call, make: Maker): [Heads, Heads, Heads] {
  const heads = call.number("num_heads", 0);
  if (call.shape(0).length === 5) {
    if (call.has(3)) throw call.fail("packed queries with a bias are not supported", "UNSUPPORTED");
    return unpacked(call, make, 0, 3) as [Heads, Heads, Heads];
  }
  const isPacked = call.has(1) && call.shape(1).length === 5;
  if (!isPacked && !(call.has(1) && call.has(2))) throw call.fail("key and value are missing");
  const names = [...call.node.inputs];
  if (call.has(3)) {
    const widths = [0, 1, 2].map((i) => (call.shape(i).length === 3 ? call.shape(i)[2]! : 0));
    const own = widths[2] === 0 ? [widths[0]!, widths[0]!, widths[0]!] : widths;
    if (call.shape(3).join() !== `${own[0]! + own[1]! + own[2]!}`) throw call.fail(`the bias expected ${own} entries`);
    const parts = make.several("Split", [names[3]!, make.integers("parts", own)], 3, { axis: 0 });
    for (const i of [0, 1, 2]) if (widths[i]! > 0) names[i] = make.op("Add", [names[i]!, parts[i]!]);
  }
  const named = call.renamed(names);
  const q = headsOf(named, make, 0, heads);
  if (isPacked) return [q, ...unpacked(call, make, 1, 2)] as [Heads, Heads, Heads];
  return [q, headsOf(named, make, 1, heads), headsOf(named, make, 2, heads)];
}

/** Keys that hold padding, by a mask of ones and zeros or by lengths, as a bias. */
function paddingBias(call: Call, make: Maker, i: number, { batch, length: queries }: Heads, keys: number): string[] {
  if (!call.has(i)) return [];
  const dims = call.shape(i);
  const name = call.node.inputs[i]!;
  const key = dims.join();
  let seen: string;
  if (key === `${batch}`) {
    const lengths = make.op("Reshape", [name, shape(make, [batch, 1, 1, 1])]);
    const places = make.op("Cast", [iota(make, keys)], { to: typeCode(call.type(i)) });
    seen = make.op("Less", [places, lengths]);
  } else {
    const rows = dims.length === 2 ? [] : [queries];
    if (key !== [batch, ...rows, keys].join())
      throw call.fail(`the mask of shape [${dims}] is not supported`, "UNSUPPORTED");
    const to = [batch, 1, rows[0] ?? 1, keys];
    const zero = make.tensor("zero", call.type(i), 0);
    seen = make.op("Not", [make.op("Equal", [make.op("Reshape", [name, shape(make, to)]), zero])]);
  }
  const filter = make.tensor("filter", "float32", call.number("mask_filter_value", -10000));
  return [make.op("Where", [seen, make.tensor("seen", "float32", 0), filter])];
}

function multiHead(call: Call, make: Maker) {
  const [q, kNow, vNow] = projections(call, make);
  if (kNow.batch !== q.batch || kNow.size !== q.size || kNow.heads !== q.heads)
    throw call.fail("query and key expected the same batch, heads and size");
  if (vNow.heads !== q.heads || vNow.length !== kNow.length) throw call.fail("key and value do not fit");
  const k = present(call, make, 6, 1, kNow);
  const v = present(call, make, 7, 2, vNow);
  const bias = paddingBias(call, make, 4, q, k.length);
  if (call.has(5)) bias.push(toFloat(make, call.node.inputs[5]!, call.type(5)));
  const causal = call.number("unidirectional", 0) !== 0;
  const window = windowBias(make, q.length, k.length, k.length - q.length, { causal, left: -1, right: -1 });
  if (window !== undefined) bias.push(window);
  return finish(call, make, q, k, v, { bias, softcap: 0, output: 3 });
}

interface Rest extends Pick<Attending, "bias" | "softcap"> {
  /** Which output the scores are. */
  readonly output: number;
}

function finish(call: Call, make: Maker, q: Heads, k: Heads, v: Heads, { bias, softcap, output }: Rest) {
  const type = call.type(0);
  const attended = attend(make, {
    ...{ q: toFloat(make, q.name, type), k: toFloat(make, k.name, type), v: toFloat(make, v.name, type) },
    ...{ batch: q.batch, heads: q.heads, groups: k.heads, queries: q.length, keys: k.length },
    ...{ size: q.size, valueSize: v.size, scale: call.number("scale", 0) || 1 / Math.sqrt(q.size), softcap, bias },
  });
  const to = { to: typeCode(type) };
  make.output(0, "Cast", [joinHeads(make, attended, q.batch, q.length, q.heads * v.size)], to);
  make.output(output, "Cast", [attended.biased], to);
  return make.done();
}

/** What follows a projection of queries, keys and values by one matrix. */
interface Packed {
  /** [batch, length, all columns of the weights], biases added. */
  readonly sum: string;
  readonly weights: string;
  readonly mask: string;
  readonly past: string;
  readonly extra: string;
}

/** Input, one matrix for queries, keys and values: a projection and a MultiHeadAttention. */
const packedAttention: Rewrite = (node, make) => {
  const [input = "", weights = "", bias = "", mask = "", past = "", extra = ""] = node.inputs;
  const product = make.op("MatMul", [input, weights]);
  const sum = bias === "" ? product : make.op("Add", [product, bias]);
  return projected(node, make, { sum, weights, mask, past, extra });
};

/** The same with bytes for input and weights. */
const quantizedAttention: Rewrite = (node, make) => {
  const [x = "", weights = "", bias = "", scale = "", weightsScale = "", mask = "", ...zeros] = node.inputs;
  const [zero = "", weightsZero = "", past = ""] = zeros;
  const operands = [x, weights, scale, weightsScale, zero, weightsZero, bias];
  const sum = make.op("com.microsoft/MatMulIntegerToFloat", operands);
  return projected(node, make, { sum, weights, mask, past, extra: "" });
};

function projected(node: Node, make: Maker, { sum, weights, mask, past, extra }: Packed): readonly Node[] {
  const { num_heads, qkv_hidden_sizes, unidirectional = 0, scale, mask_filter_value, do_rotary = 0 } = node.attributes;
  if (do_rotary !== 0) throw make.fail("do_rotary is not supported");
  const columns = make.constant(weights)?.dims[1];
  const sizes = Array.isArray(qkv_hidden_sizes)
    ? (qkv_hidden_sizes as number[])
    : columns === undefined
      ? undefined
      : new Array<number>(3).fill(columns / 3);
  if (sizes?.length !== 3 || !sizes.every((size) => Number.isInteger(size) && size > 0))
    throw make.fail("the sizes of queries, keys and values cannot be told");
  const parts = make.several("Split", [sum, make.integers("parts", sizes)], 3, { axis: 2 });
  let [pastKey, pastValue] = ["", ""];
  if (past !== "") {
    const both = make.several("Split", [past, make.integers("halves", [1, 1])], 2, { axis: 0 });
    [pastKey, pastValue] = both.map((one) => make.op("Squeeze", [one, make.integers("axis", [0])])) as [string, string];
  }
  const attributes = {
    ...{ num_heads: num_heads ?? 0, unidirectional },
    ...(scale === undefined ? {} : { scale }),
    ...(mask_filter_value === undefined ? {} : { mask_filter_value }),
  };
  const outputs = make.several(
    "com.microsoft/MultiHeadAttention",
    [...parts, "", mask, extra, pastKey, pastValue],
    make.wants(1) ? 3 : 1,
    attributes,
  );
  make.output(0, "Identity", [outputs[0]!]);
  if (make.wants(1)) {
    const both = outputs.slice(1).map((one) => make.op("Unsqueeze", [one, make.integers("axis", [0])]));
    make.output(1, "Concat", both, { axis: 0 });
  }
  return make.done();
}

/** Rows of two tables of angles at int64 places [batch, 1, length], each as [batch, 1, length, columns]. */
function angles({ node }: Call, make: Maker, tables: readonly [number, number], places: string): [string, string] {
  return tables.map((i) => make.op("Gather", [node.inputs[i]!, places], { axis: 0 })) as [string, string];
}

/** Places [batch, length] as [batch, 1, length]: the heads of a batch have the same. */
function forHeads(make: Maker, places: string): string {
  return make.op("Unsqueeze", [places, make.integers("heads", [1])]);
}

function rotaryExpands(call: Call, make: Maker) {
  if (call.number("is_packed_batching", 0) !== 0) throw call.fail("packed batches are not supported", "UNSUPPORTED");
  const width = 2 * (call.shape(2).at(-1) ?? 0);
  const flat = call.shape(0).length === 3;
  const count = call.number("num_heads", 0) || (flat ? (call.shape(0)[2] ?? 0) / (width || 1) : 0);
  const x = headsOf(call, make, 0, count);
  const turned = call.number("rotary_embedding_dim", 0) || Math.min(width, x.size);
  if (turned > x.size || turned !== width)
    throw call.fail(`the tables of ${width / 2} columns do not fit heads of ${x.size}`);
  const own = call.shape(1).join();
  let places = call.node.inputs[1]!;
  if (own === "1" || own === "") {
    places = make.op("Add", [places, make.op("Reshape", [iota(make, x.length), shape(make, [1, x.length])])]);
  } else if (own !== `${x.batch},${x.length}`) {
    throw call.fail(`position_ids expected shape [1] or [${x.batch}, ${x.length}]`);
  }
  const [cos, sin] = angles(call, make, [2, 3], forHeads(make, places));
  const result = rotate(make, { x: x.name, cos, sin, interleaved: call.number("interleaved", 0) !== 0 });
  if (!flat) return make.end("Identity", [result]);
  const moved = make.op("Transpose", [result], { perm: [0, 2, 1, 3] });
  return make.end("Reshape", [moved, shape(make, call.shape(0))]);
}

/** Rows of queries, keys and values; packed ones stand behind each other in the last axis. */
function grouped(call: Call, make: Maker, heads: number, groups: number): [Heads, Heads, Heads] {
  if (call.has(1) && call.has(2))
    return [headsOf(call, make, 0, heads), headsOf(call, make, 1, groups), headsOf(call, make, 2, groups)];
  const [batch, length, width] = call.shape(0) as [number, number, number];
  const size = width / (heads + 2 * groups);
  if (call.shape(0).length !== 3 || !Number.isInteger(size))
    throw call.fail("packed queries, keys and values do not fit");
  const sizes = make.integers("parts", [heads * size, groups * size, groups * size]);
  const parts = make.several("Split", [call.node.inputs[0]!, sizes], 3, { axis: 2 });
  return [heads, groups, groups].map((count, i) => {
    const name = splitHeads(make, parts[i]!, [batch, length, count * size], count);
    return { name, batch, heads: count, length, size };
  }) as [Heads, Heads, Heads];
}

/** How many entries there are in the end, and where the new ones begin in each row. */
interface Places {
  readonly total: number;
  /** Where these are known. */
  readonly begins: readonly number[] | undefined;
  /** An int64 value of shape [batch, 1, 1, 1]. */
  readonly before: () => string;
}

/**
 * What was cached and what is new, as GroupQueryAttention keeps it: row b of the cache holds lengths[b] entries, the new ones follow them, and the
 * result has as many places as the larger of cache and total length.
 */
function cached(call: Call, make: Maker, past: number, output: number, now: Heads, at: Places): Heads {
  const before = cachedLength(call, past, now);
  const length = Math.max(before, at.total);
  const isFull = now.batch === 1 || at.begins?.every((begin) => begin === before);
  if (before + now.length === at.total && isFull) return present(call, make, past, output, now);
  const both = call.has(past) ? make.op("Concat", [call.node.inputs[past]!, now.name], { axis: 2 }) : now.name;
  // Place j holds entry j of the cache, or the new entry j − lengths[b] that stands behind all of the cache.
  const places = make.op("Reshape", [iota(make, length), shape(make, [1, 1, length, 1])]);
  const fresh = make.op("Add", [make.op("Sub", [places, at.before()]), make.tensor("cached", "int64", before)]);
  const last = make.tensor("last", "int64", before + now.length - 1);
  const zero = make.tensor("zero", "int64", 0);
  const chosen = make.op("Where", [make.op("Less", [places, at.before()]), places, fresh]);
  const inside = make.op("Max", [make.op("Min", [chosen, last]), zero]);
  const rows = make.op("Expand", [inside, shape(make, [now.batch, now.heads, length, now.size])]);
  const name = make.op("GatherElements", [both, rows], { axis: 2 });
  if (make.wants(output)) make.output(output, "Identity", [name]);
  return { ...now, name, length };
}

function groupQuery(call: Call, make: Maker) {
  const [heads, groups] = [call.number("num_heads", 0), call.number("kv_num_heads", 0)];
  if (heads < 1 || groups < 1 || heads % groups !== 0) throw call.fail(`${heads} heads do not share ${groups}`);
  if (call.has(11)) throw call.fail("head_sink is not supported", "UNSUPPORTED");
  for (const [name, value] of Object.entries(GROUP_DEFAULTS)) {
    const given = call.node.attributes[name] ?? value;
    if (given !== value) throw call.fail(`"${name}" = ${String(given)} is not supported`, "UNSUPPORTED");
  }
  const turns = call.number("do_rotary", 0) !== 0;
  if (turns && !(call.has(7) && call.has(8))) throw call.fail("cos_cache and sin_cache are missing");
  let [q, kNow, vNow] = grouped(call, make, heads, groups);
  if (call.shape(5).reduce((a, b) => a * b, 1) !== q.batch) throw call.fail(`seqlens_k expected ${q.batch} entries`);
  const total = call.single(6);
  if (total < q.length) throw call.fail(`total_sequence_length ${total} is less than the ${q.length} that are new`);
  // seqlens_k counts one less than there is.
  const begins = call.constant(5) && call.needed(5).map((last) => last - q.length + 1);
  const reshaped = (x: string, to: readonly number[]): string => make.op("Reshape", [x, shape(make, to)]);
  let start = "";
  const before = (): string => {
    if (start === "") {
      const lengths = reshaped(call.node.inputs[5]!, [q.batch, 1, 1, 1]);
      start = make.op("Sub", [make.op("Cast", [lengths], { to: 7 }), make.tensor("new", "int64", q.length - 1)]);
    }
    return start;
  };
  if (turns) {
    const width = 2 * (call.shape(7).at(-1) ?? 0);
    if (width < 2 || width > q.size)
      throw call.fail(`the tables of ${width / 2} columns do not fit heads of ${q.size}`);
    const positions = call.has(9)
      ? forHeads(make, call.node.inputs[9]!)
      : make.op("Max", [
          make.op("Add", [reshaped(before(), [q.batch, 1, 1]), reshaped(iota(make, q.length), [1, 1, q.length])]),
          make.tensor("zero", "int64", 0),
        ]);
    const [cos, sin] = angles(call, make, [7, 8], positions);
    const interleaved = call.number("rotary_interleaved", 0) !== 0;
    const turn = (x: Heads): Heads => ({ ...x, name: rotate(make, { x: x.name, cos, sin, interleaved }) });
    [q, kNow] = [turn(q), turn(kNow)];
  }
  const at = { total, begins, before };
  const k = cached(call, make, 3, 1, kNow, at);
  const v = cached(call, make, 4, 2, vNow, at);
  const left = call.number("local_window_size", -1);
  // One query behind all keys sees them all.
  const seesAll = q.length === 1 && left < 0 && begins?.every((begin) => begin === k.length - 1);
  const window = seesAll
    ? undefined
    : windowBias(make, q.length, k.length, before(), { causal: true, left: left < 0 ? -1 : left - 1, right: -1 });
  const bias = window === undefined ? [] : [window];
  if (call.has(10)) bias.push(toFloat(make, call.node.inputs[10]!, call.type(10)));
  return finish(call, make, q, k, v, { bias, softcap: call.number("softcap", 0), output: 3 });
}

/** What we do not have of a GroupQueryAttention, and what says that it is not asked for. */
const GROUP_DEFAULTS: Readonly<Record<string, number | string>> = {
  causal: 1,
  k_quant_type: "NONE",
  kv_cache_bit_width: 0,
  qk_output: 0,
  sliding_window_cache: 0,
  smooth_softmax: 0,
  v_quant_type: "NONE",
};

/** The attention operators of onnxruntime's domain. */
export const contribAttention = {
  "com.microsoft/Attention": {
    since: 1,
    others:
      "do_rotary:int mask_filter_value:float num_heads:int past_present_share_buffer:int qkv_hidden_sizes:ints rotary_embedding_dim:int scale:float unidirectional:int",
    becomes: packedAttention,
  },
  "com.microsoft/QAttention": {
    since: 1,
    others:
      "do_rotary:int mask_filter_value:float num_heads:int past_present_share_buffer:int scale:float unidirectional:int",
    becomes: quantizedAttention,
  },
  "com.microsoft/MultiHeadAttention": {
    since: 1,
    inputs: "T T? T? T? I? T? T? T?",
    types: { T: HALVES, I: INDEX },
    attributes: { mask_filter_value: "float", num_heads: "int", scale: "float", unidirectional: "int" },
    sizes: "polynomial",
    expands: multiHead,
  },
  "com.microsoft/RotaryEmbedding": {
    since: 1,
    inputs: "T int64 T T",
    types: { T: HALVES },
    attributes: {
      interleaved: "int",
      is_packed_batching: "int",
      num_heads: "int",
      rotary_embedding_dim: "int",
      scale: "float",
    },
    sizes: "polynomial",
    expands: rotaryExpands,
  },
  "com.microsoft/GroupQueryAttention": {
    since: 1,
    inputs: "T T? T? T? T? int32 int32 T? T? int64? T? T?",
    types: { T: HALVES },
    attributes: {
      do_rotary: "int",
      kv_num_heads: "int",
      local_window_size: "int",
      num_heads: "int",
      rotary_interleaved: "int",
      scale: "float",
      softcap: "float",
    },
    others: `${Object.keys(GROUP_DEFAULTS).join(" ")} qk_norm_epsilon`,
    sizes: "polynomial",
    expands: groupQuery,
  },
} as const satisfies Readonly<Record<string, Operator>>;
