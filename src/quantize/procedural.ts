import { wrongKind } from "../core/index.ts";
import type { KnownValue } from "../graph/graph.ts";
import type { Graph, ValueInfo } from "../graph/index.ts";
import {
  allocateData,
  type ElementType,
  type Shape,
  sizeOf,
  smallFloatBits,
  Tensor,
  uniformNumbers,
} from "../tensor/index.ts";
import type { InputRange } from "./options.ts";
import { CHANNELS, historiesOf, isFloat, isPicture } from "./shapes.ts";
import { tokensOf } from "./tokens.ts";

/** Inputs that a network is measured with when nobody has given any. */
export interface ProceduralInputs {
  /** Two records of feeds; three where there is sound. */
  readonly feeds: readonly ReadonlyMap<string, Tensor>[];
  /** What they are, for people: kind and range of each input. */
  readonly names: string;
}

export interface ProceduralOptions {
  readonly inputRange?: InputRange;
  /** Sizes of free dimensions; see `shapesOf`. */
  readonly shapes: ReadonlyMap<string, Shape>;
  /** Shapes of computed values, so that places along their axes are known. */
  readonly values?: ReadonlyMap<string, KnownValue>;
  readonly seed?: number;
}

/** Whether inputs of this type are made: floats of 16 bits and more, integers, booleans. */
export function canBeMade({ type, holder }: ValueInfo): boolean {
  return holder === undefined && /^(b?float16|float(32|64)|u?int(8|16|32|64)|bool)$/.test(type);
}

/** Samples from which on a signal of one or two channels counts as sound. */
const SOUND = 400;
/** Level of quiet sound, −30 dB. */
const QUIET = 1 / 32;
/** From this part of a tone on there is a pause. */
const PAUSE = 3 / 4;

type Kind = "picture" | "signal" | "ids" | "mask" | "switch";

/** What inputs of a kind are fed, for people. */
const WHAT: Readonly<Record<Kind, string>> = {
  picture: "dead leaves and 1/f noise",
  signal: "tones and 1/f noise",
  ids: "ids",
  mask: "true in the first half, in the second one",
  switch: "ones",
};

/**
 * Two records of inputs from a seed, three where there is sound, made with + − × ÷ only, so that a plan that follows from them is the same on every machine. White noise is none of them: it hides what
 * quiet bands and flat pictures show (it underrates the error of a mel spectrogram 2,400-fold). On 14 networks the larger of the errors on these two lies
 * between a third and five times that on real inputs.
 *
 * - pictures (rank 4 with an axis of 1, 3 or 4 channels, rank 3 with one of 3 at an end; floats or bytes): dead leaves, and 1/f noise; 0…1, bytes 0…255, unless a range is given;
 * - other floats: twelve decaying tones of levels down to −60 dB, and 1/f noise; ± 0.5; integers of 8 and 16 bits too, in what these hold (16-bit ones in half of it); sound, which is many samples
 *   of one or two channels, is tones of −30 dB too: where biases say more than samples, rounding errors do not average out (a trained network of dilated convolutions under `compact`: 0.48 on sounds, 0.07 on loud ones);
 * - integers that look up rows or places, or are told apart one by one (one-hot): uniform ids, and ids with frequencies ~ 1/id; other integers, and booleans, are 1;
 * - booleans along an axis behind the first are a mask, in which true may mean what is seen or what is padding: half of them are true, first or last, so that something is left to see, before the first place too where nothing behind
 *   is seen (all true, the answers of a torch encoder were not finite, and its plan that by structure).
 */
