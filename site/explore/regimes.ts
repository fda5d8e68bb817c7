import { lineChart } from "../chart.ts";
import { ask } from "../client.ts";
import { el, figure } from "../dom.ts";
import type { Link } from "../link.ts";
import { slidersView } from "./sliders.ts";

const CHOICES = {
  width: { title: "Width", range: [1, 512], start: 64 },
  depth: { title: "Depth", range: [2, 64], start: 4 },
  a: { title: "Weights up to 2^", range: [0, 16], start: 1 },
  b: { title: "Bits after the point", range: [0, 32], start: 3 },
} as const;

/** Whether bits, memory or the architecture limit a ReLU network. */
export function regimesView(panel: HTMLElement, link: Link): Promise<void> {
  return slidersView(panel, link, "regimes", CHOICES, [], async ({ width, depth, a, b }) => {
    const { at, curve } = await ask("regimes", width, depth, a, b);
    // The bound of the bits soon is far below what anything reaches.
    const least = Math.min(...curve.flatMap(({ memory, vc }) => [memory, vc])) / 2 ** 8;
    const line = (name: string, value: (point: (typeof curve)[number]) => number | undefined) => ({
      name,
      points: curve.map((point) => [point.b, value(point)] as const),
    });
    const chart = lineChart(
      [
        line("bound: bits of a weight", ({ precision }) => precision),
        line("bound: memory", ({ memory }) => memory),
        line("bound: architecture", ({ vc }) => vc),
        line("a network that does it", ({ achievable }) => achievable),
      ],
      {
        x: "b, bits after the point",
        y: "sup error",
        log: 2,
        least,
        marks: [
          { x: b, name: `b = ${b}` },
          { x: at.bUnder, name: "enough bits" },
        ],
      },
    );
    const title = {
      under: "under-quantized: starved of bits",
      proper: "properly quantized: every bit counts",
      over: "over-quantized: further bits cannot help",
    };
    return [
      el("h2", {}, title[at.regime]),
      el("p", {}, at.advice),
      el(
        "figure",
        {},
        chart,
        el(
          "figcaption",
          {},
          "No network of this form approximates every 1-Lipschitz function better than the largest of the three bounds; the fourth line is a network that this package can build.",
        ),
      ),
      el(
        "p",
        { class: "note" },
        `${at.parameters} parameters, ${figure(at.memoryBits)} bits of memory. ${at.caveats.join(" ")}`,
      ),
    ];
  });
}
