// Operators whose results are lists of what was found, against plain loops: Unique, NonMaxSuppression, and Col2Im, which adds blocks up; then what each of them and the operators that sample refuse, one thing at a time.
import { describe, expect, it } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { f32, i64, type NodeCase, runNode } from "../support/run-node.ts";

const numbers = ({ data }: Tensor): number[] => Array.from(data as ArrayLike<number | bigint>, Number);

/** Places in a tensor of these extents, in order. */
function* places(dims: readonly number[]): Generator<number[]> {
  const size = dims.reduce((a, b) => a * b, 1);
  for (let i = 0; i < size; i++) {
    let rest = i;
    yield dims.map((_, axis) => {
      const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
      const at = Math.floor(rest / inner);
      rest %= inner;
      return at;
    });
  }
}
const offset = (dims: readonly number[], at: readonly number[]): number =>
  at.reduce((sum, v, i) => sum * dims[i]! + v, 0);

describe("Unique", () => {
  const tensors: readonly Tensor[] = [
    f32([8], [3, -1, 3, 0, 7, -1, 3, -0]),
    f32([2, 4, 2], [1, 2, 3, 4, 1, 2, 5, 6, 1, 2, 3, 4, 1, 2, 0, 0]),
    f32([3, 2], [2, 1, 1, 2, 2, 1]),
    f32([6], [Number.NaN, 1, Number.NaN, Number.POSITIVE_INFINITY, -1, 1]),
    f32([1], [5]),
    f32([4], [2, 2, 2, 2]),
    i64(5, -3, 5, 2 ** 40, -3),
    new Tensor("uint8", [9, 200, 9, 0], [2, 2]),
    new Tensor("string", ["b", "a", "b", ""], [4]),
  ];
  const cases = tensors.flatMap((x) =>
    [undefined, ...x.dims.map((_, i) => i), -1].flatMap((axis) =>
      [undefined, 0, 1].map((sorted) => [x.type, x.dims, axis, sorted, x] as const),
    ),
  );
  it.each(cases)("of %s %j along %s, sorted %s", async (_, __, axis, sorted, x) => {
    const at = axis === undefined ? 0 : axis < 0 ? axis + x.dims.length : axis;
    const dims = axis === undefined ? [x.size] : x.dims;
    const slabs = Array.from({ length: dims[at]! }, (_, k) =>
      [...places(dims)].filter((p) => p[at] === k).map((p) => x.data[offset(dims, p)]!),
    );
    const none = Number.isNaN;
    const same = (a: unknown, b: unknown): boolean => a === b || (none(a) && none(b));
    const alike = (a: readonly unknown[], b: readonly unknown[]): boolean => a.every((v, i) => same(v, b[i]));
    const less = (a: unknown, b: unknown): boolean => !none(a) && (none(b) || (a as number) < (b as number));
    const firsts = slabs.flatMap((slab, k) => (slabs.findIndex((other) => alike(slab, other)) === k ? [k] : []));
    if (sorted !== 0)
      firsts.sort((p, q) => {
        const differs = slabs[p]!.findIndex((v, i) => !same(v, slabs[q]![i]));
        return less(slabs[p]![differs], slabs[q]![differs]) ? -1 : 1;
      });
    const inverse = slabs.map((slab) => firsts.findIndex((k) => alike(slabs[k]!, slab)));
    const found = await runNode({
      ...{ op: "Unique", inputs: [x], outputs: 4 },
      attributes: { ...(axis !== undefined && { axis }), ...(sorted !== undefined && { sorted }) },
    });
    expect(found[0]!.dims).toEqual(dims.map((d, i) => (i === at ? firsts.length : d)));
    const kept = found[0]!.dims;
    for (const p of places(kept)) {
      const from = p.map((v, i) => (i === at ? firsts[v]! : v));
      expect(same(found[0]!.data[offset(kept, p)], x.data[offset(dims, from)])).toBe(true);
    }
    expect(found.slice(1).map(numbers)).toEqual([
      firsts,
      inverse,
      firsts.map((_, i) => inverse.filter((v) => v === i).length),
    ]);
  });

  it("of nothing", async () => {
    const found = await runNode({ op: "Unique", inputs: [f32([0])], outputs: 4 });
    expect(found.map(({ dims }) => dims)).toEqual([[0], [0], [0], [0]]);
  });
});