export function proceduralInputs(graph: Graph, options: ProceduralOptions, count?: number): ProceduralInputs {
  const { shapes, values, inputRange, seed = 1 } = options;
  const rows = tokensOf(graph, values);
  const histories = historiesOf(graph);
  const kinds = new Map(
    graph.inputs.map((input) => [input.name, kindOf(input, shapes.get(input.name)!, rows, histories)]),
  );
  const sound = new Set(
    graph.inputs.flatMap(({ name }) => (kinds.get(name) === "signal" && isSound(shapes.get(name)!) ? [name] : [])),
  );
  const cycle = sound.size > 0 ? 3 : 2;
  const feeds = Array.from({ length: count ?? cycle }, (_, i) => {
    const isQuiet = i % cycle === 2;
    return new Map(
      graph.inputs.map((input, j): [string, Tensor] => {
        const uniform = uniformNumbers(seed + 7919 * (i * graph.inputs.length + j));
        const kind = kinds.get(input.name)!;
        const shape = shapes.get(input.name)!;
        if (kind === "ids") return [input.name, ids(input, shape, rows.get(input.name)!, i % 2 === 1, uniform)];
        if (kind === "switch") return [input.name, filled(input, shape, () => 1)];
        if (kind === "mask") return [input.name, halves(input, shape, i % 2 === 0)];
        const samples =
          i % 2 === 1
            ? pinkNoise(shape, uniform, kind)
            : kind === "picture"
              ? deadLeaves(shape, uniform)
              : tones(shape, uniform, sound.has(input.name));
        const [low, high] = rangeOf(input, kind, inputRange);
        const level = isQuiet && sound.has(input.name) ? QUIET : 1;
        return [input.name, filled(input, shape, (n) => low + (high - low) * (0.5 + level * (samples[n]! - 0.5)))];
      }),
    );
  });
  const fed = graph.inputs.filter(({ name }) => sizeOf(shapes.get(name)!) > 0);
  const names = fed.map((input) => {
    const { name } = input;
    const kind = kinds.get(name)!;
    const what = sound.has(name) ? "tones, loud and quiet, and 1/f noise" : WHAT[kind];
    const range = kind === "picture" || kind === "signal" ? ` in ${rangeOf(input, kind, inputRange).join("…")}` : "";
    return `${name} [${shapes.get(name)!.join("x")}]: ${what}${range}`;
  });
  const empty = graph.inputs.length - fed.length;
  return { feeds, names: [...names, ...(empty > 0 ? [`${empty} without elements`] : [])].join("; ") };
}

/** Ranges of samples that are integers. */
const SAMPLES: ReadonlyMap<ElementType, readonly [number, number]> = new Map([
  ["uint8", [0, 255]],
  ["int8", [-128, 127]],
  ["uint16", [0, 65535]],
  ["int16", [-16384, 16383]],
]);

function isSound(shape: Shape): boolean {
  const length = shape.reduce((most, d) => Math.max(most, d), 0);
  return length >= SOUND && sizeOf(shape) <= 2 * length;
}

function rangeOf({ name, type }: ValueInfo, kind: Kind, given: InputRange | undefined): readonly [number, number] {
  const own = isPair(given)
    ? isFloat(type)
      ? given
      : undefined
    : given !== undefined && Object.hasOwn(given, name)
      ? given[name]
      : undefined;
  return own ?? SAMPLES.get(type) ?? (kind === "picture" ? [0, 1] : [-0.5, 0.5]);
}

function isPair(range: InputRange | undefined): range is readonly [number, number] {
  return Array.isArray(range);
}

/** @throws TypeError or RangeError unless the range is two numbers, or such by the names of inputs */
export function checkRange(range: InputRange | undefined, inputs: readonly ValueInfo[]): void {
  if (range === undefined) return;
  if (typeof range !== "object" || range === null)
    throw wrongKind("inputRange", "[least, largest], or such by the names of inputs", range);
  const pairs = isPair(range) ? [["inputRange", range] as const] : Object.entries(range);
  for (const [name, pair] of pairs) {
    const [low, high] = Array.isArray(pair) ? (pair as readonly unknown[]) : [];
    if (!Number.isFinite(low) || !Number.isFinite(high) || Number(low) >= Number(high)) {
      const whose = isPair(range) ? "" : ` for ${JSON.stringify(name)}`;
      throw new RangeError(`"inputRange" expected [least, largest]${whose}, got ${JSON.stringify(pair)}`);
    }
    if (isPair(range) || inputs.some((input) => input.name === name)) continue;
    const known = inputs.map((input) => `"${input.name}"`).join(", ");
    throw new RangeError(`"inputRange" expected names of inputs (${known}), got ${JSON.stringify(name)}`);
  }
}

