type Outputs = Readonly<Record<string, { readonly type: string; readonly data: ArrayLike<unknown> }>>;

/** How far outputs are from those in float32, of the worst output of floats. */
export interface Difference {
  /** max |a − b| / max |b|. */
  largest: number;
  /** ‖a − b‖ / ‖b‖. */
  rms: number;
  cosine: number;
}

/** Whether the numbers are as many, and how far apart; infinite where they are not. */
export function differenceOf(got: Outputs, expected: Outputs): Difference {
  const worst = { largest: 0, rms: 0, cosine: 1 };
  for (const [name, output] of Object.entries(expected)) {
    const [a, b] = [numbers(got[name]!), numbers(output)];
    if (a === undefined || b === undefined) continue;
    if (a.length !== b.length) return { largest: Number.POSITIVE_INFINITY, rms: Number.POSITIVE_INFINITY, cosine: 0 };
    let [off, top, missed, energy, own, both] = [0, 0, 0, 0, 0, 0];
    for (const [i, exact] of b.entries()) {
      const d = a[i]! - exact;
      off = Math.max(off, Math.abs(d));
      top = Math.max(top, Math.abs(exact));
      missed += d * d;
      energy += exact * exact;
      own += a[i]! * a[i]!;
      both += a[i]! * exact;
    }
    if (top === 0) continue;
    worst.largest = Math.max(worst.largest, off / top);
    worst.rms = Math.max(worst.rms, Math.sqrt(missed / energy));
    worst.cosine = Math.min(worst.cosine, both / Math.sqrt(own * energy));
  }
  return worst;
}

function numbers({ type, data }: Outputs[string]): Float32Array | undefined {
  if (type === "float32") return data as Float32Array;
  if (type !== "float16") return undefined;
  return Float32Array.from(data as Uint16Array, half);
}

function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
