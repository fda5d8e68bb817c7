import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { findLines, splitLines } from "../../examples/ocr/lines.ts";
import { type Picture, readPicture } from "../../examples/ocr/picture.ts";

const PAGE = new URL("../../examples/ocr/page.png", import.meta.url);

/** A grey page with darker or lighter rectangles on it. */
function page(
  width: number,
  height: number,
  paper: number,
  boxes: readonly (readonly [x: number, y: number, width: number, height: number, ink: number])[],
): Picture {
  const data = new Uint8Array(width * height * 4).fill(255);
  const set = (x: number, y: number, value: number) => data.fill(value, (y * width + x) * 4, (y * width + x) * 4 + 3);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) set(x, y, paper);
  for (const [left, top, w, h, ink] of boxes) {
    for (let y = top; y < top + h; y++) for (let x = left; x < left + w; x++) set(x, y, ink);
  }
  return { width, height, data };
}

describe("findLines", () => {
  it("finds one line per line of the committed page's text, in order and apart", async () => {
    const picture = await readPicture(await readFile(PAGE));
    const expected = (await readFile(new URL("page.txt", new URL("./", PAGE)), "utf8")).trimEnd().split("\n");
    const lines = findLines(picture);
    expect(expected.length).toBeGreaterThanOrEqual(12);
    expect(lines).toHaveLength(expected.length);
    for (const [i, line] of lines.entries()) {
      expect(line.y).toBeGreaterThanOrEqual(0);
      if (i > 0) expect(line.y).toBeGreaterThan(lines[i - 1]!.y + lines[i - 1]!.height / 2);
      expect(line.width).toBeGreaterThan(line.height);
    }
  });

  it("joins a dot to its letter but not two lines, and surrounds each with background", () => {
    const found = findLines(
      page(100, 80, 250, [
        [20, 10, 4, 3, 0], // a dot, two rows above its stem
        [20, 15, 4, 16, 0],
        [50, 50, 30, 20, 0],
      ]),
    );
    expect(found).toEqual([
      { x: 17, y: 7, width: 10, height: 27 },
      { x: 47, y: 47, width: 36, height: 26 },
    ]);
  });

  it("reads light on dark as dark on light, and takes no notice of a full-width band", () => {
    expect(findLines(page(60, 60, 10, [[10, 20, 20, 20, 240]]))).toHaveLength(1);
    expect(findLines(page(60, 60, 250, [[0, 20, 60, 20, 10]]))).toEqual([]);
  });

  it("drops specks and stays inside the page", () => {
    expect(findLines(page(60, 60, 250, [[10, 20, 5, 5, 0]]))).toEqual([]);
    expect(findLines(page(60, 30, 250, [[0, 0, 59, 30, 0]]))).toEqual([{ x: 0, y: 0, width: 60, height: 30 }]);
  });

  it("cuts the pictures that it names", () => {
    const whole = page(100, 40, 250, [[20, 10, 30, 20, 0]]);
    const [line] = findLines(whole);
    const [picture] = splitLines(whole);
    expect([picture!.width, picture!.height]).toEqual([line!.width, line!.height]);
  });
});
