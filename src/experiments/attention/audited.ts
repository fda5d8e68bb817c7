import { measureAgreement } from "../../networks/attention-agreement.ts";
import { audit } from "../../networks/attention-audit.ts";
import { writeOnnx } from "../../onnx/index.ts";
import { type Experiment, type ExperimentResult, finding } from "../experiment.ts";
import { seededTransformer, sentences } from "./networks.ts";

const BITS = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12];
const SENTENCES = 8;

const percent = (share: number): string => `${(100 * share).toFixed(1)} points`;

/**
 * Does the audit predict what quantization does to attention? The fraction of queries that keep their key: predicted from float32 keys and queries,
 * proved, and measured in sessions that quantize the scores only, or the whole network.
 */
export const audited: Experiment = {
  name: "attention-audit",
  summary:
    "The audit's prediction against the argmax agreement measured in the quantized network, a seeded transformer of two layers of four heads.",
  run: async (options = {}): Promise<ExperimentResult> => {
    const { seed = 1, signal, onProgress } = options;
    signal?.throwIfAborted();
    const onnx = writeOnnx(seededTransformer(seed));
    const samples = sentences(SENTENCES, seed + 1);
    const { blocks } = await audit(onnx, {
      samples,
      bits: BITS,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    });
    const rows: { layer: number; bits: number; kind: string; agreement: number }[] = [];
    for (const { layer, heads } of blocks) {
      const queries = heads.reduce((sum, h) => sum + h.queries, 0);
      for (const bits of BITS) {
        const of = (key: "agreement" | "certified") =>
          heads.reduce((sum, h) => sum + h.queries * h.rows.find((r) => r.bits === bits)![key], 0) / queries;
        rows.push({ layer, bits, kind: "predicted", agreement: of("agreement") });
        rows.push({ layer, bits, kind: "proved", agreement: of("certified") });
      }
    }
    for (const [index, scope] of (["scores", "network"] as const).entries()) {
      onProgress?.({ phase: "measure", loaded: index, total: 2 });
      const measured = await measureAgreement(onnx, { samples, bits: BITS, scope, ...(signal && { signal }) });
      const kind = scope === "scores" ? "measured, scores quantized" : "measured, network quantized";
      for (const { layer, bits, agreement } of measured) rows.push({ layer, bits, kind, agreement });
    }
    const gap = (kind: string) =>
      Math.max(
        ...rows
          .filter((row) => row.kind === kind && row.bits >= 6)
          .map((row) => Math.abs(row.agreement - of(row, "predicted"))),
      );
    const of = ({ layer, bits }: { layer: number; bits: number }, kind: string) =>
      rows.find((row) => row.layer === layer && row.bits === bits && row.kind === kind)!.agreement;
    const overProved = rows.filter((row) => row.kind === "proved" && row.agreement > of(row, "predicted")).length;
    const scores = gap("measured, scores quantized");
    const network = gap("measured, network quantized");
    return {
      data: { seed, sentences: SENTENCES, rows },
      findings: [
        finding(
          "The audit predicts the agreement of a session that quantizes the scores, from 6 bits on",
          "within 3 points",
          `largest difference ${percent(scores)}`,
          scores < 0.03,
        ),
        finding("What is proved never exceeds what is predicted", "0 rows", `${overProved} rows`, overProved === 0),
        {
          claim: "Errors of quantized layers before the attention come on top, from 6 bits on",
          expected: "not predicted by the audit",
          found: `largest difference ${percent(network)}`,
          verdict: "open",
        },
      ],
      chart: [
        {
          title: "Queries that prefer the same key as in float32",
          data: { values: rows },
          facet: { column: { field: "layer", type: "ordinal" } },
          spec: {
            mark: { type: "line", point: true },
            encoding: {
              x: { field: "bits", type: "ordinal", axis: { labelAngle: 0 } },
              y: { field: "agreement", type: "quantitative", axis: { format: "%" }, title: "queries" },
              color: { field: "kind", type: "nominal", title: null, legend: { labelLimit: 300, symbolType: "stroke" } },
              strokeDash: { field: "kind", type: "nominal", title: null, legend: { symbolSize: 300 } },
            },
          },
        },
      ],
    };
  },
};
