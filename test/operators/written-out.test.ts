// Operators that are written out in many others, against plain loops from their definitions: random numbers, spectra and their edges, pools that go back.
import { describe, expect, it } from "vitest";
import { Tensor } from "../../src/tensor/index.ts";
import { f32, i64, type NodeCase, runNode } from "../support/run-node.ts";
import { close, numbers, size, some } from "./loops.ts";

describe("random numbers", () => {
  const mask = (v: bigint): bigint => BigInt.asUintN(64, v);
  /** SplitMix64 (Steele, Lea, Flood 2014) seeded by FNV-1a of what the node says, as its comment promises. */
  function uniforms(text: string, count: number): number[] {
    let hash = 0xcbf29ce484222325n;
    for (const c of text) hash = mask((hash ^ BigInt(c.codePointAt(0)!)) * 0x100000001b3n);
    return Array.from({ length: count }, (_, i) => {
      let z = mask(hash + BigInt(i + 1) * 0x9e3779b97f4a7c15n);
      z = mask((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
      z = mask((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
      return Number((z ^ (z >> 31n)) >> 11n) / 2 ** 53;
    });
  }
  const normals = (text: string, count: number): number[] => {
    const all = uniforms(text, 2 * count);
    return Array.from(
      { length: count },
      (_, i) => Math.sqrt(-2 * Math.log(1 - all[i]!)) * Math.cos(2 * Math.PI * all[count + i]!),
    );
  };
  it.each([7, 0, -1.5, undefined])("from seed %s", async (seed) => {
    const text = seed === undefined ? "unseeded y0" : `${seed}`;
    const given: Record<string, number> = seed === undefined ? {} : { seed };
    const draw = async (op: string, inputs: Tensor[], attributes: NodeCase["attributes"]): Promise<Tensor> =>
      (await runNode({ op, opset: 22, inputs, attributes: { ...given, ...attributes } }))[0]!;
    close(await draw("RandomUniform", [], { shape: [2, 3] }), [2, 3], uniforms(text, 6), 6);
    close(
      await draw("RandomUniform", [], { shape: [4], low: -2, high: 3 }),
      [4],
      uniforms(text, 4).map((u) => 5 * u - 2),
      5,
    );
    close(await draw("RandomNormal", [], { shape: [5] }), [5], normals(text, 5), 5);
    close(
      await draw("RandomNormal", [], { shape: [3, 1], mean: 2, scale: 0.5 }),
      [3, 1],
      normals(text, 3).map((n) => 0.5 * n + 2),
      5,
    );
    close(
      await draw("RandomUniformLike", [some([2, 2])], { low: 1 }),
      [2, 2],
      uniforms(text, 4).map(() => 1),
      5,
    );
    close(
      await draw("RandomUniformLike", [i64(1, 2, 3)], { high: 4 }),
      [3],
      uniforms(text, 3).map((u) => 4 * u),
      5,
    );
    close(await draw("RandomNormalLike", [some([2, 2])], {}), [2, 2], normals(text, 4), 5);
    const chances = f32([8], [0, 0.125, 0.25, 0.5, 0.5, 0.75, 0.875, 1]);
    close(
      await draw("Bernoulli", [chances], {}),
      [8],
      uniforms(text, 8).map((u, i) => Number(u < Number(chances.data[i]))),
    );
    const logs = f32([2, 3], [0, 1, 2, -1, -1, 3]);
    const rows = [0, 1].map((r) => [0, 1, 2].map((c) => Math.exp(Number(logs.data[3 * r + c]))));
    const picks = uniforms(text, 8).map((u, i) => {
      const row = rows[Math.floor(i / 4)]!;
      const total = row.reduce((a, b) => a + b);
      return row.slice(0, 2).filter((_, c) => row.slice(0, c + 1).reduce((a, b) => a + b) / total <= u).length;
    });
    expect(numbers(await draw("Multinomial", [logs], { sample_size: 4 }))).toEqual(picks);
  });

  it.each<[string, NodeCase, string]>([
    [
      "extents below 0",
      { op: "RandomUniform", inputs: [], attributes: { shape: [2, -1] } },
      '"shape" expected integers ≥ 0',
    ],
    [
      "draws from three dimensions",
      { op: "Multinomial", inputs: [some([1, 2, 1])] },
      "the input expected shape [rows, classes]",
    ],
    [
      "draws from no classes",
      { op: "Multinomial", inputs: [some([2, 0])] },
      "the input expected shape [rows, classes]",
    ],
    [
      "fewer than no draws",
      { op: "Multinomial", inputs: [some([2, 2])], attributes: { sample_size: -1 } },
      '"sample_size" expected integer ≥ 0, got -1',
    ],
  ])("refuse %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));

  it("may be none", async () => {
    expect((await runNode({ op: "RandomNormal", inputs: [], attributes: { shape: [2, 0] } }))[0]!.dims).toEqual([2, 0]);
    expect(
      (await runNode({ op: "Multinomial", inputs: [some([2, 2])], attributes: { sample_size: 0 } }))[0]!.dims,
    ).toEqual([2, 0]);
  });
});

describe("MaxUnpool", () => {
  interface Unpool {
    readonly dims: number[];
    readonly kernel: number[];
    readonly strides?: number[];
    readonly pads?: number[];
    readonly whole?: number[];
  }
  it.each<[Unpool]>([
    [{ dims: [1, 1, 3], kernel: [2] }],
    [{ dims: [2, 3, 3], kernel: [2], strides: [2] }],
    [{ dims: [1, 2, 3, 2], kernel: [2, 3], strides: [2, 3] }],
    [{ dims: [1, 2, 3, 4], kernel: [3, 3], strides: [2, 1], pads: [1, 0, 0, 1] }],
    [{ dims: [1, 1, 2, 2, 2], kernel: [2, 1, 2], strides: [2, 1, 3] }],
    [{ dims: [2, 1, 2, 2], kernel: [2, 2], strides: [2, 2], whole: [2, 1, 4, 4] }],
    [{ dims: [2, 1, 2, 2], kernel: [2, 2], strides: [2, 2], whole: [2, 2, 5, 6] }],
    [{ dims: [1, 1, 1, 1], kernel: [1, 1] }],
  ])("%j", async ({ dims, kernel, strides, pads, whole }) => {
    const n = kernel.length;
    const inner = [
      ...dims.slice(0, 2),
      ...kernel.map((k, i) => (dims[i + 2]! - 1) * (strides?.[i] ?? 1) + k - (pads?.[i] ?? 0) - (pads?.[i + n] ?? 0)),
    ];
    const x = some(dims);
    const places = Array.from({ length: x.size }, (_, i) => (i * 7) % size(inner)).map((p, i, all) =>
      all.indexOf(p) === i ? p : all.length + i,
    );
    const to = whole ?? inner;
    const expected = new Array<number>(size(to)).fill(0);
    places.forEach((p, i) => {
      let [rest, at] = [p, 0];
      inner.forEach((_, axis) => {
        const below = size(inner.slice(axis + 1));
        at = at * to[axis]! + Math.floor(rest / below);
        rest %= below;
      });
      expected[at] = Number(x.data[i]);
    });
    const indices = new Tensor("int64", places.map(BigInt), dims);
    const [y] = await runNode({
      ...{ op: "MaxUnpool", opset: 22, inputs: [x, indices, ...(whole ? [i64(...whole)] : [])], constants: [2] },
      attributes: { kernel_shape: kernel, ...(strides && { strides }), ...(pads && { pads }) },
    });
    close(y!, to, expected);
  });

  const of = (dims: number[], at: number[], attributes: NodeCase["attributes"], whole?: number[]): NodeCase => ({
    ...{ op: "MaxUnpool", opset: 22, attributes: attributes ?? {}, constants: [2] },
    inputs: [
      some(dims),
      new Tensor("int64", new Array<bigint>(size(at)).fill(0n), at),
      ...(whole ? [i64(...whole)] : []),
    ],
  });
  it.each<[string, NodeCase, string]>([
    ["without a kernel", of([1, 1, 2], [1, 1, 2], {}), '"kernel_shape" is missing'],
    [
      "a kernel of more axes",
      of([1, 1, 2], [1, 1, 2], { kernel_shape: [2, 2] }),
      '"kernel_shape" expected 1 integers ≥ 1',
    ],
    ["a kernel of nothing", of([1, 1, 2], [1, 1, 2], { kernel_shape: [0] }), '"kernel_shape" expected 1 integers ≥ 1'],
    [
      "strides of nothing",
      of([1, 1, 2], [1, 1, 2], { kernel_shape: [2], strides: [0] }),
      '"strides" expected 1 integers ≥ 1',
    ],
    ["pads of one side", of([1, 1, 2], [1, 1, 2], { kernel_shape: [2], pads: [1] }), '"pads" expected 2 integers ≥ 0'],
    ["pads below 0", of([1, 1, 2], [1, 1, 2], { kernel_shape: [2], pads: [0, -1] }), '"pads" expected 2 integers ≥ 0'],
    ["two dimensions", of([1, 2], [1, 2], { kernel_shape: [] }), "indices of the shape of the input are expected"],
    [
      "fewer indices",
      of([1, 1, 2], [1, 1, 1], { kernel_shape: [2] }),
      "indices of the shape of the input are expected",
    ],
    [
      "more pads than there is",
      of([1, 1, 1], [1, 1, 1], { kernel_shape: [2], pads: [2, 1] }),
      "output_shape expected [1,1,-1] or more",
    ],
    [
      "a smaller output",
      of([1, 1, 2], [1, 1, 2], { kernel_shape: [2] }, [1, 1, 2]),
      "output_shape expected [1,1,3] or more, got [1,1,2]",
    ],
    [
      "an output of fewer axes",
      of([1, 1, 2], [1, 1, 2], { kernel_shape: [2] }, [1, 3]),
      "output_shape expected [1,1,3] or more, got [1,3]",
    ],
  ])("refuses %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));
});

describe("spectra at their edges", () => {
  const one = (value: number): Tensor => new Tensor("int64", [BigInt(value)], []);
  /** Bins of Σ x·e^(∓2πi·nk/N), [re, im] in turn, of x [re, im] in turn. */
  const transformed = (x: readonly number[], bins: number, sign = -1): number[] => {
    const n = x.length / 2;
    return Array.from({ length: bins }, (_, k) => {
      const sum = [0, 0];
      for (let i = 0; i < n; i++) {
        const [c, s] = [Math.cos((2 * Math.PI * i * k) / n), sign * Math.sin((2 * Math.PI * i * k) / n)];
        sum[0]! += x[2 * i]! * c - x[2 * i + 1]! * s;
        sum[1]! += x[2 * i]! * s + x[2 * i + 1]! * c;
      }
      return sum;
    }).flat();
  };

  it.each([1, 2, 3, 5, 8])(
    "DFT of %i places: whole, one side, back, and along the axis that older files name",
    async (n) => {
      const real = some([2, n, 1]);
      const rows = [0, 1].map((r) =>
        numbers(real)
          .slice(r * n, (r + 1) * n)
          .flatMap((v) => [v, 0]),
      );
      const run = async (
        x: Tensor,
        opset: number,
        attributes: Record<string, number>,
        more: (Tensor | "")[] = [],
      ): Promise<Tensor> =>
        (await runNode({ op: "DFT", opset, inputs: [x, ...more], attributes, constants: [1, 2] }))[0]!;
      close(
        await run(real, 20, {}),
        [2, n, 2],
        rows.flatMap((row) => transformed(row, n)),
      );
      close(
        await run(real, 20, { onesided: 1 }),
        [2, Math.floor(n / 2) + 1, 2],
        rows.flatMap((row) => transformed(row, Math.floor(n / 2) + 1)),
      );
      const complex = some([2, n, 2], 3);
      const both = [0, 1].map((r) => numbers(complex).slice(r * 2 * n, (r + 1) * 2 * n));
      close(
        await run(complex, 20, { inverse: 1 }),
        [2, n, 2],
        both.flatMap((row) => transformed(row, n, 1).map((v) => v / n)),
      );
      close(
        await run(complex, 17, {}),
        [2, n, 2],
        both.flatMap((row) => transformed(row, n)),
      );
      close(
        await run(complex, 17, { axis: 1 }),
        [2, n, 2],
        both.flatMap((row) => transformed(row, n)),
      );
      // Along the first axis: two places, columns side by side.
      const columns = Array.from({ length: n }, (_, i) =>
        transformed([...both[0]!.slice(2 * i, 2 * i + 2), ...both[1]!.slice(2 * i, 2 * i + 2)], 2),
      );
      const expected = [0, 1].flatMap((k) => columns.flatMap((column) => column.slice(2 * k, 2 * k + 2)));
      close(await run(complex, 17, { axis: 0 }), [2, n, 2], expected);
      close(await run(complex, 20, {}, ["", one(0)]), [2, n, 2], expected);
      close(await run(complex, 20, {}, ["", one(-3)]), [2, n, 2], expected);
    },
  );

  const dft = (x: Tensor, attributes: Record<string, number> = {}, more: (Tensor | "")[] = []): NodeCase => ({
    op: "DFT",
    opset: 20,
    inputs: [x, ...more],
    attributes,
    constants: [1, 2],
  });
  const stft = (
    x: Tensor,
    step: number,
    window: Tensor | "",
    length: Tensor | "",
    attributes: Record<string, number> = {},
  ): NodeCase => ({
    ...{ op: "STFT", opset: 17, attributes, constants: [1, 3] },
    inputs: [x, one(step), window, ...(length === "" ? [] : [length])],
  });
  it.each<[string, NodeCase, string]>([
    ["one dimension", dft(some([2])), "a last axis of 1 or 2"],
    ["three parts", dft(some([4, 3])), "a last axis of 1 or 2"],
    ["the axis of the parts", dft(some([4, 2]), {}, ["", one(1)]), "the last axis holds real and imaginary parts"],
    ["one side of what is complex", dft(some([4, 2]), { onesided: 1 }), "one side is of real inputs"],
    ["one side of what is real, back", dft(some([4, 1]), { onesided: 1, inverse: 1 }), "expected complex inputs"],
    ["no places", dft(some([4, 1]), {}, [one(0)]), "the length expected integer ≥ 1, got 0"],
    [
      "a signal of four dimensions",
      stft(some([1, 8, 1, 1]), 1, "", one(4)),
      "the signal expected shape [batch, length, 1 or 2]",
    ],
    [
      "a signal of three parts",
      stft(some([1, 8, 3]), 1, "", one(4)),
      "the signal expected shape [batch, length, 1 or 2]",
    ],
    ["neither window nor length", stft(some([1, 8, 1]), 1, "", ""), "window and frame_length are both missing"],
    ["another window", stft(some([1, 8, 1]), 1, some([3]), one(4)), "the window expected shape [4]"],
    ["no step", stft(some([1, 8, 1]), 0, "", one(4)), "frame_step expected integer ≥ 1, got 0"],
    ["a shorter signal", stft(some([1, 3, 1]), 1, "", one(4)), "a signal of 3 is shorter than the frame of 4"],
    [
      "one side of a complex signal",
      stft(some([1, 8, 2]), 1, "", one(4), { onesided: 1 }),
      "one side is of real signals",
    ],
    [
      "a window of less than nothing",
      { op: "HannWindow", opset: 17, inputs: [one(-1)], constants: [0] },
      "the size expected integer in 0..2^24, got -1",
    ],
  ])("refuse %s", async (_, c, why) => expect(runNode(c)).rejects.toThrow(why));

  it.each([
    [4, 4, 1],
    [8, 4, 1],
    [9, 4, 2],
    [8, 1, 3],
    [8, 8, 5],
  ])("STFT of %i samples in frames of %i by %i", async (samples, length, step) => {
    const x = some([2, samples, 1]);
    const window = f32(
      [length],
      Array.from({ length }, (_, i) => 1 + i / 4),
    );
    const frames = Math.floor((samples - length) / step) + 1;
    const frame = (r: number, f: number, w: boolean): number[] =>
      Array.from({ length }, (_, i) => [
        Number(x.data[r * samples + f * step + i]) * (w ? Number(window.data[i]) : 1),
        0,
      ]).flat();
    for (const w of [false, true])
      for (const onesided of [0, 1, undefined]) {
        const bins = onesided === 0 ? length : Math.floor(length / 2) + 1;
        const expected = [0, 1].flatMap((r) =>
          Array.from({ length: frames }, (_, f) => transformed(frame(r, f, w), bins)).flat(),
        );
        const attributes: Record<string, number> = onesided === undefined ? {} : { onesided };
        const [y] = await runNode(stft(x, step, w ? window : "", w ? "" : one(length), attributes));
        close(y!, [2, frames, bins, 2], expected);
      }
  });

  const windows = {
    HannWindow: [0.5, -0.5],
    HammingWindow: [25 / 46, -21 / 46],
    BlackmanWindow: [0.42, -0.5, 0.08],
  } as const;
  it.each(Object.entries(windows))("%s", async (op, weights) => {
    for (const length of [0, 1, 2, 5, 8])
      for (const periodic of [undefined, 0, 1]) {
        const period = Math.max(1, periodic === 0 ? length - 1 : length);
        const expected = Array.from({ length }, (_, n) =>
          weights.reduce((sum, w, i) => sum + w * Math.cos((2 * Math.PI * i * n) / period), 0),
        );
        const attributes: Record<string, number> = periodic === undefined ? {} : { periodic };
        const [y] = await runNode({ op, opset: 17, inputs: [one(length)], attributes, constants: [0] });
        close(y!, [length], expected, 5);
      }
  });

  it.each([
    [4, 8, 8000, 0, 4000],
    [3, 16, 8192, 100, 4096],
    [1, 1, 1, 0, 1],
    [6, 9, 16000, 300, 8000],
  ])("MelWeightMatrix of %i bins, %i places at %i Hz from %i to %i", async (bins, length, rate, low, high) => {
    const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
    const step = (mel(high) - mel(low)) / (bins + 2);
    const edges = Array.from({ length: bins + 2 }, (_, i) =>
      Math.floor(((length + 1) * 700 * (10 ** ((i * step + mel(low)) / 2595) - 1)) / rate),
    );
    const rows = Math.floor(length / 2) + 1;
    const expected = Array.from({ length: rows * bins }, (_, i) => {
      const [at, k] = [Math.floor(i / bins), i % bins];
      const [left, middle, right] = edges.slice(k, k + 3) as [number, number, number];
      if (middle === left && at === middle) return 1;
      if (at >= left && at <= middle && middle > left) return (at - left) / (middle - left);
      if (at >= middle && at < right) return (right - at) / (right - middle);
      return 0;
    });
    const inputs = [one(bins), one(length), one(rate), f32([], [low]), f32([], [high])];
    const [y] = await runNode({ op: "MelWeightMatrix", opset: 17, inputs, constants: [0, 1, 2] });
    close(y!, [rows, bins], expected, 5);
  });
});
