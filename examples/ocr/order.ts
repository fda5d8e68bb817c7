/**
 * Reading order by recursive cuts ("XY cut"): a page falls apart at its widest empty band, across it into blocks above one another or along it
 * into columns side by side, and each part again. What no band divides is read by its tops.
 */
import { corners, type Rotated } from "./quadrilateral.ts";

interface Extent<T> {
  readonly item: T;
  /** From and to along x and along y. */
  readonly spans: readonly [readonly [number, number], readonly [number, number]];
}

/** A gap between columns is at least this share of a line's height; words of one line that were found apart are nearer. */
const COLUMN_GAP = 1;

/** The boxes in the order in which people read them. */
export function readingOrder<T extends Rotated>(boxes: readonly T[]): T[] {
  const heights = boxes.map(({ height }) => height).sort((a, b) => a - b);
  const line = heights[Math.floor(heights.length / 2)] ?? 0;
  return ordered(boxes.map(extentOf), line).map(({ item }) => item);
}

function extentOf<T extends Rotated>(item: T): Extent<T> {
  const points = corners(item);
  // The detector's boxes overlap a little above and below: their middles tell the rows apart.
  const inset = Math.min(item.height, item.width) / 4;
  const span = (axis: 0 | 1, by: number): [number, number] => {
    const all = points.map((p) => p[axis]);
    return [Math.min(...all) + by, Math.max(...all) - by];
  };
  return { item, spans: [span(0, 0), span(1, inset)] };
}

function ordered<T extends Rotated>(extents: readonly Extent<T>[], line: number): readonly Extent<T>[] {
  if (extents.length < 2) return extents;
  const [columns, rows] = [widestGap(extents, 0), widestGap(extents, 1)];
  // A wide gap between columns outranks the leading between their lines, but nothing that stands across both.
  const axis = columns.width >= COLUMN_GAP * line && columns.width >= rows.width ? 0 : rows.width > 0 ? 1 : 0;
  const gap = axis === 0 ? columns : rows;
  if (gap.width <= 0) return [...extents].sort((a, b) => a.spans[1][0] - b.spans[1][0]);
  const before = extents.filter(({ spans }) => spans[axis][0] < gap.at);
  const after = extents.filter(({ spans }) => spans[axis][0] >= gap.at);
  return [...ordered(before, line), ...ordered(after, line)];
}

/** The widest empty band between two extents; of equal ones the first. */
function widestGap(extents: readonly Extent<unknown>[], axis: 0 | 1): { width: number; at: number } {
  const spans = extents.map(({ spans: both }) => both[axis]).sort((a, b) => a[0] - b[0]);
  let [end, width, at] = [spans[0]![1], 0, 0];
  for (const [from, to] of spans.slice(1)) {
    if (from - end > width) [width, at] = [from - end, from];
    end = Math.max(end, to);
  }
  return { width, at };
}
