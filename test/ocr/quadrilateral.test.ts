import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cut, turned } from "../../examples/ocr/cut.ts";
import { boxes } from "../../examples/ocr/detector.ts";
import { readingOrder } from "../../examples/ocr/order.ts";
import type { Picture } from "../../examples/ocr/picture.ts";
import { corners, hull, leastRectangle } from "../../examples/ocr/quadrilateral.ts";

const box = (x: number, y: number, width: number, height: number) => ({
  ...{ x: x + width / 2, y: y + height / 2, width, height, angle: 0 },
});

describe("leastRectangle", () => {
  it("finds a turned rectangle again from its corners and points inside", () => {
    const sizes = fc.record({
      x: fc.double({ min: -50, max: 50, noNaN: true }),
      y: fc.double({ min: -50, max: 50, noNaN: true }),
      width: fc.double({ min: 20, max: 60, noNaN: true }),
      height: fc.double({ min: 2, max: 15, noNaN: true }),
      angle: fc.double({ min: -1.5, max: 1.5, noNaN: true }),
    });
    fc.assert(
      fc.property(sizes, (rectangle) => {
        const found = leastRectangle([...corners(rectangle), [rectangle.x, rectangle.y]]);
        for (const key of ["x", "y", "width", "height", "angle"] as const)
          expect(found[key]).toBeCloseTo(rectangle[key], 6);
      }),
    );
  });

  it("leaves out of the hull what lies inside or on its sides", () => {
    const square = hull([
      [0, 0],
      [2, 0],
      [1, 0],
      [2, 2],
      [0, 2],
      [1, 1],
    ]);
    expect(square).toHaveLength(4);
  });
});

describe("boxes", () => {
  /** A map with rectangles of one probability. */
  function map(width: number, height: number, parts: readonly (readonly [number, number, number, number, number])[]) {
    const values = new Float32Array(width * height);
    for (const [left, top, w, h, p] of parts)
      for (let y = top; y < top + h; y++) values.fill(p, y * width + left, y * width + left + w);
    return values;
  }

  it("grow by area · 1.5 / perimeter, and are one per connected region", () => {
    const found = boxes(map(60, 40, [[10, 10, 30, 6, 0.9]]), 60, 40);
    const growth = (30 * 6 * 1.5) / 72;
    expect(found).toHaveLength(1);
    expect(found[0]!.score).toBeCloseTo(0.9, 6);
    expect([found[0]!.x, found[0]!.y, found[0]!.width, found[0]!.height]).toEqual([
      25,
      13,
      30 + 2 * growth,
      6 + 2 * growth,
    ]);
  });

  it("drop what is uncertain or a speck", () => {
    expect(boxes(map(60, 40, [[10, 10, 30, 6, 0.5]]), 60, 40)).toEqual([]);
    expect(boxes(map(60, 40, [[10, 10, 30, 2, 0.9]]), 60, 40)).toEqual([]);
    expect(
      boxes(
        map(60, 40, [
          [0, 0, 30, 6, 0.9],
          [30, 20, 20, 6, 0.9],
        ]),
        60,
        40,
      ),
    ).toHaveLength(2);
  });
});

describe("cut", () => {
  const page: Picture = {
    ...{ width: 8, height: 6 },
    data: Uint8Array.from({ length: 8 * 6 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i >> 2) * 5)),
  };
  const red = ({ data }: Picture): number[] => Array.from(data).filter((_, i) => i % 4 === 0);

  it("copies an upright rectangle, and reads a quarter turn along its direction", () => {
    const upright = cut(page, { x: 3, y: 2, width: 4, height: 2, angle: 0 });
    expect(red(upright)).toEqual([1, 2, 3, 4].map((x) => (8 + x) * 5).concat([1, 2, 3, 4].map((x) => (16 + x) * 5)));
    const down = cut(page, { x: 3, y: 3, width: 4, height: 2, angle: Math.PI / 2 });
    expect(red(down)).toEqual(
      [1, 2, 3, 4].map((y) => (8 * y + 3) * 5).concat([1, 2, 3, 4].map((y) => (8 * y + 2) * 5)),
    );
  });

  it("turned twice is the same", () => {
    expect(turned(turned(page)).data).toEqual(page.data);
    expect(red(turned(page))).toEqual(red(page).reverse());
  });
});

describe("readingOrder", () => {
  it("reads a headline, then columns, then what stands under both", () => {
    const named = {
      headline: box(0, 0, 200, 20),
      left1: box(0, 40, 90, 12),
      left2: box(0, 60, 80, 12),
      right1: box(110, 42, 90, 12),
      right2: box(110, 61, 70, 12),
      footer: box(20, 120, 150, 12),
    };
    const shuffled = [named.right2, named.footer, named.left2, named.headline, named.right1, named.left1];
    expect(readingOrder(shuffled)).toEqual(Object.values(named));
  });

  it("reads rows of words from left to right, and has nothing to say of nothing", () => {
    const [a, b, c] = [box(0, 0, 30, 12), box(35, 1, 30, 12), box(0, 20, 50, 12)];
    expect(readingOrder([c!, b!, a!])).toEqual([a, b, c]);
    expect(readingOrder([])).toEqual([]);
  });
});
