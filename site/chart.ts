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

const HEIGHT = 330;
const EDGE = { left: 74, right: 14, top: 14, bottom: 44 };
/** So wide that a letter has about its own size: a wide drawing on a narrow screen cannot be read. */
const WIDE = 640;
const NARROW = 380;

/** Lines over whole numbers: a drawing of text and paths, with the names of the lines below it. */
export function lineChart(series: readonly Series[], { x, y, log, least = 0, marks = [] }: ChartOptions): HTMLElement {
  const width = matchMedia("(max-width: 30rem)").matches ? NARROW : WIDE;
  const level = (value: number): number => (log === undefined ? value : Math.log(value) / Math.log(log));
  const shown = series.map(({ points }) =>
    points.flatMap(([at, value]) =>
      value === undefined || value < least || (log && value <= 0) ? [] : [[at, level(value)] as const],
    ),
  );
  const all = shown.flat();
  const [left, right] = extent([...all.map(([at]) => at), ...marks.map((mark) => mark.x)]);
  const [low, high] = extent(all.map(([, value]) => value));
  const px = (at: number): number => EDGE.left + ((at - left) / (right - left)) * (width - EDGE.left - EDGE.right);
  const py = (value: number): number =>
    HEIGHT - EDGE.bottom - ((value - low) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const root = svg("svg", {
    ...{ class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `${y} over ${x}` },
  });
  // Between two powers there are round numbers; powers between powers are none.
  const close = log !== undefined && high - low < 2;
  const levels = close ? ticks(log ** low, log ** high, 6).map(level) : ticks(low, high, 6, log === undefined ? 0 : 1);
  for (const tick of levels) {
    const whole = Number.isInteger(tick);
    const label = log === 2 && whole ? `2^${tick}` : figure(log === undefined ? tick : log ** tick);
    root.append(
      svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: py(tick), y2: py(tick) }),
      svg("text", { x: EDGE.left - 6, y: py(tick) + 4, "text-anchor": "end" }, label),
    );
  }
  const bottom = HEIGHT - EDGE.bottom;
  for (const tick of ticks(left, right, 9, 1))
    root.append(svg("text", { x: px(tick), y: bottom + 18, "text-anchor": "middle" }, String(tick)));
  root.append(
    svg("line", { class: "axis", x1: EDGE.left, x2: width - EDGE.right, y1: bottom, y2: bottom }),
    svg("text", { x: (width + EDGE.left) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, x),
    svg("text", { x: -(EDGE.top + bottom) / 2, y: 14, "text-anchor": "middle", transform: "rotate(-90)" }, y),
  );
  for (const { x: at } of marks)
    root.append(svg("line", { class: "axis", x1: px(at), x2: px(at), y1: EDGE.top, y2: bottom }));
  shown.forEach((points, i) => {
    const path = points.map(([at, value], j) => `${j === 0 ? "M" : "L"}${px(at).toFixed(1)} ${py(value).toFixed(1)}`);
    root.append(svg("path", { class: `s${i % 4}`, d: path.join(""), "stroke-width": 2 }));
  });
  // Over the lines, which names would be crossed by.
  marks.forEach(({ x: at, name }, i) => {
    const [dx, anchor] = px(at) > width * 0.75 ? [-4, "end"] : [4, "start"];
    root.append(svg("text", { class: "mark", x: px(at) + dx, y: bottom - 8 - 15 * i, "text-anchor": anchor }, name));
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

/** Round numbers inside of a range, at most some of them and at least so far apart. */
function ticks(low: number, high: number, most: number, apart = 0): number[] {
  const raw = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const round = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw)!;
  const step = Math.max(round, apart);
  const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}
