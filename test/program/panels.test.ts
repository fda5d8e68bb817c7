import { describe, expect, it } from "vitest";
import { Core, KERNELS } from "../../src/core/index.ts";
import { type FusedWeights, Panels } from "../../src/program/panels.ts";
import type { WeightSeries } from "../../src/series/index.ts";

const WORK = { depthwise: false, activationBits: 8, exactInInt32: true, pairsPerBlock: 1, largestSum: 0 };

/** One row of two columns: digits of 4 bits, a byte per plane, the first column in the low half. */
function series(planes: readonly number[], more: Partial<WeightSeries> = {}): WeightSeries {
  return {
    ...{ name: "w", shape: [1, 2], axis: 0, rows: 1, columns: 2, bits: 4, terms: 2, digits: "signed" },
    ...{ scales: Float32Array.of(1), largestL1: 272, largestSum: 272 },
    planes: planes.map((byte) => Uint8Array.of(byte)),
    ...more,
  };
}

async function setUp(): Promise<{
  panels: Panels;
  place: (of: WeightSeries) => { kernel: string; first: number[]; sum: number };
}> {
  const core = await Core.create("simd");
  const panels = new Panels(core);
  const read = ({ kernel, weights, columnSums }: FusedWeights) => {
    const name = KERNELS[kernel];
    const wide = name === "gemm_i16_i16_4x8";
    const first = wide ? core.i16(weights, 2) : new Int8Array(core.memory.buffer, weights, 2);
    return { kernel: name, first: [...first], sum: core.i32(columnSums, 1)[0]! };
  };
  const shape = { groups: 1, rows: 1, taps: 1, channels: 2 };
  return { panels, place: (of) => read(panels.place(of, WORK, shape)) };
}

describe("turns of 16-bit weights", () => {
  it.each([
    [3, "17 k-pairs of 12-bit weights fit one", true],
    [4, "each k-pair of 16-bit weights would be one", false],
  ])("%d terms of 4 bits: %s", async (terms, _, taken) => {
    const panels = new Panels(await Core.create("simd"));
    const planes = Array.from({ length: terms }, () => new Uint8Array(32).fill(0x77));
    const about = { columns: 64, shape: [1, 64], terms, planes, largestL1: 2 ** 21, largestSum: 2 ** 21 };
    const work = { ...WORK, activationBits: 16, exactInInt32: false };
    const { turns } = panels.place(series([], about), work, { groups: 1, rows: 1, taps: 1, channels: 64 });
    expect(turns !== 0).toBe(taken);
  });
});

describe("panels at their own width", () => {
  it("hold two terms of 4 bits in int8", async () => {
    const { place } = await setUp();
    expect(place(series([0x97, 0x77]))).toEqual({ kernel: "gemm_i8_i16_4x8", first: [119, -105], sum: 14 });
  });

  it("are wider where digits reach below int8", async () => {
    const { place } = await setUp();
    expect(place(series([0x78, 0x78]))).toEqual({ kernel: "gemm_i16_i16_4x8", first: [-136, 119], sum: -17 });
  });

  it("hold unsigned digits whose zero points bring them into int8, and are wider where they do not", async () => {
    const { place } = await setUp();
    const unsigned = { digits: "unsigned", zeros: Int32Array.of(128) } as const;
    expect(place(series([0xf0, 0xf0], unsigned))).toEqual({ kernel: "gemm_i8_i16_4x8", first: [-128, 127], sum: -1 });
    const wide = { ...unsigned, name: "v", zeros: Int32Array.of(129) };
    expect(place(series([0xf0, 0xf0], wide))).toEqual({ kernel: "gemm_i16_i16_4x8", first: [-129, 126], sum: -3 });
  });

  it("take the next term in place", async () => {
    const { panels, place } = await setUp();
    const planes = [Uint8Array.of(0x97)];
    const arriving = series([], { planes });
    expect(place(arriving)).toEqual({ kernel: "gemm_i8_i16_4x8", first: [112, -112], sum: 0 });
    planes.push(Uint8Array.of(0x77));
    expect(panels.refine(arriving)).toBe(false);
    expect(place(arriving)).toEqual({ kernel: "gemm_i8_i16_4x8", first: [119, -105], sum: 14 });
  });

  it("are packed again, wider, when a term outgrows them", async () => {
    const { panels, place } = await setUp();
    const planes = [Uint8Array.of(0x78)];
    const arriving = series([], { planes });
    expect(place(arriving).kernel).toBe("gemm_i8_i16_4x8");
    planes.push(Uint8Array.of(0x78));
    expect(panels.refine(arriving)).toBe(true);
    expect(place(arriving)).toEqual({ kernel: "gemm_i16_i16_4x8", first: [-136, 119], sum: -17 });
  });

  it("note how many pairs fit int32, anew with every term, for sums that are not proved to", async () => {
    const core = await Core.create("simd");
    const panels = new Panels(core);
    const shape = { groups: 1, rows: 1, taps: 1, channels: 8 };
    const planes = [Uint8Array.of(127, 127, 1, 0, 0, 0, 0, 0)];
    const arriving = series([], { columns: 8, shape: [1, 8], bits: 8, terms: 2, planes });
    const work = { ...WORK, activationBits: 16, exactInInt32: false };
    const { kernel, turns } = panels.place(arriving, work, shape);
    expect(KERNELS[kernel]).toBe("gemm_i16_i16_4x8");
    expect(core.u8(turns, 1)[0]).toBe(4);
    planes.push(Uint8Array.of(127, 127, 127, 127, 0, 0, 0, 0));
    panels.refine(arriving);
    expect(panels.place(arriving, work, shape).turns).toBe(turns);
    expect(core.u8(turns, 1)[0]).toBe(1);
    expect(panels.place(series([]), WORK, { ...shape, channels: 2 }).turns).toBe(0);
  });
});
