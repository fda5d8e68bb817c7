// Attention with every mask, window and past, and turns of places, against plain loops from their definitions.
import { describe, expect, it } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { f32, i64, type NodeCase, runNode } from "../support/run-node.ts";
import { close, numbers, size, some } from "./loops.ts";

describe("Attention", () => {
  const [batch, heads, queries, keys, width, valueWidth] = [2, 4, 3, 5, 4, 2];
  interface About {
    readonly groups?: number;
    readonly mask?: Tensor;
    readonly lengths?: number[];
    readonly past?: number;
    readonly attributes?: Record<string, number>;
    readonly flat?: boolean;
  }

  /** Scores, capped, with the mask, and weights of every query and key, and the result. */
  function reference(
    { groups = heads, mask, lengths, past = 0, attributes = {} }: About,
    q: Tensor,
    k: Tensor,
    v: Tensor,
  ) {
    const all = keys;
    const {
      scale = 1 / Math.sqrt(width),
      softcap = 0,
      is_causal = 0,
      left_window_size: left = -1,
      right_window_size: right = -1,
    } = attributes;
    const stages: number[][] = [[], [], [], []];
    const result: number[] = [];
    for (let b = 0; b < batch; b++)
      for (let h = 0; h < heads; h++)
        for (let i = 0; i < queries; i++) {
          const g = Math.floor(h / (heads / groups));
          const offset = lengths === undefined ? past : lengths[b]! - queries;
          const row = Array.from({ length: all }, (_, j) => {
            let score = 0;
            for (let d = 0; d < width; d++)
              score +=
                Number(q.data[((b * heads + h) * queries + i) * width + d]) *
                Number(k.data[((b * groups + g) * all + j) * width + d]);
            score *= scale;
            const capped = softcap === 0 ? score : softcap * Math.tanh(score / softcap);
            let biased = capped;
            if (mask !== undefined) {
              const own = mask.dims.at(-1)!;
              const full = [batch, heads, queries, all].slice(4 - mask.dims.length);
              const at = [b, h, i, j].slice(4 - mask.dims.length);
              if (own !== 1 && j >= own) biased = Number.NEGATIVE_INFINITY;
              else {
                const place = at.reduce(
                  (sum, p, axis) => sum * mask.dims[axis]! + (mask.dims[axis] === 1 ? 0 : Math.min(p, full[axis]! - 1)),
                  0,
                );
                biased +=
                  mask.type === "bool" ? (mask.data[place] ? 0 : Number.NEGATIVE_INFINITY) : Number(mask.data[place]);
              }
            }
            const distance = i + offset - j;
            const after = is_causal ? 0 : right;
            if ((after >= 0 && -distance > after) || (left >= 0 && distance > left)) biased = Number.NEGATIVE_INFINITY;
            if (lengths !== undefined && j >= lengths[b]!) biased = Number.NEGATIVE_INFINITY;
            return [score, capped, biased] as const;
          });
          const most = Math.max(...row.map(([, , s]) => s));
          const powers = row.map(([, , s]) => (most === Number.NEGATIVE_INFINITY ? 0 : Math.exp(s - most)));
          const total = powers.reduce((a, p) => a + p, 0);
          const weights = powers.map((p) => (total === 0 ? 0 : p / total));
          row.forEach((one, j) => {
            stages[0]!.push(one[0]);
            stages[1]!.push(one[1]);
            stages[2]!.push(one[2]);
            stages[3]!.push(weights[j]!);
          });
          for (let d = 0; d < valueWidth; d++)
            result.push(
              weights.reduce((sum, w, j) => sum + w * Number(v.data[((b * groups + g) * all + j) * valueWidth + d]), 0),
            );
        }
    return { stages, result };
  }

  /** [batch, heads, length, size] as [batch, length, heads·size]. */
  function flattened(t: Tensor): Tensor {
    const [b = 0, h = 0, n = 0, w = 0] = t.dims;
    const to = new Float32Array(t.size);
    for (let i = 0; i < t.size; i++) {
      const [x, at, head, one] = [
        i % w,
        Math.floor(i / w) % n,
        Math.floor(i / (w * n)) % h,
        Math.floor(i / (w * n * h)),
      ];
      to[((one * n + at) * h + head) * w + x] = Number(t.data[i]);
    }
    return f32([b, n, h * w], [...to]);
  }

  const bool = (dims: readonly number[]): Tensor =>
    new Tensor(
      "bool",
      Array.from({ length: size(dims) }, (_, i) => Number(i % 3 !== 1)),
      dims,
    );
  const masks = [
    [keys],
    [queries, keys],
    [1, keys],
    [queries, 1],
    [1, 1],
    [1, queries, keys],
    [heads, queries, keys],
    [batch, 1, queries, keys],
    [batch, heads, queries, keys],
    [1, heads, 1, keys],
    [queries, keys - 2],
    [keys - 1],
    [batch, 1, queries, keys - 3],
  ];
  const windows = [-1, 0, 1, 3].flatMap((l) => [-1, 0, 2].map((r) => ({ left_window_size: l, right_window_size: r })));
  const cases: [string, About][] = [
    ["plain", {}],
    ["heads that are shared by two", { groups: 2 }],
    ["heads that are shared by all", { groups: 1 }],
    ["a scale", { attributes: { scale: 0.25 } }],
    ["capped", { attributes: { softcap: 0.75 } }],
    ["causal", { attributes: { is_causal: 1 } }],
    ["causal, after two that were there", { past: 2, attributes: { is_causal: 1 } }],
    ["after one that was there", { past: 1 }],
    ...masks.flatMap((dims): [string, About][] => [
      [`a mask [${dims}] of numbers`, { mask: some(dims, 3) }],
      [`a mask [${dims}] of booleans`, { mask: bool(dims) }],
    ]),
    ["a mask that hides all", { mask: new Tensor("bool", new Array<number>(queries * keys).fill(0), [queries, keys]) }],
    ["a mask, capped", { mask: bool([queries, keys]), attributes: { softcap: 0.5 } }],
    ...windows.map((attributes): [string, About] => [
      `a window of ${attributes.left_window_size} and ${attributes.right_window_size}`,
      { attributes },
    ]),
    ["a causal window", { past: 2, attributes: { is_causal: 1, left_window_size: 1 } }],
    ["lengths of what is there", { lengths: [3, 5] }],
    ["lengths of what is there, causal", { lengths: [4, 5], attributes: { is_causal: 1 } }],
    [
      "lengths of what is there, in a window",
      { lengths: [4, 5], attributes: { left_window_size: 1, right_window_size: 0 } },
    ],
    ["in three dimensions", { flat: true }],
    ["in three dimensions, shared by two", { flat: true, groups: 2, attributes: { is_causal: 1 } }],
  ];
  it.each(cases)("%s", async (_, about) => {
    const { groups = heads, mask, lengths, past = 0, attributes = {}, flat = false } = about;
    const q = some([batch, heads, queries, width]);
    const [k, v] = [some([batch, groups, keys, width], 5), some([batch, groups, keys, valueWidth], 9)];
    const { stages, result } = reference(about, q, k, v);
    const cut = (t: Tensor, from: number, to: number): Tensor => {
      const [b = 0, h = 0, n = 0, w = 0] = t.dims;
      return f32(
        [b, h, to - from, w],
        numbers(t).filter((_, i) => Math.floor(i / w) % n >= from && Math.floor(i / w) % n < to),
      );
    };
    const now = [q, ...[k, v].map((t) => (past === 0 ? t : cut(t, past, keys)))].map((t) => (flat ? flattened(t) : t));
    const before = past === 0 ? ["" as const, "" as const] : [k, v].map((t) => cut(t, 0, past));
    const inputs = [...now, mask ?? "", ...before, lengths === undefined ? "" : i64(...lengths)] as (Tensor | "")[];
    while (inputs.at(-1) === "") inputs.pop();
    for (const mode of [0, 1, 2, 3]) {
      const found = await runNode({
        ...{
          op: "Attention",
          opset: lengths === undefined && !("left_window_size" in attributes) ? 23 : 24,
          inputs,
          outputs: 4,
        },
        attributes: {
          ...attributes,
          qk_matmul_output_mode: mode,
          ...(flat && { q_num_heads: heads, kv_num_heads: groups }),
        },
      });
      const expected = f32([batch, heads, queries, valueWidth], result);
      close(
        found[0]!,
        flat ? [batch, queries, heads * valueWidth] : expected.dims,
        numbers(flat ? flattened(expected) : expected),
      );
      expect(found.slice(1, 3).map(numbers)).toEqual([numbers(k), numbers(v)]);
      close(found[3]!, [batch, heads, queries, keys], stages[mode]!);
    }
  });

  const base = (some_: Record<number, Tensor>, attributes: Record<string, number> = {}): NodeCase => ({
    ...{ op: "Attention", opset: 24, attributes },
    inputs: Array.from(
      { length: Math.max(3, ...Object.keys(some_).map((i) => Number(i) + 1)) },
      (_, i) => some_[i] ?? (i < 3 ? some([1, 2, 3, 4]) : ""),
    ),
  });
  it.each<[string, NodeCase, string]>([
    ["a mode of 4", base({}, { qk_matmul_output_mode: 4 }), '"qk_matmul_output_mode" expected integer in 0..3, got 4'],
    [
      "a mode of −1",
      base({}, { qk_matmul_output_mode: -1 }),
      '"qk_matmul_output_mode" expected integer in 0..3, got -1',
    ],
    ["keys of another batch", base({ 1: some([2, 2, 3, 4]) }), "the same batch"],
    ["values of another batch", base({ 2: some([2, 2, 3, 4]) }), "the same batch"],
    ["keys of another size", base({ 1: some([1, 2, 3, 5]) }), "heads of one size"],
    ["fewer values", base({ 2: some([1, 2, 2, 4]) }), "as many heads and rows"],
    ["values of other heads", base({ 2: some([1, 1, 3, 4]) }), "as many heads and rows"],
    ["heads that do not share", base({ 0: some([1, 3, 3, 4]) }), "3 heads do not share 2"],
    ["one half of the past", base({ 4: some([1, 2, 1, 4]) }), "past_key and past_value go together"],
    [
      "a past of other heads",
      base({ 4: some([1, 1, 1, 4]), 5: some([1, 2, 1, 4]) }),
      "input 4 expected [1, 2, places, 4]",
    ],
    [
      "a past of another batch",
      base({ 4: some([2, 2, 1, 4]), 5: some([1, 2, 1, 4]) }),
      "input 4 expected [1, 2, places, 4]",
    ],
    [
      "a past of another size",
      base({ 4: some([1, 2, 1, 4]), 5: some([1, 2, 1, 3]) }),
      "input 5 expected [1, 2, places, 4]",
    ],
    ["more lengths than there are", base({ 6: i64(1, 2) }), "input 6 expected shape [1]"],
    ["a mask of more keys", base({ 3: some([3, 4]) }), "the mask expected at most 3 keys"],
    ["a mask of more queries", base({ 3: some([2, 3]) }), "the mask expected 3 rows"],
    ["a mask of five dimensions", base({ 3: some([1, 1, 1, 3, 3]) }), "the mask expected at most 3 keys"],
    ["two dimensions", base({ 0: some([3, 4]) }), "input 0 expected three or four dimensions"],
    ["three dimensions without heads", base({ 0: some([1, 3, 8]) }), "a number of heads ≥ 1, got 0"],
    [
      "three dimensions of other heads",
      base({ 0: some([1, 3, 8]) }, { q_num_heads: 3 }),
      "3 heads do not divide the 8 channels of input 0",
    ],
  ])("refuses %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));

  it("takes one head of one query", async () => {
    const [y] = await runNode(
      base({ 0: some([1, 1, 1]), 1: some([1, 1, 1]), 2: some([1, 1, 1], 4) }, { q_num_heads: 1, kv_num_heads: 1 }),
    );
    close(y!, [1, 1, 1], numbers(some([1, 1, 1], 4)));
  });
});

describe("RotaryEmbedding", () => {
  const [batch, heads, length, width] = [2, 3, 4, 6];
  const cases = [0, 1].flatMap((interleaved) =>
    [0, 2, 4, 6].flatMap((part) =>
      [false, true].flatMap((placed) => [false, true].map((flat) => [interleaved, part, placed, flat] as const)),
    ),
  );
  it.each(cases)(
    "interleaved %i, %i channels, places %s, in three dimensions %s",
    async (interleaved, part, placed, flat) => {
      const turned = part || width;
      const half = turned / 2;
      const x = some(flat ? [batch, length, heads * width] : [batch, heads, length, width]);
      const table = placed ? [7, half] : [batch, length, half];
      const angle = Array.from({ length: size(table) }, (_, i) => i / 5);
      const [cos, sin] = [f32(table, angle.map(Math.cos)), f32(table, angle.map(Math.sin))];
      const places = Array.from({ length: batch * length }, (_, i) => (i * 5) % 7);
      const expected = numbers(x);
      for (let b = 0; b < batch; b++)
        for (let h = 0; h < heads; h++)
          for (let i = 0; i < length; i++)
            for (let c = 0; c < half; c++) {
              const start = flat ? ((b * length + i) * heads + h) * width : ((b * heads + h) * length + i) * width;
              const [p, q] = interleaved ? [start + 2 * c, start + 2 * c + 1] : [start + c, start + half + c];
              const row = placed ? places[b * length + i]! : b * length + i;
              const [u, v] = [Number(x.data[p]), Number(x.data[q])];
              const [co, si] = [Number(cos.data[row * half + c]), Number(sin.data[row * half + c])];
              expected[p] = u * co - v * si;
              expected[q] = u * si + v * co;
            }
      const [y] = await runNode({
        ...{ op: "RotaryEmbedding", opset: 23 },
        inputs: [x, cos, sin, ...(placed ? [new Tensor("int64", places.map(BigInt), [batch, length])] : [])],
        attributes: { interleaved, ...(part > 0 && { rotary_embedding_dim: part }), ...(flat && { num_heads: heads }) },
      });
      close(y!, x.dims, expected);
    },
  );

  const of = (inputs: Tensor[], attributes: Record<string, number> = {}): NodeCase => ({
    op: "RotaryEmbedding",
    opset: 23,
    inputs,
    attributes,
  });
  const x = some([1, 2, 3, 4]);
  it.each<[string, NodeCase, string]>([
    ["an odd part", of([x, some([1, 3, 2]), some([1, 3, 2])], { rotary_embedding_dim: 3 }), "an even number ≤ 4"],
    [
      "more than there is",
      of([x, some([1, 3, 3]), some([1, 3, 3])], { rotary_embedding_dim: 6 }),
      "an even number ≤ 4",
    ],
    ["too few columns", of([x, some([1, 3, 1]), some([1, 3, 1])]), "input 1 expected 2 columns"],
    ["sines of other rows", of([x, some([1, 3, 2]), some([1, 2, 2])]), "input 2 expected shape [1, 3, 2]"],
    [
      "tables of two dimensions without places",
      of([x, some([3, 2]), some([3, 2])]),
      "input 1 expected shape [1, 3, 2]",
    ],
    [
      "places of another length",
      of([x, some([3, 2]), some([3, 2]), new Tensor("int64", [0n, 1n], [1, 2])]),
      "position_ids expected shape [1, 3]",
    ],
  ])("refuses %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));
});
