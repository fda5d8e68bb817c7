import { allocateData, type ElementType, type Shape, sizeOf, Tensor } from "../tensor/index.ts";

/** Numbers of a 32-bit generator (mulberry32), the same in every runtime. */
export function randomGenerator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A seeded tensor: roughly normal floats of unit variance (sum of 12 uniforms − 6), integers and booleans 0 or 1. */
export function randomTensor(type: ElementType, shape: Shape, seed: number): Tensor {
  const random = randomGenerator(seed);
  const data = allocateData(type, sizeOf(shape));
  if (data instanceof Float32Array || data instanceof Float64Array) {
    for (let i = 0; i < data.length; i++) {
      let sum = -6;
      for (let j = 0; j < 12; j++) sum += random();
      data[i] = sum;
    }
  } else if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < data.length; i++) data[i] = random() < 0.5 ? 0n : 1n;
  } else if (!Array.isArray(data)) {
    for (let i = 0; i < data.length; i++) data[i] = random() < 0.5 ? 0 : 1;
  }
  return new Tensor(type, data as Float32Array, shape);
}
