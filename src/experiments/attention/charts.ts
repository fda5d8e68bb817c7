import type { Sensitivity } from "../../attention/index.ts";
import type { Audit } from "../../networks/attention-audit.ts";
import type { VegaLiteSpec } from "../experiment.ts";

/** Collisions by bits, and what queries find. */
export function sensitivityCharts(title: string, { rows }: Sensitivity): VegaLiteSpec[] {
  const x = {
    field: "bits",
    type: "ordinal",
    scale: { domain: rows.map(({ bits }) => bits) },
    axis: { labelAngle: 0 },
  };
  const line = { type: "line", point: true };
  // A logarithmic axis has no place for 0.
  const some = rows.some((row) => row.lost > 0);
  const lost: VegaLiteSpec = {
    title,
    data: { values: (some ? rows.filter((row) => row.lost > 0) : rows).map(({ bits, lost }) => ({ bits, lost })) },
    mark: line,
    encoding: {
      x,
      y: {
        field: "lost",
        type: "quantitative",
        title: "pairs of keys that became equal (none where there is no point)",
        scale: { type: some ? "log" : "linear" },
        axis: { tickCount: 4 },
      },
    },
  };
  const rates = rows.flatMap((row) =>
    (["retrieval", "softmax", "certified"] as const).flatMap((rate) => {
      const fraction = row[rate];
      return fraction === undefined ? [] : [{ bits: row.bits, rate, fraction }];
    }),
  );
  if (rates.length === 0) return [lost];
  const found: VegaLiteSpec = {
    data: { values: rates },
    mark: line,
    encoding: {
      x,
      y: { field: "fraction", type: "quantitative", title: "queries that find their key", axis: { format: "%" } },
      color: { field: "rate", type: "nominal", title: null },
    },
  };
  return [lost, found];
}

/** One cell per head and bit width: agreement as colour, a mark where tokens become equal. */
export function auditCharts(title: string, audit: Audit): VegaLiteSpec[] {
  const values = audit.blocks.flatMap(({ heads }) =>
    heads.flatMap((h) =>
      h.rows.map(({ bits, agreement, lost }) => ({ head: `${h.layer}.${h.head}`, bits, agreement, lost })),
    ),
  );
  const x = {
    field: "bits",
    type: "ordinal",
    title: `bits (${audit.preset} has ${audit.presetBits})`,
    axis: { labelAngle: 0 },
  };
  const y = { field: "head", type: "ordinal", title: "layer.head", sort: null };
  return [
    {
      title: { text: title, subtitle: audit.summary },
      data: { values },
      layer: [
        {
          mark: "rect",
          encoding: {
            x,
            y,
            color: {
              field: "agreement",
              type: "quantitative",
              title: "queries that prefer the same key",
              scale: { domain: [0, 1] },
            },
          },
        },
        {
          transform: [{ filter: "datum.lost > 0" }],
          mark: { type: "point", color: "red", filled: true },
          encoding: { x, y },
        },
      ],
    },
  ];
}