describe("NonMaxSuppression", () => {
  type Box = readonly [number, number, number, number];
  /** Corners [y1, x1, y2, x2] of boxes [y1, x1, y2, x2] in any order, or [x, y, width, height] about a centre. */
  const corners = ([a, b, c, d]: Box, centered: boolean): Box =>
    centered
      ? [b - d / 2, a - c / 2, b + d / 2, a + c / 2]
      : [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
  const shared = (a: Box, b: Box): number =>
    Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = (a: Box): number => (a[2] - a[0]) * (a[3] - a[1]);
  const BOXES: readonly Box[] = [
    [0, 0, 1, 1],
    [0, 0.125, 1, 1.125],
    [1, 1, 0, 0],
    [0, 10, 1, 11],
    [0, 10.25, 1, 11.25],
    [0, 100, 1, 101],
    [0.5, 0.5, 0.5, 0.5],
    [0, 0, 1, 0.5],
    [3, 1, 2, 4],
  ];
  const SCORES = [
    [0.9, 0.75, 0.6, 0.95, 0.5, 0.3, 0.8, 0.2, 0.1],
    [0.1, 0.2, 0.3, 0.3, 0.5, 0.5, 0.9, 0.8, 0.7],
  ];
  const [batches, classes, count] = [2, 2, BOXES.length];
  const boxes = f32([batches, count, 4], [...BOXES.flat(), ...[...BOXES].reverse().flat()]);
  const scores = f32([batches, classes, count], [...SCORES.flat(), ...[...SCORES].reverse().flat()]);
  const cases = [false, true].flatMap((centered) =>
    [0, 1, 2, 100].flatMap((most) =>
      [0, 0.25, 0.5, 1].flatMap((threshold) =>
        [undefined, 0.5].map((least) => [centered, most, threshold, least] as const),
      ),
    ),
  );
  it.each(cases)("centred %s, at most %i, overlap %f, scores above %s", async (centered, most, threshold, least) => {
    const expected: number[] = [];
    for (let n = 0; n < batches; n++)
      for (let c = 0; c < classes; c++) {
        const own = Array.from({ length: count }, (_, i) => Number(scores.data[(n * classes + c) * count + i]));
        const at = (i: number): Box =>
          corners([...boxes.data.slice((n * count + i) * 4, (n * count + i) * 4 + 4)] as unknown as Box, centered);
        const order = [...own.keys()].sort((p, q) => own[q]! - own[p]! || p - q);
        const chosen: number[] = [];
        for (const i of order) {
          if (chosen.length >= most || (least !== undefined && !(own[i]! > least))) continue;
          const covers = (j: number): boolean => {
            const both = shared(at(i), at(j));
            return both > 0 && both / (area(at(i)) + area(at(j)) - both) > threshold;
          };
          if (!chosen.some(covers)) chosen.push(i);
        }
        for (const i of chosen) expected.push(n, c, i);
      }
    const inputs = [
      boxes,
      scores,
      i64(most),
      f32([1], [threshold]),
      ...(least === undefined ? [] : [f32([1], [least])]),
    ];
    const attributes: Record<string, number> = centered ? { center_point_box: 1 } : {};
    const [y] = await runNode({ op: "NonMaxSuppression", inputs, attributes });
    expect(y!.dims).toEqual([expected.length / 3, 3]);
    expect(numbers(y!)).toEqual(expected);
  });

  it("chooses none where no number is given, and anything that does not overlap without a threshold", async () => {
    const [none] = await runNode({ op: "NonMaxSuppression", inputs: [boxes, scores] });
    expect(none!.dims).toEqual([0, 3]);
    const one = [f32([1, 2, 4], [0, 0, 1, 1, 0, 0.5, 1, 1.5]), f32([1, 1, 2], [0.1, 0.2]), i64(5)];
    expect(numbers((await runNode({ op: "NonMaxSuppression", inputs: one }))[0]!)).toEqual([0, 0, 1]);
  });

  const at = (some: Record<number, Tensor>): NodeCase => ({
    op: "NonMaxSuppression",
    inputs: [boxes, scores, i64(1), f32([1], [0.5]), f32([1], [0.5])].map((x, i) => some[i] ?? x),
  });
  it.each<[string, NodeCase, string]>([
    ["boxes of five numbers", at({ 0: f32([2, 9, 5]) }), "boxes [batch, n, 4]"],
    ["boxes in two dimensions", at({ 0: f32([9, 4]) }), "boxes [batch, n, 4]"],
    ["scores in two dimensions", at({ 1: f32([2, 9]) }), "boxes [batch, n, 4]"],
    ["scores of other boxes", at({ 1: f32([2, 2, 8]) }), "boxes [batch, n, 4]"],
    ["scores of another batch", at({ 1: f32([1, 2, 9]) }), "boxes [batch, n, 4]"],
    ["two thresholds", at({ 3: f32([2]) }), "input 3 expected a scalar"],
    ["a threshold above 1", at({ 3: f32([1], [1.5]) }), "iou_threshold expected a number in 0..1, got 1.5"],
    ["a threshold below 0", at({ 3: f32([1], [-0.5]) }), "iou_threshold expected a number in 0..1, got -0.5"],
    ["a threshold that is NaN", at({ 3: f32([1], [Number.NaN]) }), "iou_threshold expected a number in 0..1, got NaN"],
  ])("refuses %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));
});

describe("Col2Im", () => {
  type Fold = { image: number[]; block: number[]; strides?: number[]; dilations?: number[]; pads?: number[] };
  const given = (c: Fold) => {
    const n = c.image.length;
    const {
      strides = c.image.map(() => 1),
      dilations = c.image.map(() => 1),
      pads = new Array<number>(2 * n).fill(0),
    } = c;
    const counts = c.image.map(
      (d, i) => Math.floor((d + pads[i]! + pads[n + i]! - dilations[i]! * (c.block[i]! - 1) - 1) / strides[i]!) + 1,
    );
    return { strides, dilations, pads, counts };
  };
  it.each<[Fold]>([
    [{ image: [5], block: [3] }],
    [{ image: [5], block: [5] }],
    [{ image: [6], block: [2], strides: [2] }],
    [{ image: [7], block: [3], strides: [3], pads: [1, 2] }],
    [{ image: [7], block: [3], dilations: [2] }],
    [{ image: [4, 5], block: [2, 3] }],
    [{ image: [4, 5], block: [1, 5], strides: [2, 1] }],
    [{ image: [5, 4], block: [3, 2], strides: [1, 2], pads: [1, 0, 2, 1] }],
    [{ image: [6, 5], block: [2, 2], dilations: [3, 2], pads: [1, 1, 0, 0] }],
    [{ image: [3, 4, 2], block: [2, 2, 1] }],
    [{ image: [3, 4, 5], block: [2, 3, 2], strides: [1, 2, 3], pads: [0, 1, 2, 1, 0, 1] }],
    [{ image: [1, 1], block: [1, 1] }],
  ])("%j", async (c) => {
    const { strides, dilations, pads, counts } = given(c);
    const [batch, channels] = [2, 3];
    const [taps, blocks] = [c.block, counts].map((d) => d.reduce((a, b) => a * b, 1)) as [number, number];
    const x = f32([batch, channels * taps, blocks]);
    const made = [batch, channels, ...c.image];
    const expected = new Array<number>(made.reduce((a, b) => a * b, 1)).fill(0);
    for (let n = 0; n < batch; n++)
      for (let k = 0; k < channels; k++)
        for (const tap of places(c.block))
          for (const at of places(counts)) {
            const to = at.map((v, i) => v * strides[i]! + tap[i]! * dilations[i]! - pads[i]!);
            if (to.some((v, i) => v < 0 || v >= c.image[i]!)) continue;
            const from = (n * channels * taps + k * taps + offset(c.block, tap)) * blocks + offset(counts, at);
            expected[offset(made, [n, k, ...to])]! += Number(x.data[from]);
          }
    const { strides: s, dilations: d, pads: p } = c;
    const attributes = { ...(s && { strides: s }), ...(d && { dilations: d }), ...(p && { pads: p }) };
    for (const constants of [
      [1, 2],
      [0, 1, 2],
    ]) {
      const [y] = await runNode({
        op: "Col2Im",
        opset: 18,
        inputs: [x, i64(...c.image), i64(...c.block)],
        attributes,
        constants,
      });
      expect(y!.dims).toEqual(made);
      numbers(y!).forEach((v, i) => {
        expect(v).toBeCloseTo(expected[i]!, 4);
      });
    }
  });

  const fold = (x: Tensor, image: number[], block: number[], attributes: Record<string, number[]> = {}): NodeCase => ({
    ...{ op: "Col2Im", opset: 18, inputs: [x, i64(...image), i64(...block)], constants: [1, 2], attributes },
  });
  it.each<[string, NodeCase, string]>([
    ["two dimensions", fold(f32([4, 3]), [4], [2]), "three dimensions"],
    ["an image of no extent", fold(f32([1, 2, 3]), [0], [2]), "an image of [0] in blocks of [2]"],
    ["a block of no extent", fold(f32([1, 2, 3]), [4], [0]), "an image of [4] in blocks of [0]"],
    ["an image of no axes", fold(f32([1, 2, 3]), [], []), "an image of []"],
    ["blocks of other axes", fold(f32([1, 2, 3]), [4, 4], [2]), "an image of [4,4] in blocks of [2]"],
    ["other blocks", fold(f32([1, 2, 4]), [4], [2]), "3 blocks are expected, got 4"],
    ["rows that are no blocks", fold(f32([1, 3, 3]), [4], [2]), "3 rows are no whole number of blocks of 2 elements"],
    ["a stride of 0", fold(f32([1, 2, 3]), [4], [2], { strides: [0] }), '"strides" expected 1 integers ≥ 1'],
    ["a dilation of 0", fold(f32([1, 2, 3]), [4], [2], { dilations: [0] }), '"dilations" expected 1 integers ≥ 1'],
    ["pads below 0", fold(f32([1, 2, 3]), [4], [2], { pads: [-1, 1] }), '"pads" expected 2 integers ≥ 0'],
    ["pads of one side", fold(f32([1, 2, 3]), [4], [2], { pads: [0] }), '"pads" expected 2 integers ≥ 0'],
    ["strides of two axes", fold(f32([1, 2, 3]), [4], [2], { strides: [1, 1] }), '"strides" expected 1 integers ≥ 1'],
  ])("refuses %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));
});

describe("sampling is refused", () => {
  const grid = (x: Tensor, g: Tensor, attributes = {}): NodeCase => ({
    op: "GridSample",
    opset: 20,
    inputs: [x, g],
    attributes,
  });
  const align = (x: Tensor, rois: Tensor, at: Tensor, attributes = {}): NodeCase => ({
    op: "RoiAlign",
    inputs: [x, rois, at],
    attributes,
  });
  const roiPool = (x: Tensor, rois: Tensor, pooled_shape: number[]): NodeCase => ({
    op: "MaxRoiPool",
    inputs: [x, rois],
    attributes: { pooled_shape },
  });
  const deform = (dims: Record<number, number[]>, attributes = {}): NodeCase => ({
    ...{ op: "DeformConv", opset: 19, attributes },
    inputs: [[1, 4, 3, 3], [2, 4, 2, 2], [1, 8, 2, 2], [2], [1, 4, 2, 2]].map((own, i) => f32(dims[i] ?? own)),
  });
  const x = f32([1, 2, 4, 4]);
  it.each<[string, NodeCase, string]>([
    ["in one axis", grid(f32([1, 2, 4]), f32([1, 3, 1])), "four or five dimensions"],
    ["in four axes", grid(f32([1, 2, 2, 2, 2, 2]), f32([1, 2, 2, 2, 2, 4])), "four or five dimensions"],
    ["cubic in three", grid(f32([1, 1, 2, 2, 2]), f32([1, 2, 2, 2, 3]), { mode: "cubic" }), "four dimensions"],
    ["at places of three", grid(x, f32([1, 2, 2, 3])), "the grid expected shape [1, …, 2]"],
    ["for another batch", grid(x, f32([2, 2, 2, 2])), "the grid expected shape [1, …, 2]"],
    ["along a grid of fewer axes", grid(x, f32([1, 2, 2])), "the grid expected shape [1, …, 2]"],
    ["from nothing", grid(f32([1, 2, 0, 4]), f32([1, 2, 2, 2])), "an empty image"],
    ["regions of five numbers", align(x, f32([1, 5]), i64(0)), "the regions expected shape [R, 4]"],
    ["regions in three dimensions", align(x, f32([1, 1, 4]), i64(0)), "the regions expected shape [R, 4]"],
    ["regions of three dimensions", align(f32([2, 4, 4]), f32([1, 4]), i64(0)), "four dimensions"],
    ["fewer indices than regions", align(x, f32([2, 4]), i64(0)), "the batch indices expected shape [R]"],
    [
      "indices in two dimensions",
      align(x, f32([1, 4]), new Tensor("int64", [0n], [1, 1])),
      "the batch indices expected shape [R]",
    ],
    [
      "samples below 0",
      align(x, f32([1, 4]), i64(0), { sampling_ratio: -1 }),
      '"sampling_ratio" expected 0..256, got -1',
    ],
    [
      "257 samples",
      align(x, f32([1, 4]), i64(0), { sampling_ratio: 257 }),
      '"sampling_ratio" expected 0..256, got 257',
    ],
    ["no rows", align(x, f32([1, 4]), i64(0), { output_height: 0 }), "a pooled shape of [0,1]"],
    ["no columns", align(x, f32([1, 4]), i64(0), { output_width: 0 }), "a pooled shape of [1,0]"],
    ["regions of nothing", align(f32([1, 2, 4, 0]), f32([1, 4]), i64(0)), "an empty image"],
    ["regions of four numbers", roiPool(x, f32([1, 4]), [1, 1]), "the regions expected shape [R, 5]"],
    ["a pooled shape of one", roiPool(x, f32([1, 5]), [1]), "a pooled shape of [1]"],
    ["a pooled shape of none", roiPool(x, f32([1, 5]), [2, 0]), "a pooled shape of [2,0]"],
    ["weights in three dimensions", deform({ 1: [2, 4, 2] }), "input and weights expected four dimensions"],
    ["an input in three dimensions", deform({ 0: [1, 4, 3] }), "input and weights expected four dimensions"],
    ["no groups", deform({}, { group: 0 }), "channels do not fit the weights in 0 groups"],
    ["groups of other weights", deform({}, { group: 2 }), "4 channels do not fit the weights in 2 groups"],
    ["no groups of offsets", deform({}, { offset_group: 0 }), "4 channels do not fit 0 groups of offsets"],
    ["three groups of offsets", deform({}, { offset_group: 3 }), "4 channels do not fit 3 groups of offsets"],
    ["another kernel", deform({}, { kernel_shape: [2, 3] }), '"kernel_shape" [2,3] is not that of the weights'],
    ["too few offsets", deform({ 2: [1, 6, 2, 2] }), "the offsets expected shape [1,8,2,2]"],
    ["offsets for other places", deform({ 2: [1, 8, 2, 3] }), "the offsets expected shape [1,8,2,2]"],
    ["another bias", deform({ 3: [3] }), "the bias expected shape [2]"],
    ["another mask", deform({ 4: [1, 8, 2, 2] }), "the mask expected shape [1,4,2,2]"],
  ])("%s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));

  it.each<[string, NodeCase, number[]]>([
    ["from one pixel", grid(f32([1, 2, 1, 1]), f32([1, 1, 1, 2])), [1, 2, 1, 1]],
    ["at no places", grid(f32([1, 2, 0, 4]), f32([1, 0, 2, 2])), [1, 2, 0, 2]],
    ["256 samples", align(x, f32([1, 4], [0, 0, 2, 2]), i64(0), { sampling_ratio: 256 }), [1, 2, 1, 1]],
    ["no regions of nothing", align(f32([1, 2, 4, 0]), f32([0, 4]), i64()), [0, 2, 1, 1]],
    ["deformed, as it should be", deform({}), [1, 2, 2, 2]],
    ["deformed, with the kernel named", deform({}, { kernel_shape: [2, 2], offset_group: 1, group: 1 }), [1, 2, 2, 2]],
  ])("but not %s", async (_, c, dims) => expect((await runNode(c))[0]!.dims).toEqual(dims));
});
