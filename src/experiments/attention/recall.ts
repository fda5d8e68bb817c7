import { scoresPlan } from "../../networks/attention-agreement.ts";
import { audit } from "../../networks/attention-audit.ts";
import { findAttention } from "../../networks/attention-blocks.ts";
import { writeOnnx } from "../../onnx/index.ts";
import type { SessionOptions } from "../../session/options.ts";
import { InferenceSession } from "../../session/session.ts";
import { type Experiment, type ExperimentResult, finding, type VegaLiteSpec } from "../experiment.ts";
import { recallSamples, TASKS, trainedRecall, VALUES } from "./recall-network.ts";

const BITS = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12];
const SEQUENCES = 24;

/**
 * Attention that was trained to copy, and to recall the value of a key: accuracy of sessions that quantize keys and queries to b bits, beside what the audit says from float32 runs.
 */
export const recall: Experiment = {
  name: "attention-recall",
  summary:
    "One head trained to copy 64 positions, and to recall one of 32 keys out of 128: accuracy by bits, with the threshold that the audit predicts.",
  run: async (options = {}): Promise<ExperimentResult> => {
    const { seed = 1, signal, onProgress } = options;
    const paced = signal === undefined ? {} : { signal };
    const rows: { task: string; bits: number; accuracy: number; predicted: number; lost: number }[] = [];
    const tasks = [];
    for (const [index, task] of TASKS.entries()) {
      signal?.throwIfAborted();
      onProgress?.({ phase: "train", loaded: index, total: TASKS.length });
      const graph = trainedRecall(task, seed);
      const onnx = writeOnnx(graph);
      const samples = recallSamples(task, SEQUENCES, seed + 1);
      const blocks = findAttention(graph);
      const accuracyOf = async (how: SessionOptions): Promise<number> => {
        const session = await InferenceSession.create(onnx, { ...how, ...paced });
        let right = 0;
        for (const { feeds, wanted } of samples) {
          const scores = (await session.run(feeds, paced))["scores"]!.data as Float32Array;
          wanted.forEach((value, i) => {
            const own = scores.subarray(i * VALUES, (i + 1) * VALUES);
            if (own.indexOf(own.reduce((a, b) => Math.max(a, b))) === value) right++;
          });
        }
        await session.release();
        return right / (SEQUENCES * task.length);
      };
      const float = await accuracyOf({ preset: "float32" });
      const { blocks: audited } = await audit(onnx, {
        samples: samples.map(({ feeds }) => feeds),
        bits: BITS,
        ...paced,
      });
      const head = audited[0]!.heads[0]!;
      for (const bits of BITS) {
        const { agreement, lost } = head.rows.find((row) => row.bits === bits)!;
        const accuracy = await accuracyOf({ plan: scoresPlan(bits, "scores", blocks) });
        rows.push({ task: task.name, bits, accuracy, predicted: agreement, lost });
      }
      // A value may be right by chance although the key is another.
      const kept = rows.filter((row) => row.task === task.name && row.accuracy >= float - 0.01);
      const measured = BITS.find((bits) => BITS.filter((b) => b >= bits).every((b) => kept.some((r) => r.bits === b)));
      tasks.push({
        task: task.name,
        float,
        predictedBits: head.agreementBits ?? null,
        safeBits: head.safeBits ?? null,
        measuredBits: measured ?? null,
      });
    }
    const near = tasks.map(({ predictedBits, measuredBits }) => Math.abs((predictedBits ?? 99) - (measuredBits ?? 0)));
    const short = rows.filter((row) => row.accuracy < row.predicted - 0.01).length;
    return {
      data: { seed, sequences: SEQUENCES, tasks, rows },
      findings: [
        finding(
          "One head learns both tasks",
          "99 % right",
          tasks.map(({ task, float }) => `${task} ${(100 * float).toFixed(1)} %`).join(", "),
          tasks.every(({ float }) => float >= 0.99),
        ),
        finding(
          "Accuracy is within a point of float32 from the bits on that the audit predicts",
          "the same bits, or one bit off",
          tasks
            .map(
              ({ task, predictedBits, measuredBits }) =>
                `${task}: predicted ${predictedBits}, measured ${measuredBits}`,
            )
            .join("; "),
          near.every((bits) => bits <= 1),
        ),
        finding(
          "Not fewer answers are right than queries keep their key",
          "at every width, within a point",
          `${short} of ${rows.length} rows fall short`,
          short === 0,
        ),
      ],
      tables: [
        {
          header: ["task", "bits", "accuracy", "predicted", "equal pairs of keys"],
          rows: rows.map((r) => [r.task, r.bits, r.accuracy.toFixed(4), r.predicted.toFixed(4), r.lost]),
        },
      ],
      chart: tasks.map((task) =>
        recallChart(
          task,
          rows.filter((row) => row.task === task.task),
        ),
      ),
    };
  },
};

function recallChart(
  { task, float, predictedBits }: { task: string; float: number; predictedBits: number | null },
  rows: readonly { bits: number; accuracy: number; predicted: number }[],
): VegaLiteSpec {
  const x = { field: "bits", type: "ordinal", axis: { labelAngle: 0 } };
  const kind = { field: "kind", type: "nominal", title: null, legend: { labelLimit: 300, symbolSize: 300 } };
  const shares = rows.flatMap(({ bits, accuracy, predicted }) => [
    { bits, share: accuracy, kind: "right answers, measured" },
    { bits, share: predicted, kind: "kept keys, predicted" },
  ]);
  const lines: VegaLiteSpec = {
    data: { values: shares },
    mark: { type: "line", point: true },
    encoding: {
      x,
      y: { field: "share", type: "quantitative", title: "share", axis: { format: "%" }, scale: { domain: [0, 1] } },
      color: { ...kind, legend: { ...kind.legend, symbolType: "stroke" } },
      strokeDash: kind,
    },
  };
  const mark: VegaLiteSpec = {
    data: { values: predictedBits === null ? [] : [{ bits: predictedBits, text: "predicted threshold" }] },
    encoding: { x },
    layer: [
      { mark: { type: "rule", color: "#b2182b", strokeDash: [2, 3] } },
      {
        mark: { type: "text", align: "left", dx: 5, y: 190, color: "#b2182b" },
        encoding: { text: { field: "text" } },
      },
    ],
  };
  const title = `${task}: accuracy by bits of keys and queries; float32 ${(100 * float).toFixed(1)} %`;
  return { title, width: 420, height: 200, layer: [lines, mark] };
}
