import { describe, expect, test } from "vitest";
import { achievable, achievableAt } from "../../src/regimes/achievable.ts";
import { bitExtractionNetwork } from "../../src/regimes/construct/bit-extraction.ts";
import { networkSize } from "../../src/regimes/network.ts";
import { regime, regimeCurve } from "../../src/regimes/regime.ts";
import { FUNCTIONS, lipschitzPath } from "./helpers.ts";

describe("regime", () => {
  test("the thresholds of the note, both ends", () => {
    expect(regime({ width: 64, depth: 4, a: 1, b: 3 })).toMatchObject({ regime: "under", bUnder: 4, bOver: 63 });
    expect(regime({ width: 64, depth: 4, a: 1, b: 4 }).regime).toBe("proper");
    expect(regime({ width: 64, depth: 4, a: 1, b: 62 }).regime).toBe("proper");
    expect(regime({ width: 64, depth: 4, a: 1, b: 63 }).regime).toBe("over");
    expect(regime({ width: 9, depth: 300, a: 1, b: 1 })).toMatchObject({ bUnder: 1, bConstructive: 255, bOver: 7749 });
  });
  test("without fractional bits no network beats an error of 1/2", () => {
    const { bounds, advice } = regime({ width: 1000, depth: 50, a: 3, b: 0 });
    expect(bounds.precision).toBe(0.5);
    expect(advice).toMatch(/^Starved of bits/);
  });
  test("each advice is one sentence with the number to move to", () => {
    expect(regime({ width: 64, depth: 4, a: 1, b: 2 }).advice).toContain("raise b from 2 to at least 4");
    expect(regime({ width: 9, depth: 300, a: 1, b: 20 }).advice).toMatch(/^About right/);
    expect(regime({ width: 9, depth: 300, a: 1, b: 400 }).advice).toContain("b = 255");
    expect(regime({ width: 9, depth: 300, a: 1, b: 8000 }).advice).toContain("from b = 7749 on");
  });
  test("a network's own widths are counted, not the widest", () => {
    const own = regime({ widths: [784, 16, 300, 10], a: 0, b: 7 });
    expect(own.parameters).toBe(785 * 16 + 17 * 300 + 301 * 10);
    expect(own.memoryBits).toBeCloseTo(own.parameters * Math.log2(257), 6);
  });
  test("bad sizes are refused", () => {
    expect(() => regime({ width: 0, depth: 2, a: 1, b: 1 })).toThrow('"width" expected a positive integer, got 0');
    expect(() => regime({ widths: [3], a: 1, b: 1 })).toThrow('"widths" expected');
    expect(() => regime({ widths: [3, -1, 2], a: 1, b: 1 })).toThrow('"widths[1]"');
    expect(() => regime({ width: 4, depth: 2, a: 1, b: 1.5 })).toThrow('"b" expected an integer');
  });
});

describe("what is achievable", () => {
  test("never contradicts the lower bounds", () => {
    for (const width of [2, 4, 9, 16, 40, 64, 256, 1024])
      for (const depth of [2, 3, 5, 8, 13, 24, 40, 100, 300]) {
        const all = achievable(width, depth);
        const widths = [1, ...new Array<number>(depth - 1).fill(width), 1];
        for (const point of regimeCurve(widths, 12, [0, 1, 2, 5, 9, 17, 40, 200])) {
          const found = achievableAt(all, point.b);
          if (found !== undefined)
            expect(found.error).toBeGreaterThanOrEqual(Math.max(point.memory, point.vc, point.precision));
        }
      }
  });
  test("is what the networks really need", () => {
    const size = networkSize(bitExtractionNetwork(lipschitzPath(FUNCTIONS["wave"]!, 8), 4));
    const found = achievable(size.width, size.depth).filter((one) => one.style === "bit-extraction" && one.b <= size.b);
    expect(found.at(-1)!.cells).toBeGreaterThanOrEqual(8);
  });
  test("the curve falls with b", () => {
    const curve = regimeCurve([1, 64, 64, 64, 1], 1, [0, 1, 2, 3, 4, 8, 16, 64, 128]);
    expect(curve.map((point) => point.regime)).toEqual([
      "under",
      "under",
      "under",
      "under",
      "proper",
      "proper",
      "proper",
      "over",
      "over",
    ]);
    for (let k = 1; k < curve.length; k++)
      expect(curve[k]!.achievable ?? 1).toBeLessThanOrEqual(curve[k - 1]!.achievable ?? 1);
  });
});
