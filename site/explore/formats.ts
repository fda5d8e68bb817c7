import type { Analysis, MapVerdict, UniversalityMap } from "../../src/entries/fixed-point.ts";
import { ask } from "../client.ts";
import { select, slider } from "../controls.ts";
import { el } from "../dom.ts";
import { choice, integer, type Link, writeLink } from "../link.ts";

/** What a verdict is called, and its colour: told apart by lightness too. */
const VERDICTS: Readonly<Record<MapVerdict, readonly [text: string, colour: string]>> = {
  binary: ["every function, even with weights ±1", "#0a3d62"],
  universal: ["every function", "#3d85c6"],
  scale: ["not: a bit too few for the scale", "#f6e3a1"],
  constant: ["not: the activation is constant", "#ffffff"],
  gaps: ["not: some values are never given", "#e69138"],
  inputs: ["not: some inputs are not told apart", "#990000"],
};
const MOST_P = 12;
const SCALES = [4, 10] as const;
/** Pixels of the canvas per bit of the format. */
const ROW = 18;

/** Which formats represent every function, with which activation; each with its proof. */
export async function formatsView(panel: HTMLElement, link: Link): Promise<void> {
  const names = await ask("activations");
  let activation = choice(link, "activation", ["relu", ...names]);
  let power = integer(link, "scales", SCALES, 6);
  let p = integer(link, "p", [1, MOST_P], 3);
  let s = integer(link, "s", [1, 1024], 4);
  const reasons = el("section", { "aria-live": "polite" });
  const canvas = el("canvas", {
    ...{ class: "map", height: MOST_P * ROW, tabindex: 0, role: "application" },
    "aria-label": "Formats: scale from left to right, bits from bottom to top. Arrow keys move, the verdict is below.",
    onclick: (event) => {
      const { offsetX, offsetY } = event as MouseEvent;
      pick(
        MOST_P - Math.floor((offsetY / canvas.clientHeight) * MOST_P),
        1 + Math.floor((offsetX / canvas.clientWidth) * 2 ** power),
      );
    },
    onkeydown: (event) => {
      const moves: Readonly<Record<string, readonly [number, number]>> = {
        ...{ ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] },
      };
      const move = moves[(event as KeyboardEvent).key];
      if (move === undefined) return;
      event.preventDefault();
      pick(p + move[0], s + move[1]);
    },
  });
  let map: UniversalityMap | undefined;
  const pick = (bits: number, scale: number): void => {
    p = Math.min(Math.max(bits, 1), MOST_P);
    s = Math.min(Math.max(scale, 1), 2 ** power);
    writeLink({ view: "formats", activation, scales: String(power), p: String(p), s: String(s) });
    if (map) paint(canvas, map, p, s);
    ask("analyze", activation, p, s).then(
      (analysis) => reasons.replaceChildren(...proof(analysis)),
      (error: Error) => reasons.replaceChildren(el("p", { class: "error" }, error.message)),
    );
  };
  const redraw = async (): Promise<void> => {
    map = await ask("map", activation, MOST_P, 2 ** power);
    canvas.width = 2 ** power;
    pick(p, s);
  };
  const legend = Object.values(VERDICTS).map(([text, colour]) =>
    el("span", {}, el("i", { style: `background:${colour}` }), text),
  );
  panel.replaceChildren(
    el(
      "div",
      { class: "controls" },
      select("Activation", names, activation, (value) => {
        activation = value;
        void redraw();
      }),
      slider("Scales up to 2^", SCALES, power, (value) => {
        power = value;
        void redraw();
      }),
    ),
    el(
      "p",
      {},
      "A number has p bits beside its sign and is an integer divided by the scale s. Which formats can represent ",
      el("em", {}, "every"),
      " function of such numbers? Click a format for the reason, or move with the arrow keys.",
    ),
    canvas,
    el(
      "p",
      { class: "note" },
      `Scale s = 1 … from left to right, p = 1 … ${MOST_P} bits from bottom to top. INT4 is p = 3, INT8 p = 7.`,
    ),
    el("div", { class: "legend" }, ...legend),
    reasons,
  );
  await redraw();
}

function paint(canvas: HTMLCanvasElement, { rows, maxS }: UniversalityMap, p: number, s: number): void {
  const context = canvas.getContext("2d")!;
  rows.forEach((runs, i) => {
    for (const { from, to, verdict } of runs) {
      context.fillStyle = VERDICTS[verdict][1];
      context.fillRect(from - 1, (MOST_P - 1 - i) * ROW, to - from + 1, ROW - 1);
    }
  });
  const width = Math.max(1, maxS / 128);
  context.fillStyle = "#000";
  context.fillRect(s - 0.5 - width / 2, (MOST_P - p) * ROW, width, ROW - 1);
  context.fillStyle = "#fff";
  context.fillRect(s - 0.5 - width / 4, (MOST_P - p) * ROW + 5, width / 2, ROW - 11);
}

function proof(analysis: Analysis): HTMLElement[] {
  const {
    activation,
    p,
    s,
    universal,
    binaryUniversal,
    reason,
    g,
    h,
    criterion,
    separates,
    missing,
    missingCount,
    unseparated,
    published,
  } = analysis;
  const unit = s === 1 ? "" : `/${s}`;
  const facts: (string | false | undefined)[] = [
    `g = ${g}, h = ${h}: greatest common divisors of the differences, and of the values, of the activation's table, in units of 1/${s}.`,
    `Necessary: 2(M − 1)(g − s) < s, here ${criterion.left} < ${criterion.right}, ${criterion.holds ? "holds" : "does not hold"}.`,
    separates
      ? "The first layer tells all inputs apart."
      : `The first layer does not tell ${unseparated?.join(" and ")}${unit} apart: every network agrees on them.`,
    missingCount > 0 &&
      `${missingCount} values are never given: ${(missing ?? [])
        .slice(0, 12)
        .map((value) => `${value}${unit}`)
        .join(", ")}${missingCount > 12 ? " …" : ""}.`,
    `The conditions as published: necessary one says "${published.necessary.verdict}", sufficient one "${published.sufficient.verdict}".`,
  ];
  return [
    el(
      "h2",
      {},
      `${activation}, p = ${p}, s = ${s}: ${universal ? (binaryUniversal ? "universal, weights ±1 suffice" : "universal") : "not universal"}`,
    ),
    el("p", {}, reason),
    el("ul", {}, ...facts.filter((fact): fact is string => typeof fact === "string").map((fact) => el("li", {}, fact))),
  ];
}
