import { lineChart } from "../chart.ts";
import { ask } from "../client.ts";
import { el, figure } from "../dom.ts";
import type { Link } from "../link.ts";
import { slidersView } from "./sliders.ts";

const CHOICES = {
  keys: { title: "Keys", range: [10, 2000], start: 500 },
  width: { title: "Width", range: [1, 128], start: 32 },
  clusters: { title: "Clusters", range: [0, 64], start: 0 },
  seed: { title: "Seed", range: [1, 99], start: 1 },
} as const;

/** At how many bits keys become equal, and queries miss them. */
export function attentionView(panel: HTMLElement, link: Link): Promise<void> {
  const introduction = el(
    "p",
    {},
    "Attention can only find what it can tell apart. Keys are rounded to b bits: one bit decides whether two of them are still different.",
  );
  return slidersView(panel, link, "attention", CHOICES, [introduction], async ({ keys, width, clusters, seed }) => {
    const found = await ask("attention", keys, width, clusters, seed);
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
    return [
      el("h2", {}, verdict),
      el(
        "div",
        { class: "columns" },
        el(
          "figure",
          {},
          chart,
          el("figcaption", {}, "Queries are the keys themselves; a query that misses its key attends to another one."),
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
    ];
  });
}
