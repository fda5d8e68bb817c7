import { lineChart } from "../chart.ts";
import { ask } from "../client.ts";
import { slider } from "../controls.ts";
import { el, figure } from "../dom.ts";
import { integer, type Link, writeLink } from "../link.ts";

const KEYS = [10, 2000] as const;
const WIDTHS = [1, 128] as const;
const CLUSTERS = [0, 64] as const;
const SEEDS = [1, 99] as const;

/** At how many bits keys become equal, and queries miss them. */
export async function attentionView(panel: HTMLElement, link: Link): Promise<void> {
  const state = {
    keys: integer(link, "keys", KEYS, 500),
    width: integer(link, "width", WIDTHS, 32),
    clusters: integer(link, "clusters", CLUSTERS, 0),
    seed: integer(link, "seed", SEEDS, 1),
  };
  const shown = el("section", { "aria-live": "polite" });
  const update = async (): Promise<void> => {
    writeLink({
      view: "attention",
      ...Object.fromEntries(Object.entries(state).map(([name, value]) => [name, String(value)])),
    });
    try {
      const found = await ask("attention", state.keys, state.width, state.clusters, state.seed);
      const line = (name: string, value: (row: (typeof found.rows)[number]) => number | undefined) => ({
        name,
        points: found.rows.map((row) => [row.bits, value(row)] as const),
      });
      const chart = lineChart(
        [
          line("finds its key", ({ retrieval }) => retrieval),
          line("proved to find it", ({ certified }) => certified),
          line("more than half of the softmax", ({ softmax }) => softmax),
        ],
        {
          x: "bits of a key",
          y: "share of queries",
          marks: found.safeBits === undefined ? [] : [{ x: found.safeBits, name: "no pair lost" }],
        },
      );
      const head = ["Bits", "Pairs lost", "Different keys", "Find their key", "Proved"].map((text) =>
        el("th", { scope: "col" }, text),
      );
      const rows = found.rows.map(({ bits, lost, distinct, retrieval, certified }) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, String(bits)),
          ...[lost, distinct, retrieval ?? 0, certified ?? 0].map((value) => el("td", {}, figure(value))),
        ),
      );
      const verdict =
        found.safeBits === undefined
          ? "Even at 12 bits some different keys become equal."
          : `From ${found.safeBits} bits on no two different keys become equal${found.provedBits === undefined ? "" : `; proved from ${found.provedBits} bits on`}.`;
      shown.replaceChildren(
        el("h2", {}, verdict),
        el(
          "div",
          { class: "columns" },
          el(
            "figure",
            {},
            chart,
            el(
              "figcaption",
              {},
              "Queries are the keys themselves; a query that misses its key attends to another one.",
            ),
          ),
          el(
            "div",
            { class: "scroll" },
            el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)),
          ),
        ),
        el(
          "p",
          { class: "note" },
          `Without any quantization ${figure(100 * (found.unquantized ?? 0))} % of the queries find their key. Normal random keys: generated, hence optimistic by 2 to 3 bits against those of trained networks ("bitbasis attention audit" reads yours).`,
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
      slider("Keys", KEYS, state.keys, set("keys")),
      slider("Width", WIDTHS, state.width, set("width")),
      slider("Clusters", CLUSTERS, state.clusters, set("clusters")),
      slider("Seed", SEEDS, state.seed, set("seed")),
    ),
    el(
      "p",
      {},
      "Attention can only find what it can tell apart. Keys are rounded to b bits: one bit decides whether two of them are still different.",
    ),
    shown,
  );
  await update();
}