function kindOf(
  { name, type }: ValueInfo,
  shape: Shape,
  rows: ReadonlyMap<string, number>,
  histories: ReadonlyMap<string, number>,
): Kind {
  if (rows.has(name)) return "ids";
  if (type === "bool" && shape.length > 1 && shape.at(-1)! > 1) return "mask";
  if (!isFloat(type) && !SAMPLES.has(type)) return "switch";
  return isPicture(type, shape) && !histories.has(name) ? "picture" : "signal";
}

/** A tensor of an input's type, element by element. */
export function filled({ type }: ValueInfo, shape: Shape, value: (n: number) => number): Tensor {
  const data = allocateData(type, sizeOf(shape));
  const element =
    type === "float16" || type === "bfloat16"
      ? (v: number) => smallFloatBits(type, v)
      : typeof data[0] === "bigint"
        ? BigInt
        : (v: number) => v;
  for (let n = 0; n < data.length; n++) (data as unknown[])[n] = element(value(n));
  return new Tensor(type, data as Float32Array, shape);
}

/** Whether a place lies in the first or the last half of its row. */
function halves(input: ValueInfo, shape: Shape, first: boolean): Tensor {
  const length = shape.at(-1)!;
  return filled(input, shape, (n) => Number(2 * (n % length) < length === first));
}

