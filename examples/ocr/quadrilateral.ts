/** Rotated rectangles: what a text detector finds, and what is cut out of a page. */

export type Point = readonly [x: number, y: number];

/** A rectangle that may be turned, in pixels. `angle` is that of its reading direction, clockwise from the right, in radians. */
export interface Rotated {
  readonly x: number;
  readonly y: number;
  /** Along the reading direction, and across it. */
  readonly width: number;
  readonly height: number;
  readonly angle: number;
}

/** The corners, clockwise from the upper left one of the text. (x, y) is the centre. */
export function corners({ x, y, width, height, angle }: Rotated): [Point, Point, Point, Point] {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const at = (u: number, v: number): Point => [x + c * u - s * v, y + s * u + c * v];
  const [w, h] = [width / 2, height / 2];
  return [at(-w, -h), at(w, -h), at(w, h), at(-w, h)];
}

/** The convex hull, by Andrew's monotone chain. */
export function hull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (sorted.length < 3) return sorted;
  const chain = (list: readonly Point[]): Point[] => {
    const kept: Point[] = [];
    for (const point of list) {
      while (kept.length >= 2 && turn(kept.at(-2)!, kept.at(-1)!, point) <= 0) kept.pop();
      kept.push(point);
    }
    kept.pop();
    return kept;
  };
  return [...chain(sorted), ...chain(sorted.reverse())];
}

/**
 * The rectangle of least area around the points: one of its sides lies on a side of their convex hull. Text is wider than high, so the longer side
 * is taken for the reading direction, within 90 degrees of the right; a box half again as high as wide stays upright, a column of letters.
 */
export function leastRectangle(points: readonly Point[]): Rotated {
  const ring = hull(points);
  if (ring.length < 3) return around(ring, 0);
  let best: Rotated | undefined;
  for (const [i, a] of ring.entries()) {
    const b = ring[(i + 1) % ring.length]!;
    const box = around(ring, Math.atan2(b[1] - a[1], b[0] - a[0]));
    if (best === undefined || box.width * box.height < best.width * best.height) best = box;
  }
  return best!;
}

/** The rectangle at this angle; turned by quarters until its reading direction is the longer side and points to the right. */
function around(points: readonly Point[], angle: number): Rotated {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const along = points.map(([x, y]) => c * x + s * y);
  const across = points.map(([x, y]) => c * y - s * x);
  const [left, right] = [Math.min(...along), Math.max(...along)];
  const [top, bottom] = [Math.min(...across), Math.max(...across)];
  const [u, v] = [(left + right) / 2, (top + bottom) / 2];
  let [width, height, turned] = [right - left, bottom - top, angle];
  if (height > width) [width, height, turned] = [height, width, angle + Math.PI / 2];
  // into (−90°, 90°]
  turned -= Math.PI * Math.round(turned / Math.PI);
  return { x: c * u - s * v, y: s * u + c * v, width, height, angle: turned };
}

const turn = (a: Point, b: Point, c: Point): number => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
