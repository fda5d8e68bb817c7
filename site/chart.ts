import { el, figure, svg } from "./dom.ts";

/** One line of a chart; points without a value are left out. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number | undefined])[];
}

interface ChartOptions {
  readonly x: string;
  readonly y: string;
  /** Base of a logarithmic y axis. */
  readonly log?: 2 | 10;
  /** Nothing below it is drawn. */
  readonly least?: number;
  /** Vertical lines with their names. */
  readonly marks?: readonly { readonly x: number; readonly name: string }[];
}

const WIDTH = 640;
const HEIGHT = 330;
const EDGE = { left: 62, right: 14, top: 14, bottom: 44 };

/** Lines over whole numbers: a drawing of text and paths, with the names of the lines below it. */
export function lineChart(series: readonly Series[], { x, y, log, least = 0, marks = [] }: ChartOptions): HTMLElement {
  const level = (value: number): number => (log === undefined ? value : Math.log(value) / Math.log(log));
  const shown = series.map(({ points }) =>
    points.flatMap(([at, value]) =>
      value === undefined || value < least || (log && value <= 0) ? [] : [[at, level(value)] as const],
    ),
  );
  const all = shown.flat();
  const [left, right] = extent([...all.map(([at]) => at), ...marks.map((mark) => mark.x)]);
  const [low, high] = extent(all.map(([, value]) => value));
  const px = (at: number): number => EDGE.left + ((at - left) / (right - left)) * (WIDTH - EDGE.left - EDGE.right);
  const py = (value: number): number =>
    HEIGHT - EDGE.bottom - ((value - low) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const root = svg("svg", {
    ...{ class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${y} over ${x}` },
  });
  for (const tick of ticks(low, high, 6)) {
    const whole = Number.isInteger(tick);
    const label = log === 2 && whole ? `2^${tick}` : figure(log === undefined ? tick : log ** tick);
    root.append(
      svg("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: py(tick), y2: py(tick) }),
      svg("text", { x: EDGE.left - 6, y: py(tick) + 4, "text-anchor": "end" }, label),
    );
  }
  const bottom = HEIGHT - EDGE.bottom;
  for (const tick of ticks(left, right, 9).filter(Number.isInteger))
    root.append(svg("text", { x: px(tick), y: bottom + 18, "text-anchor": "middle" }, String(tick)));
  root.append(
    svg("line", { class: "axis", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: bottom, y2: bottom }),
    svg("text", { x: (WIDTH + EDGE.left) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, x),
    svg("text", { x: -(EDGE.top + bottom) / 2, y: 14, "text-anchor": "middle", transform: "rotate(-90)" }, y),
  );
  marks.forEach(({ x: at, name }, i) => {
    const right = px(at) > WIDTH * 0.75;
    root.append(
      svg("line", { class: "axis", x1: px(at), x2: px(at), y1: EDGE.top, y2: bottom }),
      svg(
        "text",
        { x: px(at) + (right ? -4 : 4), y: bottom - 8 - 15 * i, "text-anchor": right ? "end" : "start" },
        name,
      ),
    );
  });
  shown.forEach((points, i) => {
    const path = points.map(([at, value], j) => `${j === 0 ? "M" : "L"}${px(at).toFixed(1)} ${py(value).toFixed(1)}`);
    root.append(svg("path", { class: `s${i % 4}`, d: path.join(""), "stroke-width": 2 }));
  });
  const names = series.map(({ name }, i) =>
    el(
      "span",
      {},
      svg(
        "svg",
        { class: "key", viewBox: "0 0 28 8", "aria-hidden": "true" },
        svg("line", { class: `s${i % 4}`, x1: 0, x2: 28, y1: 4, y2: 4, "stroke-width": 2 }),
      ),
      ` ${name}`,
    ),
  );
  return el("div", {}, root, el("div", { class: "legend" }, ...names));
}

/** Least and largest value, apart from each other. */
function extent(values: readonly number[]): [number, number] {
  const least = Math.min(...values);
  const most = Math.max(...values);
  if (!Number.isFinite(least)) return [0, 1];
  return most > least ? [least, most] : [least - 1, most + 1];
}

/** Round numbers inside of a range, at most some of them. */
function ticks(low: number, high: number, most: number): number[] {
  const raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw)!;
  const found: number[] = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9; tick += step)
    found.push(Math.abs(tick) < step / 2 ? 0 : tick);
  return found;
}
