// Inputs that are none of those that plans are measured on: pictures of waves and rectangles, glides of voices with pauses, words of a skewed vocabulary.
import { smallFloatBits, Tensor } from "../../../src/tensor/index.ts";
import type { Random } from "../random.ts";

export type Fill = (random: Random, dims: readonly number[]) => Tensor;

function floats(dims: readonly number[], value: (i: number) => number): Tensor<"float32"> {
  return new Tensor(
    "float32",
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => value(i)),
    dims,
  );
}

/** [N, C, H, W] in `low`…`high`. */
export function picture(low = 0, high = 1): Fill {
  return (random, dims) => {
    const [height = 1, width = 1] = dims.slice(-2);
    const waves = Array.from({ length: 4 }, () => [random.uniform(0, 14), random.uniform(0, 14), random.uniform(0, 6)]);
    const boxes = Array.from({ length: 6 }, () => [
      ...[random.uniform(0, height), random.uniform(0, width)],
      ...[random.uniform(0, height / 2), random.uniform(0, width / 2), random.uniform()],
    ]) as [number, number, number, number, number][];
    return floats(dims, (i) => {
      const [y, x, c] = [Math.floor(i / width) % height, i % width, Math.floor(i / (width * height))];
      let value = 0.5 + 0.1 * Math.sin(c);
      for (const [v, h, phase] of waves)
        value += 0.1 * Math.sin((v! * y) / height + (h! * x) / width + phase! + 0.7 * c);
      for (const [top, left, tall, wide, shade] of boxes)
        if (y >= top && y < top + tall && x >= left && x < left + wide) value = 0.9 * shade + 0.03 * c;
      return low + (high - low) * Math.min(1, Math.max(0, value + 0.03 * (random.uniform() - 0.5)));
    });
  };
}

/** A gliding voice of six harmonics that swells and pauses, with noise at −70 dB; ± `most`. */
export function speech(most = 0.5): Fill {
  return (random, dims) => {
    const [pitch, pace] = [random.uniform(90, 220), random.uniform(1.5, 3)];
    return floats(dims, (i) => {
      const seconds = i / 16000;
      const loud = Math.max(0, Math.sin(2 * Math.PI * pace * seconds)) ** 2;
      const phase = 2 * Math.PI * pitch * seconds + 9 * Math.sin(2.1 * seconds);
      let value = 0;
      for (let k = 1; k <= 6; k++) value += Math.sin(k * phase) / k;
      return most * (0.5 * loud * value + 3e-4 * random.normal());
    });
  };
}

/** Normal numbers whose scale may differ by column or row, as that of features does. */
export function features(scale: (column: number, row: number) => number = () => 1): Fill {
  return (random, dims) => {
    const length = dims.at(-1)!;
    return floats(dims, (i) => scale(i % length, Math.floor(i / length)) * random.normal());
  };
}

export function constant(value: number): Fill {
  return (_, dims) => floats(dims, () => value);
}

/** Frames of 20 log mel bands, or of a spectrum: smooth in time and band, in `low`…`high`. */
export function bands(low: number, high: number): Fill {
  return (random, dims) => {
    const phases = Array.from({ length: 5 }, () => [
      random.uniform(0, 6),
      random.uniform(0, 0.5),
      random.uniform(0, 0.3),
    ]);
    const [rows = 1, columns = 1] = dims.slice(-2);
    return floats(dims, (i) => {
      const [y, x] = [Math.floor(i / columns) % rows, i % columns];
      let value = 0.5;
      for (const [phase, v, h] of phases) value += 0.12 * Math.sin(phase! + v! * y + h! * x);
      return low + (high - low) * Math.min(1, Math.max(0, value + 0.05 * (random.uniform() - 0.5)));
    });
  };
}

export function ids(below: number, skew = 2): Fill {
  return (random, dims) => {
    const size = dims.reduce((a, b) => a * b, 1);
    return new Tensor(
      "int64",
      Array.from({ length: size }, () => Math.floor(below * random.uniform() ** skew)),
      dims,
    );
  };
}

/** 1 for the first three quarters, then 0: tokens, then padding. */
export function mask(): Fill {
  return (_, dims) => {
    const length = dims.at(-1)!;
    const size = dims.reduce((a, b) => a * b, 1);
    return new Tensor(
      "int64",
      Array.from({ length: size }, (__, i) => (i % length < 0.75 * length ? 1 : 0)),
      dims,
    );
  };
}

/** Weights of a graph in which each node has a few neighbours, rows adding up to 1. */
export function edges(): Fill {
  return (random, dims) => {
    const length = dims.at(-1)!;
    const values = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) =>
      i % length === Math.floor(i / length) % length || random.uniform() < 0.15 ? 1 : 0,
    );
    for (let at = 0; at < values.length; at += length) {
      const row = values.subarray(at, at + length);
      const sum = row.reduce((a, b) => a + b, 0);
      for (let j = 0; j < length; j++) row[j] = row[j]! / sum;
    }
    return new Tensor("float32", values, dims);
  };
}

/** As `features`, in float16. */
export function halves(): Fill {
  return (random, dims) => {
    const { data } = features()(random, dims) as Tensor<"float32">;
    return new Tensor(
      "float16",
      Uint16Array.from(data, (v) => smallFloatBits("float16", v)),
      dims,
    );
  };
}
