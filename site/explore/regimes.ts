import { lineChart } from "../chart.ts";
import { ask } from "../client.ts";
import { slider } from "../controls.ts";
import { el, figure } from "../dom.ts";
import { integer, type Link, writeLink } from "../link.ts";

const WIDTHS = [1, 512] as const;
const DEPTHS = [2, 64] as const;
const RANGES = [0, 16] as const;
const BITS = [0, 32] as const;

/** Whether bits, memory or the architecture limit a ReLU network. */
export async function regimesView(panel: HTMLElement, link: Link): Promise<void> {
  const state = {
    width: integer(link, "width", WIDTHS, 64),
    depth: integer(link, "depth", DEPTHS, 4),
    a: integer(link, "a", RANGES, 1),
    b: integer(link, "b", BITS, 3),
  };
  const shown = el("section", { "aria-live": "polite" });
  const update = async (): Promise<void> => {
    const { width, depth, a, b } = state;
    writeLink({
      view: "regimes",
      ...Object.fromEntries(Object.entries(state).map(([name, value]) => [name, String(value)])),
    });
    try {
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
      shown.replaceChildren(
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
      );
    } catch (error) {
      shown.replaceChildren(el("p", { class: "error" }, (error as Error).message));
    }
  };
  const set = (name: keyof typeof state) => (value: number) => {
    state[name] = value;
    void update();
  };
  panel.replaceChildren(
    el(
      "div",
      { class: "controls" },
      slider("Width", WIDTHS, state.width, set("width")),
      slider("Depth", DEPTHS, state.depth, set("depth")),
      slider("Weights up to 2^", RANGES, state.a, set("a")),
      slider("Bits after the point", BITS, state.b, set("b")),
    ),
    shown,
  );
  await update();
}
