import { randomIntegers } from "../../core/index.ts";
import { activationOfReal, type RealNetwork, roundOff } from "../../fixed-point/index.ts";
import { type Experiment, finding, type VegaLiteSpec } from "../experiment.ts";

const HIDDEN = 12;
const EPOCHS = 120;
const RATE = 0.05;

interface Sample {
  readonly x: readonly [number, number];
  readonly label: 0 | 1;
}

/** A ring around a disc, by rejection from a square: no transcendental function, the same points everywhere. */
function ringSamples(count: number, seed: number): Sample[] {
  const random = randomIntegers(seed);
  const samples: Sample[] = [];
  while (samples.length < count) {
    const x = [random(-2000, 2000) / 1000, random(-2000, 2000) / 1000] as const;
    const square = x[0] * x[0] + x[1] * x[1];
    if (square < 0.8) samples.push({ x, label: 0 });
    else if (square > 1.2 && square < 3.2 && random(0, 1) === 0) samples.push({ x, label: 1 });
  }
  return samples;
}

/** A two-layer network by stochastic gradient descent on squared error, in a fixed order: the same weights everywhere. */
function train(samples: readonly Sample[], activation: string, seed: number): RealNetwork {
  const random = randomIntegers(seed);
  const apply = activationOfReal(activation);
  const draw = (): number => random(-1000, 1000) / 1000;
  const w1 = Array.from({ length: 2 * HIDDEN }, draw);
  const b1 = Array.from({ length: HIDDEN }, draw);
  const w2 = Array.from({ length: 2 * HIDDEN }, () => draw() / 2);
  const b2 = [0, 0];
  const step = 1 / 1024;
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    for (const { x, label } of samples) {
      const z = b1.map((b, h) => b + w1[2 * h]! * x[0] + w1[2 * h + 1]! * x[1]);
      const a = z.map(apply);
      const delta = [0, 1].map(
        (o) => b2[o]! + a.reduce((sum, v, h) => sum + w2[o * HIDDEN + h]! * v, 0) - (o === label ? 1 : -1),
      );
      for (let h = 0; h < HIDDEN; h++) {
        const slope = (apply(z[h]! + step) - apply(z[h]! - step)) / (2 * step);
        const back = slope * (delta[0]! * w2[h]! + delta[1]! * w2[HIDDEN + h]!);
        for (const o of [0, 1]) w2[o * HIDDEN + h]! -= RATE * delta[o]! * a[h]!;
        w1[2 * h]! -= RATE * back * x[0];
        w1[2 * h + 1]! -= RATE * back * x[1];
        b1[h]! -= RATE * back;
      }
      for (const o of [0, 1]) b2[o]! -= RATE * delta[o]!;
    }
  }
  return {
    activation,
    layers: [
      { inputs: 2, outputs: HIDDEN, weights: w1, biases: b1 },
      { inputs: HIDDEN, outputs: 2, weights: w2, biases: b2 },
    ],
  };
}

/** What rounding to Q_{p,s} costs a trained network, beside what the theory says of the format. */
export const roundOffStudy: Experiment = {
  name: "fixed-point-round-off",
  summary:
    "A small trained network rounded to every format p = 2 … 8, s = 1 … 512: accuracy, dead neurons, lost weights",
  async run({ seed = 1, signal, onProgress } = {}) {
    const activations = ["relu", "tanh", "sigmoid"];
    const results = [];
    for (const [i, activation] of activations.entries()) {
      signal?.throwIfAborted();
      onProgress?.({ phase: "train", loaded: i, total: activations.length });
      const network = train(ringSamples(300, seed), activation, seed + 1);
      const test = ringSamples(400, seed + 2);
      const formats = [2, 3, 4, 5, 6, 7, 8].flatMap((p) => Array.from({ length: 10 }, (_, e) => [p, 2 ** e] as const));
      const { accuracy, points } = roundOff(
        network,
        test.map(({ x }) => x),
        { formats, labels: test.map(({ label }) => label) },
      );
      results.push({ activation, accuracy: accuracy!, points: points.map((point) => ({ ...point })) });
    }
    const values = results.flatMap(({ activation, points }) =>
      points.map(({ p, s, accuracy = 0, dead, belowThreshold }) => ({
        activation,
        p,
        s,
        accuracy,
        dead,
        threshold: belowThreshold ? "s ≤ 2M" : "s > 2M",
      })),
    );
    const beyond = values.filter((value) => value.threshold === "s > 2M");
    const best = Math.max(...beyond.map((value) => value.accuracy));
    const fine = results.map(
      ({ accuracy, points }) => accuracy - Math.max(...points.map((point) => point.accuracy ?? 0)),
    );
    return {
      findings: [
        finding(
          "Beyond s = 2M no neuron tells neighbours apart, and accuracy is gone",
          "near chance (0.5)",
          `at most ${best.toFixed(2)} in ${beyond.length} formats`,
          best < 0.7,
        ),
        finding(
          "The best format keeps the accuracy of the real network",
          "within 0.03",
          `${activations.map((activation, i) => `${activation} ${fine[i]!.toFixed(3)}`).join(", ")} lost`,
          fine.every((loss) => loss < 0.03),
        ),
      ],
      data: { seed, hidden: HIDDEN, results },
      chart: results.map(
        ({ activation, accuracy }): VegaLiteSpec => ({
          title: `${activation}, rounded to k/s with |k| < 2^p; float accuracy ${accuracy.toFixed(3)}`,
          width: 420,
          height: 180,
          data: { values: values.filter((value) => value.activation === activation) },
          layer: [
            {
              mark: { type: "rect", stroke: "white" },
              encoding: {
                color: { field: "accuracy", type: "quantitative", scale: { scheme: "viridis", domain: [0.3, 1] } },
              },
            },
            {
              transform: [{ filter: "datum.threshold == 's > 2M'" }],
              mark: { type: "text", text: "×", fontSize: 16, color: "white" },
            },
          ],
          encoding: {
            x: { field: "s", type: "ordinal", title: "scale s (× : s > 2M)", axis: { labelAngle: 0 } },
            y: { field: "p", type: "ordinal", title: "p", sort: "descending" },
          },
        }),
      ),
    };
  },
};
