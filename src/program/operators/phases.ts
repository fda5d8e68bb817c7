/** Output elements o = first + i·step, i < outputs, of one axis of a transposed convolution, which are a convolution of stride 1. */
export interface Phase {
  readonly first: number;
  readonly step: number;
  readonly outputs: number;
  /** Taps tap + j·tapStep of the kernel, j < taps. */
  readonly tap: number;
  readonly tapStep: number;
  readonly taps: number;
  readonly dilation: number;
  /** Negative: crops. */
  readonly pad: number;
}

export interface TransposedAxis {
  /** At least 1. */
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
}

/** Whether the input has to be reversed along an axis, so that the taps of a phase come in the order of the kernel: those with one tap have no order. */
export function isReversed({ kernel, stride, dilation }: TransposedAxis): boolean {
  return kernel > stride / divisor(stride, dilation);
}

/**
 * The phases that have a tap, by their first one.
 *
 * out[o] = Σ_k X[(o + p − k·d)/s]·w[k] over the k that divide: o + p modulo s decides which. With X and the output reversed, the input
 * of o = r + s·i is i + (r + k·d − P)/s, P = O + p − (I − 1)·s − 1: a convolution with every (s/g)-th tap, dilated by d/g, g = gcd(s, d).
 */
export function phasesOf(axis: TransposedAxis): Phase[] {
  const { inputs, outputs, kernel, stride, dilation, pad } = axis;
  const reversed = isReversed(axis);
  const common = divisor(stride, dilation);
  const tapStep = stride / common;
  const last = outputs + pad - (inputs - 1) * stride - 1;
  const phases: Phase[] = [];
  // Of taps a step apart one phase: as many as there are differ in theirs.
  for (let tap = 0; tap < Math.min(kernel, tapStep); tap++) {
    const place = reversed ? last - tap * dilation : tap * dilation - pad;
    const phase = ((place % stride) + stride) % stride;
    if (phase >= outputs) continue;
    phases.push({
      ...(reversed ? { first: outputs - 1 - phase, step: -stride } : { first: phase, step: stride }),
      outputs: Math.ceil((outputs - phase) / stride),
      ...{ tap, tapStep, taps: Math.ceil((kernel - tap) / tapStep), dilation: dilation / common },
      pad: (place - phase) / stride,
    });
  }
  return phases;
}

/** Whether the phases of an axis read the same inputs, so that they can be computed side by side. */
export function isAlike(phases: readonly Phase[], stride: number): boolean {
  const [one] = phases;
  return (
    phases.length === stride &&
    phases.every((p) => p.outputs === one!.outputs && p.taps === one!.taps && p.pad === one!.pad)
  );
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
