/**
 * Splits a clean page into its text lines by projection: a row that is all background has little contrast whatever its colour, so
 * coloured bands across the page are no obstacle. Enough for straight, single-column pages; for photographs use a detection model.
 */
import { crop, type Picture } from "./picture.ts";

export interface Line {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface SplitOptions {
  /** Brightest minus darkest that makes a row or column ink, 1…255; above the page's noise, below its palest text. */
  readonly contrast?: number;
  /** Blank rows that still belong to one line, as between a dot and its i. */
  readonly gap?: number;
  /** Lower runs are specks. */
  readonly leastHeight?: number;
  /** Background kept around a line, as a share of its height. */
  readonly margin?: number;
}

/** The lines of a page from top to bottom. */
export function findLines(page: Picture, options: SplitOptions = {}): Line[] {
  const { contrast = 56, gap = 2, leastHeight = 8, margin = 0.15 } = options;
  const light = luminance(page);
  const rows = runs(page.height, (y) => range(light, y * page.width, page.width, 1) >= contrast, gap);
  return rows
    .filter((run) => run.end - run.start >= leastHeight)
    .map((run) => {
      const height = run.end - run.start;
      // With the blank row on either side, or a column of solid ink, as of a "|", would have no contrast.
      const first = Math.max(0, run.start - 1);
      const count = Math.min(page.height, run.end + 1) - first;
      const ink = (x: number) => range(light, first * page.width + x, count, page.width) >= contrast;
      const columns = runs(page.width, ink, page.width);
      const { start, end } = columns[0] ?? { start: 0, end: page.width };
      const border = Math.max(2, Math.round(height * margin));
      const x = Math.max(0, start - border);
      const y = Math.max(0, run.start - border);
      return {
        x,
        y,
        width: Math.min(page.width, end + border) - x,
        height: Math.min(page.height, run.end + border) - y,
      };
    });
}

/** The pictures of {@link findLines}. */
export function splitLines(page: Picture, options?: SplitOptions): Picture[] {
  return findLines(page, options).map((line) => crop(page, line.x, line.y, line.width, line.height));
}

/** Rec. 601 luma in 0…255, integer arithmetic. */
function luminance(picture: Picture): Uint8Array {
  const light = new Uint8Array(picture.width * picture.height);
  for (let i = 0; i < light.length; i++) {
    const at = i * 4;
    light[i] = (picture.data[at]! * 77 + picture.data[at + 1]! * 150 + picture.data[at + 2]! * 29) >> 8;
  }
  return light;
}

function range(values: Uint8Array, offset: number, count: number, stride: number): number {
  let least = 255;
  let most = 0;
  for (let i = 0; i < count; i++) {
    const value = values[offset + i * stride]!;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return most - least;
}

/** Maximal runs of indices that hold, joined across gaps of at most `gap`. */
function runs(length: number, holds: (index: number) => boolean, gap: number): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  for (let i = 0; i < length; i++) {
    if (!holds(i)) continue;
    const last = found.at(-1);
    if (last !== undefined && i - last.end <= gap) last.end = i + 1;
    else found.push({ start: i, end: i + 1 });
  }
  return found;
}
