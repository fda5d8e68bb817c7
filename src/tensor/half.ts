const word = new DataView(new ArrayBuffer(4));

/** The value of IEEE binary16 bits; exact. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** The bits of the nearest binary16, ties to even; NaN is 0x7e00. */
export function floatToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  for (let e = exponent - 1; ; e++) {
    // log2 may be off by one next to a power of two: take the first exponent whose significand fits.
    if (e < -14) continue;
    const steps = roundEven(magnitude / 2 ** (e - 10));
    if (steps < 2048) return sign | (steps < 1024 ? steps : ((e + 15) << 10) | (steps - 1024));
  }
}

/** The value of bfloat16 bits; exact. */
export function bfloatToFloat(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** The nearest integer, ties to even; as ONNX's Round. */
export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
