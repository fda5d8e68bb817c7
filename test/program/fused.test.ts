import { expect, it } from "vitest";
import { floatsBy, fusedBy } from "../../src/program/fused.ts";
import { DIGIT_SYSTEMS, dequantize, fuse, packDigits, termBits, type WeightSeries } from "../../src/series/index.ts";
import { BUILDS, newCore } from "../gemm/harness.ts";
import { random } from "../gemm/layer.ts";

/** Widths of digits, of terms and of the last one; rows of eights, of odd lengths and shorter than eight. */
const CUTS = [
  [4, 4, 1],
  [4, 2, 3],
  [4, 1, 4],
  [3, 3, 3],
  [2, 5, 2],
  [8, 2, 8],
  [5, 2, 3],
] as const;
const SIZES = [
  [3, 8],
  [4, 172],
  [5, 37],
  [9, 3],
  [1, 1],
  [0, 8],
  [2, 0],
] as const;

for (const build of BUILDS) {
  it(`sums up series as JavaScript does: ${build}`, async () => {
    const core = await newCore(build);
    const next = random(5);
    const integer = (from: number, below: number): number => from + Math.floor(next() * (below - from));
    for (const digits of DIGIT_SYSTEMS) {
      for (const [bits, terms, lastBits] of CUTS) {
        if (digits !== "signed" && lastBits !== bits) continue;
        for (const [rows, columns] of SIZES) {
          const count = rows * columns;
          const cut = { bits, terms, ...(lastBits !== bits && { lastBits }) };
          const indices = Uint32Array.from({ length: count }, (_, i) => i).filter((i) => i % 7 === 2);
          const whole: WeightSeries = {
            ...{ name: "w", shape: [columns, rows], axis: 1, rows, columns, digits, ...cut },
            scales: Float32Array.from({ length: rows }, () => next()),
            planes: Array.from({ length: terms }, (_, i) => {
              const own = termBits(cut, i);
              return packDigits(
                Int16Array.from({ length: count }, () => integer(0, 2 ** own)),
                own,
              );
            }),
            ...(rows % 2 === 1 && { zeros: Int32Array.from({ length: rows }, () => integer(-150, 150)) }),
            ...(columns > 8 && { sparse: { indices, values: Int16Array.from(indices, () => integer(-900, 900)) } }),
            ...{ largestL1: 0, largestSum: 0 },
          };
          for (let n = 1; n <= terms; n++) {
            const series = { ...whole, planes: whole.planes.slice(0, n) };
            expect(fusedBy(core, series)).toEqual(fuse(series));
            expect(floatsBy(core, series)).toEqual(dequantize(series));
          }
        }
      }
    }
  });
}
