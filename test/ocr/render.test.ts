import { describe, expect, it } from "vitest";
import { renderLines } from "./render.ts";

const lines = [...renderLines(1, 40)];

describe("rendered test lines", () => {
  it("are the same again from the same seed, whatever their number, and others from another", () => {
    const again = [...renderLines(1, 5)];
    for (const [i, line] of again.entries()) {
      expect(line.text).toBe(lines[i]!.text);
      expect(Buffer.from(line.picture.data).equals(Buffer.from(lines[i]!.picture.data))).toBe(true);
    }
    expect([...renderLines(2, 5)].map((line) => line.text)).not.toEqual(again.map((line) => line.text));
  });

  it("vary in text, font and size, and keep to printable ASCII", () => {
    expect(new Set(lines.map((line) => line.text)).size).toBe(lines.length);
    expect(new Set(lines.map((line) => line.font)).size).toBeGreaterThan(8);
    expect(new Set(lines.map((line) => line.size)).size).toBeGreaterThan(10);
    for (const { text } of lines) expect(text).toMatch(/^[!-~]+( [!-~]+)*$/);
  });

  it("show their text: ink inside, paper around", () => {
    for (const { picture, text } of lines) {
      const light = (x: number, y: number): number => picture.data[(y * picture.width + x) * 4 + 1]!;
      let least = 255;
      let most = 0;
      for (let y = 0; y < picture.height; y++) {
        for (let x = 0; x < picture.width; x++) {
          least = Math.min(least, light(x, y));
          most = Math.max(most, light(x, y));
        }
      }
      expect(most - least, text).toBeGreaterThan(90);
      const border = Array.from({ length: picture.width }, (_, x) => light(x, 0));
      expect(Math.max(...border) - Math.min(...border), text).toBeLessThanOrEqual(28); // noise of at most ±14
    }
  });
});
