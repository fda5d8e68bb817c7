// A plain reference of the linear steps: sums in f64 (every one of them an integer below 2^53, so exact), each f32 operation rounded by Math.fround.
import { Activation } from "../../src/core/abi/conv.ts";
import { type Linear, outSize } from "./layer.ts";

const f = Math.fround;

/** Nearest integer, ties to even. */
export function nearestEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

export interface Quantized {
  readonly q: Float64Array;
  readonly scale: number;
  readonly zero: number;
  readonly nonFinite: boolean;
}

/** series.md, B1, activations. */
export function quantizeReference(values: Float32Array, bits: number): Quantized {
  let low = 0;
  let high = 0;
  for (const x of values) {
    if (Number.isFinite(x)) {
      low = Math.min(low, x);
      high = Math.max(high, x);
    }
  }
  const steps = 2 ** bits - 1;
  // The f32 result of an f32 difference with an unbounded exponent: f64 has room for the exponent, and halving is exact there.
  const span = f(high / 2 - low / 2);
  const ratio = Number.isFinite(f(high - low)) ? f(f(high - low) / steps) : f(2 * f(span / steps));
  const scale = ratio < 2 ** -126 ? 0 : ratio;
  const half = 2 ** (bits - 1);
  const inverse = scale === 0 ? 0 : f(1 / scale);
  const zero = scale === 0 ? 0 : nearestEven(f(-low * inverse)) - half;
  const q = Float64Array.from(values, (x) => {
    if (scale === 0) return 0;
    if (!Number.isFinite(x)) return zero;
    return Math.max(-half, Math.min(half - 1, nearestEven(f(x * inverse)) + zero));
  });
  return { q, scale, zero, nonFinite: !values.every(Number.isFinite) };
}

function activate(y: number, l: Linear): number {
  // NaN and −0 stay.
  if (l.activation === Activation.Clip) {
    const bounded = y < (l.low ?? 0) ? (l.low ?? 0) : y;
    return bounded > (l.high ?? Infinity) ? (l.high ?? Infinity) : bounded;
  }
  if (l.activation === Activation.HardSwish) {
    return f(y * f(Math.min(Math.max(f(y + 3), 0), 6) * f(1 / 6)));
  }
  return y;
}

/** What comes after the activation of output `at`. */
function ended(y: number, { factor = 1, shift = -0, addend, ...l }: Linear, at: number): number {
  const scaled = f(f(y * f(factor)) + f(shift));
  if (addend === undefined) return scaled;
  return f(Math.min(Math.max(f(scaled + addend[at]!), l.addendMin ?? -Infinity), l.addendMax ?? Infinity));
}

/** The outputs, dense; NaN where a non-finite input is seen. */
export function reference(l: Linear): Float32Array {
  const s = l.shape;
  const [outDepth, outHeight, outWidth] = outSize(s);
  const width = s.channels * s.groups;
  const total = s.groups * s.outChannels;
  const out = new Float32Array(s.batch * outDepth * outHeight * outWidth * total);
  const samples = l.perRow ? s.batch * s.inDepth * s.inHeight * s.inWidth : s.batch;
  const size = l.input.length / samples;
  const quantized: Quantized[] = [];
  for (let i = 0; i < samples && l.bits > 0; i++) {
    quantized.push(quantizeReference(l.input.subarray(i * size, (i + 1) * size), l.bits));
  }
  let at = 0;
  for (let b = 0; b < s.batch; b++) {
    for (let row = 0; row < outDepth * outHeight; row++) {
      const [oz, oy] = [Math.floor(row / outHeight), row % outHeight];
      for (let ox = 0; ox < outWidth; ox++) {
        for (let o = 0; o < total; o++) {
          const group = Math.floor(o / s.outChannels);
          let sum = l.bits > 0 ? 0 : -0;
          let bad = false;
          let w = o * s.kernelDepth * s.kernelHeight * s.kernelWidth * s.channels;
          const entry = quantized[l.perRow ? (b * outDepth * outHeight + row) * outWidth + ox : b];
          for (let k = 0; k < s.kernelDepth * s.kernelHeight; k++) {
            const [h, i] = [Math.floor(k / s.kernelHeight), k % s.kernelHeight];
            for (let j = 0; j < s.kernelWidth; j++) {
              const y = oy * s.strideHeight - s.pads[0] + i * s.dilationHeight;
              const x = ox * s.strideWidth - s.pads[1] + j * s.dilationWidth;
              const z = oz * s.strideDepth - s.depthPads[0] + h * s.dilationDepth;
              const within = z >= 0 && z < s.inDepth && y >= 0 && y < s.inHeight;
              const inside = within && x >= 0 && x < s.inWidth;
              const from = (((b * s.inDepth + z) * s.inHeight + y) * s.inWidth + x) * width + group * s.channels;
              for (let c = 0; c < s.channels; c++, w++) {
                if (entry === undefined) {
                  sum = f(sum + f((inside ? l.input[from + c]! : 0) * l.weights[w]!));
                } else if (inside) {
                  bad ||= !Number.isFinite(l.input[from + c]);
                  sum += l.weights[w]! * (entry.q[(from + c) % entry.q.length]! - entry.zero);
                }
              }
            }
          }
          const scaled = entry === undefined ? sum : f(f(sum) * f(entry.scale * l.scales[o]!));
          const biased = l.bias === undefined ? scaled : f(scaled + l.bias[o]!);
          out[at] = bad ? Number.NaN : ended(f(activate(biased, l)), l, at);
          at++;
        }
      }
    }
  }
  return out;
}
