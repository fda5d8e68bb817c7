import { describe, expect, it, vi } from "vitest";
import { checkDots, measureDots } from "../../src/core/relaxed.ts";
import { allowRelaxed, allowWrongRelaxed } from "../support/relaxed.ts";

const right = { wrong: () => 0, kind: () => 65534, sums32: () => 7, sums16: () => 7 };

/** Dot products that take so many milliseconds for 256 words, by a clock that they turn. */
function timed(int16: number, sums32: number, sums16: number, kind = 65534) {
  let time = 0;
  const taking = (milliseconds: number) => (words: number) => {
    time += (milliseconds * words) / 256;
    return 0;
  };
  const exports = { ...right, int16: taking(int16), sums32: taking(sums32), sums16: taking(sums16), kind: () => kind };
  return measureDots(exports, () => time);
}

describe("the probe of the relaxed dot products", () => {
  it("takes what engines make of an eighth bit, and nothing else", () => {
    for (const kind of [65534, 129540, -508]) expect(() => checkDots({ ...right, kind: () => kind }, 7)).not.toThrow();
    const faults = [{ kind: () => 131068 }, { wrong: () => 1 }, { sums32: () => 4 }, { sums16: () => 14 }];
    for (const fault of faults)
      expect(() => checkDots({ ...right, ...fault }, 7)).toThrow(/exact for 7 bits, got one that adds wrongly/);
  });

  it("finds out which are worth it", () => {
    expect(timed(1, 1.85, 1)).toEqual({ sums32: false, sums16: true });
    expect(timed(1, 0.9, 2.2, 129540)).toEqual({ sums32: true, sums16: false });
    expect(timed(1, 1.6, 1.33, 129540)).toEqual({ sums32: true, sums16: true });
    expect(timed(1, 1.61, 1.34, 129540)).toEqual({ sums32: false, sums16: false });
    // measured on a busy machine
    expect(timed(1, 0.9, 1)).toEqual({ sums32: false, sums16: true });
  });

  it("goes by the kind of the instruction where the clock stands still", () => {
    expect(timed(0, 0, 0)).toEqual({ sums32: false, sums16: true });
    expect(timed(0, 0, 0, 129540)).toEqual({ sums32: true, sums16: false });
    expect(timed(0, 0, 0, -508)).toEqual({ sums32: true, sums16: false });
  });

  it("refuses an engine without them, one that is wrong in its first compiler, and takes one that is right", async () => {
    const ask = async () => {
      vi.resetModules();
      const { relaxedDots } = await import("../../src/core/relaxed.ts");
      return relaxedDots();
    };
    const { compile } = WebAssembly;
    if (allowWrongRelaxed()) {
      // with a section of no meaning, so that the engine does not keep its code for the same bytes
      const spied = vi.spyOn(WebAssembly, "compile").mockImplementation((bytes) => {
        return compile(Uint8Array.of(...(bytes as Uint8Array), 0, 2, 1, 97));
      });
      await expect(ask()).rejects.toMatchObject({ code: "BUILD", message: expect.stringContaining("adds wrongly") });
      spied.mockRestore();
    }
    allowRelaxed();
    expect(await ask()).toEqual({ sums32: expect.any(Boolean), sums16: expect.any(Boolean) });
    const refused = vi.spyOn(WebAssembly, "compile").mockRejectedValue(new Error("no such opcode"));
    await expect(ask()).rejects.toMatchObject({
      code: "BUILD",
      message: expect.stringContaining('got one without: take "simd"'),
    });
    refused.mockRestore();
  });
});
