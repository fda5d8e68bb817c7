import { describe, expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import type { Attribute } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { f32, i64, modelOf, runNode } from "../support/run-node.ts";

/** Numbers between −1 and 1, of three decimal places in base 2. */
const some = (...dims: number[]): Tensor => {
  const size = dims.reduce((a, b) => a * b, 1);
  return f32(
    dims,
    Array.from({ length: size }, (_, i) => ((((i + size) * 37) % 17) - 8) / 8),
  );
};
const numbers = (tensor: Tensor | undefined): number[] =>
  Array.from(tensor!.data as ArrayLike<number | bigint>, Number);

function close(got: Tensor | undefined, expected: readonly number[]): void {
  const own = numbers(got);
  expect(own.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(own[i]! - value), `[${i}]`).toBeLessThan(1e-5);
}

describe("random operators", () => {
  /** SplitMix64 from its definition. */
  function splitMix(seed: bigint, i: bigint): bigint {
    const wide = (x: bigint): bigint => BigInt.asUintN(64, x);
    let z = wide(seed + (i + 1n) * 0x9e3779b97f4a7c15n);
    z = wide((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = wide((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  }

  it("draw from SplitMix64, whether they are folded or run", async () => {
    let seed = 0xcbf29ce484222325n;
    for (const c of "3") seed = BigInt.asUintN(64, (seed ^ BigInt(c.charCodeAt(0))) * 0x100000001b3n);
    const attributes = { shape: [1100, 1000], dtype: 11, seed: 3 };
    // More elements than folding makes.
    const { graph } = modelOf({ op: "RandomUniform", opset: 22, inputs: [], attributes });
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const { y0: run } = await session.run({});
    await session.release();
    const [folded] = await runNode({
      op: "RandomUniform",
      opset: 22,
      inputs: [],
      attributes: { ...attributes, shape: [5] },
    });
    for (const at of [0, 1, 4]) {
      const expected = Number(splitMix(seed, BigInt(at)) >> 11n) * 2 ** -53;
      expect(run!.data[at]).toBe(expected);
      expect(folded!.data[at]).toBe(expected);
    }
  });

  it("have the distribution that they say", async () => {
    const moments = (tensor: Tensor | undefined): [number, number] => {
      const all = numbers(tensor);
      const mean = all.reduce((a, b) => a + b, 0) / all.length;
      return [mean, Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / all.length)];
    };
    const [uniform] = await runNode({
      op: "RandomUniformLike",
      opset: 22,
      inputs: [f32([100, 100])],
      attributes: { low: 2, high: 5 },
    });
    const [mean, deviation] = moments(uniform);
    expect(mean).toBeCloseTo(3.5, 1);
    expect(deviation).toBeCloseTo(3 / Math.sqrt(12), 1);
    expect(numbers(uniform).every((x) => x >= 2 && x <= 5)).toBe(true);
    const [normal] = await runNode({
      op: "RandomNormal",
      opset: 22,
      inputs: [],
      attributes: { shape: [10000], mean: -1, scale: 2 },
    });
    expect(moments(normal)[0]).toBeCloseTo(-1, 1);
    expect(moments(normal)[1]).toBeCloseTo(2, 1);
    const chances = f32([10000], new Array<number>(10000).fill(0.25));
    const [flags] = await runNode({ op: "Bernoulli", opset: 22, inputs: [chances], attributes: { dtype: 9 } });
    expect(flags!.type).toBe("bool");
    expect(moments(flags)[0]).toBeCloseTo(0.25, 1);
    const logs = f32([1, 3], [Math.log(2), Math.log(1), Math.log(5)]);
    const [draws] = await runNode({ op: "Multinomial", opset: 22, inputs: [logs], attributes: { sample_size: 8000 } });
    const share = (kind: number): number => numbers(draws).filter((x) => x === kind).length / 8000;
    expect(draws!.type).toBe("int32");
    for (const [kind, expected] of [0.25, 0.125, 0.625].entries()) expect(share(kind)).toBeCloseTo(expected, 1);
  });

  it("differ by seed, and refuse shapes that are none", async () => {
    const draw = async (seed: number): Promise<number[]> =>
      numbers((await runNode({ op: "RandomUniform", opset: 22, inputs: [], attributes: { shape: [4], seed } }))[0]);
    expect(await draw(1)).not.toEqual(await draw(2));
    const bad = runNode({ op: "RandomUniform", opset: 22, inputs: [], attributes: { shape: [-1] } });
    await expect(bad).rejects.toThrow(/"shape" expected integers ≥ 0/);
    const huge = runNode({ op: "RandomUniform", opset: 22, inputs: [], attributes: { shape: [65536, 65536] } });
    await expect(huge).rejects.toThrow(/random numbers/);
  });
});

describe("BitShift of signed integers", () => {
  it.each(["int8", "int16", "int32", "int64"] as const)("shifts %s by its bits, sign and all", async (type) => {
    const width = Number(type.slice(3));
    const [x, by] = [-5, -1, 100, -128, 7, 0, -5, -5, 5, 127]
      .map((v, i) => [BigInt(v), BigInt([1, 3, 0, 7, 2, 5, -1, width, width, 1][i]!)] as const)
      .reduce<[bigint[], bigint[]]>(
        ([a, b], [v, w]) => [
          [...a, v],
          [...b, w],
        ],
        [[], []],
      );
    const tensor = (all: readonly bigint[]): Tensor =>
      new Tensor(type, (type === "int64" ? all : all.map(Number)) as never, [all.length]);
    for (const direction of ["LEFT", "RIGHT"]) {
      const expected = x.map((v, i) => {
        const shift = by[i]!;
        const outside = shift < 0n || shift >= BigInt(width);
        if (direction === "LEFT") return outside ? 0n : BigInt.asIntN(width, v << shift);
        return outside ? (v < 0n ? -1n : 0n) : v >> shift;
      });
      for (const constants of [[], [0, 1]]) {
        const [y] = await runNode({
          op: "BitShift",
          opset: 28,
          inputs: [tensor(x), tensor(by)],
          attributes: { direction },
          constants,
        });
        expect(numbers(y), `${direction} ${constants}`).toEqual(expected.map(Number));
      }
    }
  });
});

describe("operators with a state", () => {
  it("TensorScatter writes rows from an index on, around the end where it is circular", async () => {
    const inputs = [f32([2, 4, 1], [1, 2, 3, 4, 5, 6, 7, 8]), f32([2, 2, 1], [-1, -2, -3, -4]), i64(3, 1)];
    const [y] = await runNode({ op: "TensorScatter", opset: 24, inputs, attributes: { mode: "circular" } });
    expect(numbers(y)).toEqual([-2, 2, 3, -1, 5, -3, -4, 8]);
    const beyond = runNode({ op: "TensorScatter", opset: 24, inputs });
    await expect(beyond).rejects.toThrow(RangeError);
    const long = runNode({ op: "TensorScatter", opset: 24, inputs: [inputs[1]!, inputs[0]!] });
    await expect(long).rejects.toThrow(/the update expected the shape of the cache/);
  });

  it("CausalConvWithState in pieces is the convolution of the whole", async () => {
    const [w, bias, x] = [some(2, 1, 3), some(2), some(1, 2, 5)];
    const run = (inputs: readonly (Tensor | "")[], attributes: Record<string, Attribute> = {}): Promise<Tensor[]> =>
      runNode({ op: "CausalConvWithState", opset: 27, inputs, attributes, outputs: 2 });
    const [whole, state] = await run([x, w, bias]);
    const at = (tensor: Tensor, c: number, i: number): number => numbers(tensor)[c * tensor.dims[2]! + i] ?? 0;
    const expected = [0, 1].flatMap((c) =>
      [0, 1, 2, 3, 4].map((i) =>
        [0, 1, 2].reduce((sum, k) => sum + (i + k < 2 ? 0 : at(x, c, i + k - 2)) * at(w, c, k), numbers(bias)[c]!),
      ),
    );
    close(whole, expected);
    const cut = (from: number, to: number): Tensor =>
      f32(
        [1, 2, to - from],
        [0, 1].flatMap((c) => numbers(x).slice(c * 5 + from, c * 5 + to)),
      );
    const [first, between] = await run([cut(0, 2), w, bias]);
    const [second, last] = await run([cut(2, 5), w, bias, between!]);
    expect(last).toEqual(state);
    close(
      whole,
      [0, 1].flatMap((c) => [...numbers(first).slice(c * 2, c * 2 + 2), ...numbers(second).slice(c * 3, c * 3 + 3)]),
    );
    const [silu] = await run([x, w, bias], { activation: "silu" });
    close(
      silu,
      expected.map((v) => v / (1 + Math.exp(-v))),
    );
    await expect(run([x, some(2, 2, 3)])).rejects.toThrow(/\[channels, 1, k\]/);
    await expect(run([x, w, bias, some(1, 2, 1)])).rejects.toThrow(/the state expected shape \[1,2,2\]/);
  });

  it.each(["linear", "gated", "delta", "gated_delta"])("LinearAttention %s is the recurrence", async (update_rule) => {
    const [steps, groups, each, dk, dv] = [3, 2, 2, 2, 3];
    const [q, k, v] = [some(1, steps, groups * each * dk), some(1, steps, groups * dk), some(1, steps, groups * dv)];
    const [past, decay, beta] = [some(1, groups, dk, dv), some(1, steps, groups * dk), some(1, steps, groups)];
    const [gated, delta] = [update_rule.startsWith("gated"), update_rule.endsWith("delta")];
    const attributes = { q_num_heads: groups * each, kv_num_heads: groups, update_rule, scale: 0.5 };
    const inputs = [q, k, v, past, gated ? decay : "", delta ? beta : ""] as const;
    const [y, present] = await runNode({ op: "LinearAttention", opset: 27, inputs, attributes, outputs: 2 });
    const state = [...numbers(past)];
    const expected: number[] = [];
    for (let t = 0; t < steps; t++) {
      for (let g = 0; g < groups; g++) {
        const place = (i: number, j: number): number => (g * dk + i) * dv + j;
        const key = (i: number): number => numbers(k)[(t * groups + g) * dk + i]!;
        for (let i = 0; i < dk; i++)
          for (let j = 0; j < dv; j++)
            if (gated) state[place(i, j)]! *= Math.exp(numbers(decay)[(t * groups + g) * dk + i]!);
        for (let j = 0; j < dv; j++) {
          let value = numbers(v)[(t * groups + g) * dv + j]!;
          let known = 0;
          for (let i = 0; i < dk; i++) known += state[place(i, j)]! * key(i);
          if (delta) value = numbers(beta)[t * groups + g]! * (value - known);
          for (let i = 0; i < dk; i++) state[place(i, j)]! += key(i) * value;
        }
        for (let h = 0; h < each; h++) {
          for (let j = 0; j < dv; j++) {
            let sum = 0;
            for (let i = 0; i < dk; i++)
              sum += numbers(q)[((t * groups + g) * each + h) * dk + i]! * state[place(i, j)]!;
            expected.push(0.5 * sum);
          }
        }
      }
    }
    close(y, expected);
    close(present, state);
    const wrong = runNode({
      op: "LinearAttention",
      opset: 27,
      inputs: [q, k, v, past, gated ? "" : decay],
      attributes,
      outputs: 2,
    });
    await expect(wrong).rejects.toThrow(/expected its inputs of decay and beta/);
  });
});

describe("grids, pools and spectra", () => {
  it("AffineGrid maps the places of samples", async () => {
    const theta = f32([1, 2, 3], [2, 0, 0.5, 0, 1, -0.25]);
    const run = (align_corners: number): Promise<Tensor[]> =>
      runNode({
        op: "AffineGrid",
        opset: 20,
        inputs: [theta, i64(1, 1, 2, 3)],
        constants: [1],
        attributes: { align_corners },
      });
    const expected = (ys: number[], xs: number[]): number[] =>
      ys.flatMap((y) => xs.flatMap((x) => [2 * x + 0.5, y - 0.25]));
    close((await run(1))[0], expected([-1, 1], [-1, 0, 1]));
    close((await run(0))[0], expected([-0.5, 0.5], [-2 / 3, 0, 2 / 3]));
    const wrong = runNode({ op: "AffineGrid", opset: 20, inputs: [theta, i64(1, 1, 2)], constants: [1] });
    await expect(wrong).rejects.toThrow(/theta expected shape/);
  });

  it("MaxUnpool puts values back, and refuses indices outside", async () => {
    const run = (at: Tensor, ...more: Tensor[]): Promise<Tensor[]> =>
      runNode({
        op: "MaxUnpool",
        opset: 22,
        inputs: [f32([1, 1, 2], [5, 6]), at, ...more],
        attributes: { kernel_shape: [2], strides: [2] },
      });
    const places = new Tensor("int64", [1n, 2n], [1, 1, 2]);
    expect(numbers((await run(places))[0])).toEqual([0, 5, 6, 0]);
    expect(numbers((await run(places, i64(1, 1, 5)))[0])).toEqual([0, 5, 6, 0, 0]);
    await expect(run(new Tensor("int64", [1n, 9n], [1, 1, 2]))).rejects.toThrow(RangeError);
    await expect(run(places, i64(1, 1, 3))).rejects.toThrow(/output_shape expected \[1,1,4\] or more/);
  });

  it("DFT of one side goes back, of even and odd lengths", async () => {
    for (const length of [6, 5]) {
      const x = some(2, length, 1);
      const dft = (inputs: readonly (Tensor | "")[], inverse: number): Promise<Tensor[]> =>
        runNode({ op: "DFT", opset: 20, inputs, constants: [1, 2], attributes: { onesided: 1, inverse } });
      const axis = new Tensor("int64", [1n], []);
      const [spectrum] = await dft([x, "", axis], 0);
      const [back] = await dft([spectrum!, new Tensor("int64", [BigInt(length)], []), axis], 1);
      expect(back!.dims).toEqual([2, length, 1]);
      close(back, numbers(x));
    }
  });
});

describe("what is left to the host", () => {
  it.each([
    ["RegexFullMatch", /linear time/],
    ["ImageDecoder", /pictures are decoded by the host/],
  ] as const)("%s is refused with a sentence", async (op, why) => {
    const opened = runNode({ op, opset: 20, inputs: [new Tensor("uint8", [1], [1])] });
    await expect(opened).rejects.toMatchObject({ code: "UNSUPPORTED", message: expect.stringMatching(why) });
  });

  it("TfIdfVectorizer refuses pools that do not fit", async () => {
    const attributes = {
      max_gram_length: 2,
      min_gram_length: 1,
      max_skip_count: 0,
      mode: "TF",
      ngram_counts: [0, 2],
      ngram_indexes: [0, 1, 2],
      pool_int64s: [1, 2, 3],
    };
    const run = (more: Record<string, Attribute>): Promise<Tensor[]> =>
      runNode({ op: "TfIdfVectorizer", inputs: [i64(1, 2)], attributes: { ...attributes, ...more } });
    await expect(run({})).rejects.toThrow(/"ngram_counts" expected starts/);
    await expect(run({ pool_int64s: [1, 2, 1, 2], ngram_indexes: [0, 1] })).rejects.toThrow(
      /"ngram_indexes" expected 3/,
    );
    await expect(run({ pool_int64s: [1, 2, 1, 2], ngram_indexes: [0, -1, 1] })).rejects.toThrow(
      /integers in 0\.\.2\^24/,
    );
    await expect(run({ min_gram_length: 3 })).rejects.toThrow(/lengths in 1\.\.max_gram_length/);
  });
});
