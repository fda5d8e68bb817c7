import { measureAgreement } from "../../networks/attention-agreement.ts";
import { audit } from "../../networks/attention-audit.ts";
import { writeOnnx } from "../../onnx/index.ts";
import type { Experiment, ExperimentResult } from "../experiment.ts";
import { seededTransformer, sentences } from "./networks.ts";

const BITS = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12];
const SENTENCES = 8;

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
    return {
      data: { seed, sentences: SENTENCES, rows },
      chart: [
        {
          title: "Queries that prefer the same key as in float32",
          data: { values: rows },
          facet: { column: { field: "layer", type: "ordinal" } },
          spec: {
            mark: { type: "line", point: true },
            encoding: {
              x: { field: "bits", type: "ordinal" },
              y: { field: "agreement", type: "quantitative", axis: { format: "%" }, title: null },
              color: { field: "kind", type: "nominal", title: null, legend: { labelLimit: 300 } },
            },
          },
        },
      ],
    };
  },
};
