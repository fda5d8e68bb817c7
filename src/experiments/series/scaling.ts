import { BitbasisError } from "../../core/index.ts";
import { sha256 } from "../../model/sha256.ts";
import { CUTS } from "../../parallel/index.ts";
import { quantize } from "../../quantize/index.ts";
import { InferenceSession } from "../../session/session.ts";
import { sizeOf, Tensor } from "../../tensor/index.ts";
import { type Experiment, finding } from "../experiment.ts";
import { lines } from "./charts.ts";
import { generatedNetwork } from "./network.ts";

const WORKERS = [1, 2, 3, 4, 8, 16];
/** Timed runs, of which the least counts. */
const RUNS = 2;
/** Of the generated network. */
const PICTURES = 4;

type Row = {
  readonly cut: string;
  readonly workers: number;
  /** Of the first output of the first run, SHA-256. */
  readonly digest: string;
  /** Bytes that the worker with the most weights has of them. */
  readonly weights: number;
  /** Bytes that travel in one run: activations to workers, sums from them. */
  readonly activations: number;
  readonly sums: number;
  readonly milliseconds: number;
};

function few(image: Tensor): Readonly<Record<string, Tensor>> {
  const [, ...picture] = image.dims;
  const data = (image.data as Float32Array).slice(0, PICTURES * sizeOf(picture));
  return { image: new Tensor("float32", data, [PICTURES, ...picture]) };
}

export const scaling: Experiment = {
  name: "series-scaling",
  studies: true,
  summary:
    "A network's weights spread over 1 … 16 workers, by output channels, depth or terms: the bits, what a worker holds, what travels, what it costs.",
  run: async ({ seed = 1, network: given, signal, onProgress } = {}) => {
    const network = given ?? generatedNetwork(seed);
    const { bytes } = await quantize(network.onnx, { preset: "faithful" });
    const [feeds = {}] = given === undefined ? [few(network.inputs[0]!["image"]!)] : network.inputs;
    const measure = async (session: InferenceSession) => {
      const [name = ""] = session.outputNames;
      const { data } = (await session.run(feeds, [name]))[name]!;
      const { buffer, byteOffset, byteLength } = data as unknown as Uint8Array;
      const digest = sha256(new Uint8Array(buffer, byteOffset, byteLength));
      let milliseconds = Number.POSITIVE_INFINITY;
      for (let i = 0; i < RUNS; i++) {
        signal?.throwIfAborted();
        const start = performance.now();
        await session.run(feeds, [name]);
        milliseconds = Math.min(milliseconds, performance.now() - start);
      }
      return { digest, milliseconds };
    };
    const whole = await InferenceSession.create(bytes);
    const alone = await measure(whole);
    await whole.release();
    const rows: Row[] = [];
    for (const cut of CUTS) {
      for (const workers of WORKERS) {
        const session = await InferenceSession.create(bytes, { shards: { count: workers, by: cut } });
        const measured = await measure(session);
        const cost = session.shardCost;
        await session.release();
        if (cost === undefined)
          throw new BitbasisError("UNSUPPORTED", "series-scaling needs workers, which are not to be had");
        const [activations, sums] = [cost.activations / (1 + RUNS), cost.sums / (1 + RUNS)];
        rows.push({ cut, workers, ...measured, weights: Math.max(...cost.weights), activations, sums });
        onProgress?.({ phase: "workers", loaded: rows.length, total: CUTS.length * WORKERS.length });
      }
    }
    const of = (cut: string, workers: number) => rows.find((r) => r.cut === cut && r.workers === workers)!;
    const share = (cut: string): number => of(cut, 16).weights / of(cut, 1).weights;
    const grown = (cut: string): number => of(cut, 16).sums / of(cut, 1).sums;
    const same = rows.filter(({ digest }) => digest === alone.digest).length;
    const times = CUTS.map((cut) => `${of(cut, 16).milliseconds.toFixed(1)} by ${cut}`).join(", ");
    return {
      data: { network: network.name, alone, rows },
      findings: [
        finding(
          "the bits do not depend on how sums are spread, nor on the order in which they arrive",
          `${rows.length} of ${rows.length} as without workers`,
          `${same} of ${rows.length}`,
          same === rows.length,
        ),
        finding(
          "what a worker holds falls with their number",
          "1/16 by channels or depth, somewhat more where layers do not divide",
          CUTS.map((cut) => `${share(cut).toFixed(3)} by ${cut}`).join(", "),
          share("channels") < 1 / 10 && share("depth") < 1 / 10,
        ),
        finding(
          "a cut by channels needs no reduction, others one of all outputs per worker",
          "sums that travel: 1 and 16 times those of one worker",
          `${grown("channels").toFixed(2)} and ${grown("depth").toFixed(2)} times`,
          grown("channels") < grown("depth") / 4,
        ),
        {
          claim: "spreading a network makes it faster",
          expected: "nobody's prediction: a barrier and a message per layer, and kernels that are simpler",
          found: `${alone.milliseconds.toFixed(1)} ms without workers, ${of("channels", 1).milliseconds.toFixed(1)} with one, with 16: ${times}`,
          verdict: "open",
        },
      ],
      tables: [
        {
          header: ["cut by", "workers", "digest", "bytes of weights", "activations", "sums", "ms"],
          rows: rows.map((r) => [
            ...[r.cut, r.workers, r.digest.slice(0, 12), r.weights, r.activations, r.sums, r.milliseconds.toFixed(1)],
          ]),
        },
      ],
      chart: [
        lines("Weights of the worker that has most", rows, "workers", "weights", "cut", {
          ...{ log: true, titles: { x: "workers", y: "bytes" } },
        }),
        lines("Sums that travel in a run", rows, "workers", "sums", "cut", {
          ...{ log: true, titles: { x: "workers", y: "bytes" } },
        }),
        lines("Time of a run", rows, "workers", "milliseconds", "cut", {
          ...{ log: false, titles: { x: "workers", y: "milliseconds" } },
        }),
      ],
    };
  },
};
