import { expect, test } from "vitest";
import { expand } from "../../src/series/index.ts";
import { randomTensor, uniformNumbers } from "../../src/tensor/index.ts";

test("a scale of its own for every prefix and channel, by least squares, gains less than 0.3 dB: prefixes are rounded to nearest", async () => {
  const [rows, columns] = [32, 256];
  const weights = randomTensor("float32", [rows, columns], uniformNumbers(1));
  const w = weights.data as Float32Array;
  const series = await expand(weights, { bits: 4, terms: 3, axis: 0 });
  for (const terms of [1, 2, 3]) {
    const residual = series.residual(terms).data;
    let [plain, fitted] = [0, 0];
    for (let r = 0; r < rows; r++) {
      let [wp, pp, rr, ww] = [0, 0, 0, 0];
      for (let i = r * columns; i < (r + 1) * columns; i++) {
        const p = w[i]! - residual[i]!;
        wp += w[i]! * p;
        pp += p * p;
        rr += residual[i]! ** 2;
        ww += w[i]! ** 2;
      }
      plain += rr;
      fitted += ww - wp ** 2 / pp;
    }
    const gain = 10 * Math.log10(plain / fitted);
    expect(gain).toBeGreaterThanOrEqual(-1e-6);
    expect(gain).toBeLessThan(0.3);
    // Cut instead of rounded, the error would be four times as large.
    expect(Math.sqrt(plain / w.reduce((sum, v) => sum + v * v, 0))).toBeLessThan(0.2 / 16 ** (terms - 1));
  }
});
