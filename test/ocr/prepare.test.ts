import { describe, expect, it } from "vitest";
import { crop, type Picture } from "../../examples/ocr/picture.ts";
import { LINE_HEIGHT, prepareLine } from "../../examples/ocr/prepare.ts";
import { Random } from "../support/random.ts";

/** A picture of one colour per pixel. */
function paint(
  width: number,
  height: number,
  colour: (x: number, y: number) => readonly [number, number, number],
): Picture {
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set([...colour(x, y), 255], (y * width + x) * 4);
  }
  return { width, height, data };
}

describe("prepareLine", () => {
  it("writes the planes as B, G, R in −1…1 and pads with 0", () => {
    const { data, dims, used } = prepareLine(paint(100, 48, () => [255, 0, 51]));
    expect(dims).toEqual([1, 3, 48, 320]);
    expect(used).toBe(100);
    const plane = LINE_HEIGHT * 320;
    for (const [channel, value] of [Math.fround((0.2 - 0.5) / 0.5), -1, 1].entries()) {
      expect(data[channel * plane]).toBe(value);
      expect(data[channel * plane + 99]).toBe(value);
      expect(data[channel * plane + 100]).toBe(0);
      expect(data[channel * plane + plane - 1]).toBe(0);
    }
  });

  it("keeps the pixels of a picture that is 48 high already", () => {
    const random = new Random(7);
    const picture = paint(40, 48, () => [random.integer(0, 255), random.integer(0, 255), random.integer(0, 255)]);
    const { data } = prepareLine(picture);
    for (let y = 0; y < 48; y++) {
      for (let x = 0; x < 40; x++) {
        for (let channel = 0; channel < 3; channel++) {
          const byte = picture.data[(y * 40 + x) * 4 + 2 - channel]!;
          expect(data[(channel * 48 + y) * 320 + x]).toBe(Math.fround((byte / 255 - 0.5) / 0.5));
        }
      }
    }
  });

  it("keeps the aspect ratio and rounds the width up to a multiple of 8", () => {
    expect(prepareLine(paint(1000, 100, () => [0, 0, 0])).dims).toEqual([1, 3, 48, 480]);
    expect(prepareLine(paint(1003, 100, () => [0, 0, 0]))).toMatchObject({ used: 481, dims: [1, 3, 48, 488] });
    expect(
      prepareLine(
        paint(1, 1000, () => [0, 0, 0]),
        8,
      ),
    ).toMatchObject({ used: 1, dims: [1, 3, 48, 8] });
  });

  it("interpolates between half-pixel centres: doubling a ramp gives quarters at the ends", () => {
    const { data } = prepareLine(paint(4, 24, (x) => [x * 80, x * 80, x * 80]));
    const bytes = Array.from(data.subarray(0, 8), (v) => Math.round((v * 0.5 + 0.5) * 255));
    expect(bytes).toEqual([0, 20, 60, 100, 140, 180, 220, 240]);
  });
});

describe("crop", () => {
  const picture = paint(5, 4, (x, y) => [x, y, 0]);

  it("copies the rectangle", () => {
    const part = crop(picture, 2, 1, 3, 2);
    expect([part.width, part.height]).toEqual([3, 2]);
    expect(Array.from(part.data.subarray(0, 4))).toEqual([2, 1, 0, 255]);
    expect(Array.from(part.data.subarray(-4))).toEqual([4, 2, 0, 255]);
  });

  it.each([
    [0, 0, 0, 1],
    [-1, 0, 1, 1],
    [3, 0, 3, 1],
    [0, 3, 1, 2],
  ])("refuses (%i, %i) %i×%i", (x, y, width, height) => {
    expect(() => crop(picture, x, y, width, height)).toThrow(RangeError);
  });
});