/** Ids below `rows`, with frequencies ~ 1/id when `zipf`: rows^u of a uniform u, by repeated squaring of its halves. */
function ids(input: ValueInfo, shape: Shape, rows: number, zipf: boolean, uniform: () => number): Tensor {
  const harmonic: number[] = [];
  for (let id = 1, sum = 0; zipf && id <= rows; id++) {
    sum += 1 / id;
    harmonic.push(sum);
  }
  return filled(input, shape, () => {
    if (!zipf) return Math.min(rows - 1, Math.floor(uniform() * rows));
    const u = uniform() * harmonic[rows - 1]!;
    let [low, high] = [0, rows - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (harmonic[middle]! < u) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}

/** Axes of a picture: [N, C, H, W] or [N, H, W, C], or without N. */
function axesOf(shape: Shape): { batch: number; channels: number; height: number; width: number; last: boolean } {
  const [batch, a, b, c] = (shape.length === 3 ? [1, ...shape] : shape) as [number, number, number, number];
  const last = !CHANNELS.includes(a) || (CHANNELS.includes(c) && c < a);
  return last ? { batch, channels: c, height: a, width: b, last } : { batch, channels: a, height: b, width: c, last };
}

function place(shape: Shape, planes: readonly Float64Array[]): Float64Array {
  const { batch, channels, height, width, last } = axesOf(shape);
  const out = new Float64Array(sizeOf(shape));
  const size = height * width;
  for (let n = 0; n < batch * channels; n++) {
    for (let p = 0; p < size; p++) {
      const at = last ? (Math.floor(n / channels) * size + p) * channels + (n % channels) : n * size + p;
      out[at] = planes[n]![p]!;
    }
  }
  return out;
}

/** Discs and rectangles of radii with a density ~ r^-2, painted over each other, with a little noise; 0…1. */
function deadLeaves(shape: Shape, uniform: () => number): Float64Array {
  const { batch, channels, height, width } = axesOf(shape);
  const planes: Float64Array[] = [];
  for (let b = 0; b < batch; b++) {
    const own = Array.from({ length: channels }, () => new Float64Array(height * width).fill(0.5 * uniform() + 0.25));
    const base = uniform();
    for (let leaf = 0; leaf < 60; leaf++) {
      const radius = Math.max(1, (0.04 * height) / (uniform() * (1 - 0.04 / 0.6) + 0.04 / 0.6));
      const [cy, cx] = [uniform() * height, uniform() * width];
      const stretch = uniform() < 0.5 ? 0 : 0.5 + uniform();
      const colours = own.map(() => 0.5 * base * uniform() + 0.5 * uniform());
      const [top, bottom] = [Math.max(0, Math.floor(cy - radius)), Math.min(height, Math.ceil(cy + radius))];
      const reach = radius * Math.max(1, stretch);
      const [left, right] = [Math.max(0, Math.floor(cx - reach)), Math.min(width, Math.ceil(cx + reach))];
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) {
          if (stretch === 0 && (y - cy) * (y - cy) + (x - cx) * (x - cx) > radius * radius) continue;
          for (const [c, plane] of own.entries()) plane[y * width + x] = colours[c]!;
        }
      }
    }
    for (const plane of own)
      for (let p = 0; p < plane.length; p++) plane[p] = clamp(plane[p]! + 0.04 * (uniform() - 0.5));
    planes.push(...own);
  }
  return place(shape, planes);
}

/** Noise of equal energy in every octave, 0…1: lattices of random numbers, each half as fine as the one before, interpolated and added. */
function pinkNoise(shape: Shape, uniform: () => number, kind: Kind): Float64Array {
  if (kind !== "picture") return octaves(1, sizeOf(shape), uniform);
  const { batch, channels, height, width } = axesOf(shape);
  return place(
    shape,
    Array.from({ length: batch * channels }, () => octaves(height, width, uniform)),
  );
}

function octaves(height: number, width: number, uniform: () => number): Float64Array {
  const sum = new Float64Array(height * width);
  let count = 0;
  for (let step = 1; step < 2 * Math.max(height, width) && count < 10; step *= 2, count++) {
    const [rows, columns] = [Math.ceil(height / step) + 1, Math.ceil(width / step) + 1];
    const lattice = Float64Array.from({ length: rows * columns }, () => uniform() - 0.5);
    for (let y = 0; y < height; y++) {
      const [i, v] = [Math.floor(y / step), (y % step) / step];
      for (let x = 0; x < width; x++) {
        const [j, u] = [Math.floor(x / step), (x % step) / step];
        const at = i * columns + j;
        const above = lattice[at]! * (1 - u) + lattice[at + 1]! * u;
        const below = v === 0 ? above : lattice[at + columns]! * (1 - u) + lattice[at + columns + 1]! * u;
        sum[y * width + x] = sum[y * width + x]! + above * (1 - v) + below * v;
      }
    }
  }
  const most = sum.reduce((all, v) => Math.max(all, Math.abs(v)), 1e-9);
  return sum.map((v) => 0.5 + (0.5 * v) / most);
}

/** Level of a tone relative to the next louder one of twelve that span 60 dB. */
const LEVEL = 0.5336699231206312;

/** Twelve tones from 1/320 to 1/2.5 of the sampling rate (50 Hz to 6.4 kHz at 16 kHz), each dying away and struck anew, and noise at −80 dB; 0…1. */
function tones(shape: Shape, uniform: () => number, pauses: boolean): Float64Array {
  const length = sizeOf(shape);
  const out = new Float64Array(length);
  let amplitude = 1;
  for (let k = 0, cycles = 1 / 320; k < 12; k++, cycles *= 1.5545, amplitude *= LEVEL) {
    const [cosine, sine] = rotation(6.283185307179586 * cycles);
    const decay = 1 - 1 / (2000 + 4000 * uniform());
    const period = 1 + Math.floor((0.2 + 0.3 * uniform()) * Math.min(length, 44100));
    let [re, im] = [0, 0];
    for (let n = 0; n < length; n++) {
      if (n % period === 0) [re, im] = [amplitude, 0];
      out[n] = out[n]! + im;
      [re, im] = [decay * (re * cosine - im * sine), decay * (re * sine + im * cosine)];
    }
  }
  const most = out.reduce((all, v) => Math.max(all, Math.abs(v)), 1e-9);
  const pause = pauses ? PAUSE * length : length;
  return out.map((v, n) => {
    const level = n < pause ? 1 : QUIET;
    return clamp(0.5 + level * ((0.5 * v) / most + 1e-4 * (uniform() - 0.5)));
  });
}

/** cos and sin of 0…3 by their series: the last bits of the engine's own differ from machine to machine. */
function rotation(angle: number): [number, number] {
  let [cosine, sine] = [0, 0];
  for (let n = 0, term = 1; n < 40; n++, term *= angle / n) {
    const sign = n % 4 < 2 ? 1 : -1;
    if (n % 2 === 0) cosine += sign * term;
    else sine += sign * term;
  }
  return [cosine, sine];
}

function clamp(v: number): number {
  return Math.min(1, Math.max(0, v));
}
