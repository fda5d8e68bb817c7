import { describe, expect, it } from "vitest";
import type { Attribute } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, i64 } from "../graph/build.ts";

async function run(
  op: string,
  inputs: Record<string, Tensor>,
  constants: Record<string, Tensor>,
  attributes: Record<string, Attribute> = {},
) {
  const io = Object.fromEntries(Object.entries(inputs).map(([name, { type, dims }]) => [name, { type, shape: dims }]));
  const names = [...Object.keys(inputs), ...Object.keys(constants)];
  const bytes = writeOnnx(build(io, constants, [[op, names, ["y"], attributes]], ["y"], 20));
  const session = await InferenceSession.create(bytes, { preset: "float32" });
  const { y } = await session.run(inputs);
  await session.release();
  return y!;
}

const scalar = (value: number): Tensor => new Tensor("int64", [BigInt(value)], []);

/** Σ (a + ib)·e^(−2πi·nk/N) in double. */
function spectrum(real: readonly number[], imaginary: readonly number[], bins: number, sign = -1): number[] {
  const n = real.length;
  return Array.from({ length: bins }, (_, k) => {
    let [re, im] = [0, 0];
    for (let i = 0; i < n; i++) {
      const angle = (sign * 2 * Math.PI * i * k) / n;
      re += real[i]! * Math.cos(angle) - imaginary[i]! * Math.sin(angle);
      im += real[i]! * Math.sin(angle) + imaginary[i]! * Math.cos(angle);
    }
    return [re, im];
  }).flat();
}

function close(tensor: Tensor, expected: readonly number[]): void {
  expect(tensor.size).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(Number(tensor.data[i]) - value), `[${i}]`).toBeLessThan(1e-4);
  });
}

describe("DFT", () => {
  const values = Array.from({ length: 12 }, (_, i) => ((i * 29) % 17) / 4 - 2);
  it("of real rows, all bins, one side, cut and padded", async () => {
    const x = new Tensor("float32", values, [1, 12, 1]);
    const zeros = values.map(() => 0);
    close(await run("DFT", { x }, {}), spectrum(values, zeros, 12));
    close(await run("DFT", { x }, {}, { onesided: 1 }), spectrum(values, zeros, 7));
    close(await run("DFT", { x }, { n: scalar(8) }), spectrum(values.slice(0, 8), zeros.slice(0, 8), 8));
    close(await run("DFT", { x }, { n: scalar(16) }), spectrum([...values, 0, 0, 0, 0], new Array(16).fill(0), 16));
  });
  it("of complex rows, and back", async () => {
    const [re, im] = [values.filter((_, i) => i % 2 === 0), values.filter((_, i) => i % 2 === 1)];
    const x = new Tensor("float32", values, [1, 6, 2]);
    const y = await run("DFT", { x }, {});
    close(y, spectrum(re, im, 6));
    close(await run("DFT", { x: y }, {}, { inverse: 1 }), values);
  });
  it("refuses the axis of the parts", async () => {
    const x = new Tensor("float32", values, [1, 12, 1]);
    await expect(run("DFT", { x }, { n: scalar(12), a: scalar(-1) })).rejects.toThrow(
      "the last axis holds real and imaginary parts",
    );
  });
});

describe("STFT", () => {
  it("cuts frames, weighs them, and transforms each", async () => {
    const signal = Array.from({ length: 20 }, (_, i) => Math.fround(Math.sin(i)));
    const window = [0.5, 1, 1, 0.5, 0.25, 1, 2, 1];
    const x = new Tensor("float32", signal, [1, 20, 1]);
    const y = await run("STFT", { x }, { step: scalar(4), window: new Tensor("float32", window) });
    expect(y.dims).toEqual([1, 4, 5, 2]);
    const frames = [0, 4, 8, 12].map((at) => signal.slice(at, at + 8).map((v, i) => v * window[i]!));
    close(
      y,
      frames.flatMap((frame) => spectrum(frame, new Array(8).fill(0), 5)),
    );
  });
});

describe("windows and places", () => {
  it("Hann, periodic and symmetric", async () => {
    const hann = (size: number, n: number) =>
      Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n));
    close(await run("HannWindow", {}, { size: scalar(6) }), hann(6, 6));
    close(await run("HannWindow", {}, { size: scalar(6) }, { periodic: 0 }), hann(6, 5));
  });
  it("OneHot counts from the end and leaves out what is outside", async () => {
    const values = new Tensor("float32", [2, 7]);
    const y = await run("OneHot", { x: i64(0, 2, -1, 3, -4) }, { depth: scalar(3), values });
    expect([...(y.data as Float32Array)]).toEqual([7, 2, 2, 2, 2, 7, 2, 2, 7, 2, 2, 2, 2, 2, 2]);
  });
  it("ReverseSequence turns the first steps of each", async () => {
    const x = new Tensor("float32", [1, 2, 3, 4, 5, 6], [3, 2]);
    const y = await run("ReverseSequence", { x }, { n: i64(2, 3) });
    expect([...(y.data as Float32Array)]).toEqual([3, 6, 1, 4, 5, 2]);
  });
  it("SpaceToDepth puts the block last in the channels where it is asked to", async () => {
    const x = new Tensor(
      "float32",
      Array.from({ length: 8 }, (_, i) => i),
      [1, 2, 2, 2],
    );
    const dcr = await run("SpaceToDepth", { x }, {}, { blocksize: 2 });
    expect([...(dcr.data as Float32Array)]).toEqual([0, 4, 1, 5, 2, 6, 3, 7]);
    const crd = await run("SpaceToDepth", { x }, {}, { blocksize: 2, mode: "CRD" });
    expect([...(crd.data as Float32Array)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
  it("CenterCropPad", async () => {
    const x = new Tensor("float32", [1, 2, 3, 4, 5], [5]);
    expect([...((await run("CenterCropPad", { x }, { n: i64(2) })).data as Float32Array)]).toEqual([2, 3]);
    expect([...((await run("CenterCropPad", { x }, { n: i64(8) })).data as Float32Array)]).toEqual([
      0, 1, 2, 3, 4, 5, 0, 0,
    ]);
  });
});
