import { describe, expect, it } from "vitest";
import type { Attribute } from "../../src/graph/index.ts";
import { build } from "../graph/build.ts";
import { both, type Feeds, tensor } from "./one-node.ts";

const values = (data: ArrayLike<number>): number[] => Array.from(data);

async function resize(x: Feeds[string], constants: Feeds, attributes: Record<string, Attribute>): Promise<number[]> {
  const names = ["x", "r", "s", "z"].map((name) => (name === "x" || name in constants ? name : ""));
  while (names.at(-1) === "") names.pop();
  const graph = build({ x: x.dims }, constants, [["Resize", names, ["y"], attributes]], ["y"], 19);
  return values((await both(graph, { x }))[0]!.data as Float32Array);
}

describe("Resize", () => {
  const row = tensor("float32", [1, 2, 3, 4, 5, 6], [1, 1, 1, 6]);
  const half = { s: tensor("float32", [1, 1, 1, 0.5]) };

  it.each([
    ["not_larger", [7, 10], [6, 10]],
    ["not_smaller", [7, 10], [7, 12]],
    ["not_larger", [4, 5], [3, 5]],
    ["not_smaller", [4, 5], [4, 7]],
    ["stretch", [4, 9], [4, 9]],
  ])("keeps the aspect ratio, %s than %j: halves are rounded up", async (policy, sizes, expected) => {
    const x = tensor("float32", new Array(15).fill(1), [1, 1, 3, 5]);
    const attributes = { axes: [2, 3], keep_aspect_ratio_policy: policy };
    const graph = build(
      { x: x.dims },
      { z: tensor("int64", sizes.map(BigInt) as never) },
      [["Resize", ["x", "", "", "z"], ["y"], attributes]],
      ["y"],
      19,
    );
    expect((await both(graph, { x }))[0]!.dims).toEqual([1, 1, ...expected]);
  });

  it("with antialias stretches its kernel over the pixels that become one", async () => {
    // Position 2i + 1/2 and four taps at distances of 3/4, 1/4, 1/4, 3/4 of a stretched pixel; the border repeats.
    const smooth = { mode: "linear", antialias: 1 };
    expect(await resize(row, half, smooth)).toEqual([1.625, 3.5, 5.375]);
    // Without the taps that lie beyond it: (3·1 + 3·2 + 1·3) / 7 and its mirror image.
    const inside = await resize(row, half, { ...smooth, exclude_outside: 1 });
    expect(inside).toEqual([Math.fround(12 / 7), 3.5, Math.fround((3 * 6 + 3 * 5 + 4) / 7)]);
    // Larger is as without.
    const twice = { s: tensor("float32", [1, 1, 1, 2]) };
    expect(await resize(row, twice, smooth)).toEqual(await resize(row, twice, { mode: "linear" }));
    // A cubic kernel keeps a constant and has eight taps.
    const flat = tensor("float32", new Array(12).fill(3), [1, 1, 1, 12]);
    for (const v of await resize(flat, half, { mode: "cubic", antialias: 1 })) expect(v).toBeCloseTo(3, 5);
  });

  it.each([
    ["linear", 1, 3, 2],
    ["linear", 3, 4, 4],
    ["cubic", 5, 2, 3],
    ["linear", 2, 0.5, 3],
  ])(
    "%s of %i channels by %d and %i: columns first, one rounding per operation",
    async (mode, channels, down, right) => {
      const [height, width] = [4, 5];
      const data = Array.from({ length: 2 * channels * height * width }, (_, i) => Math.fround(Math.sin(i * 1.7)));
      const x = tensor("float32", data, [2, channels, height, width]);
      const got = await resize(x, { s: tensor("float32", [1, 1, down, right]) }, { mode });
      const f = Math.fround;
      const taps = (input: number, scale: number): [number, number][][] =>
        Array.from({ length: input * scale }, (_, i) => {
          const at = (i + 0.5) / scale - 0.5;
          const t = at - Math.floor(at);
          const [a, near, far] = [
            -0.75,
            (d: number) => (1.25 * d - 2.25) * d * d + 1,
            (d: number) => ((d - 5) * d + 8) * d * a - 4 * a,
          ];
          const weights = mode === "linear" ? [1 - t, t] : [far(t + 1), near(t), near(1 - t), far(2 - t)];
          const first = Math.floor(at) - (mode === "linear" ? 0 : 1);
          return weights.map((w, j) => [Math.min(Math.max(first + j, 0), input - 1), f(w)]);
        });
      const [rows, columns] = [taps(height, down), taps(width, right)];
      const expected = Array.from({ length: 2 * channels }, (_, map) =>
        rows.map((ys) =>
          columns.map((xs) =>
            ys.reduce((sum, [y, wy]) => {
              const part = xs.reduce((s, [column, wx]) => f(s + f(wx * data[(map * height + y) * width + column]!)), 0);
              return f(sum + f(wy * part));
            }, 0),
          ),
        ),
      );
      expect(got).toEqual(expected.flat(2));
    },
  );

  it("crops a region, and gives the extrapolation value beyond it", async () => {
    const x = tensor("float32", [0, 10, 20, 30], [1, 1, 1, 4]);
    const crop = (r: readonly number[], length: number, more: Record<string, Attribute> = {}) =>
      resize(
        x,
        { r: tensor("float32", r), z: tensor("int64", [1, 1, 1, length].map(BigInt) as never) },
        { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize", ...more },
      );
    const whole = [0, 0, 0] as const;
    expect(await crop([...whole, 0.5, 1, 1, 1, 1], 4)).toEqual([15, 20, 25, 30]);
    expect(await crop([...whole, 0, 1, 1, 1, 1], 4)).toEqual([0, 10, 20, 30]);
    expect(await crop([...whole, -0.5, 1, 1, 1, 1.5], 5, { extrapolation_value: 7 })).toEqual([7, 0, 15, 30, 7]);
    expect(await crop([...whole, 0, 1, 1, 1, 1], 1)).toEqual([15]);
  });

  it("changes any axes, one after the other", async () => {
    const x = tensor("float32", [0, 1, 2, 3, 4, 5, 6, 7], [2, 2, 2, 1]);
    // The middle axes of channels-last values, which ONNX has no name for.
    const rows = await resize(x, { s: tensor("float32", [1, 2, 1, 1]) }, { mode: "linear" });
    expect(rows).toEqual([0, 1, 0.5, 1.5, 1.5, 2.5, 2, 3, 4, 5, 4.5, 5.5, 5.5, 6.5, 6, 7]);
    const volume = tensor("float32", [0, 1, 2, 3, 4, 5, 6, 7], [1, 1, 2, 2, 2]);
    const nearest = await resize(volume, { s: tensor("float32", [1, 1, 2, 1, 2]) }, { mode: "nearest" });
    expect(nearest).toEqual([
      0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 4, 4, 5, 5, 6, 6, 7, 7,
    ]);
    const corner = await resize(volume, { s: tensor("float32", [2, 1, 1, 1, 1]) }, { mode: "nearest" });
    expect(corner).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
