import { type Shape, sizeOf } from "./shape.ts";
import { Tensor } from "./tensor.ts";
import { allocateData, type ElementType } from "./types.ts";

/** Uniform numbers in [0, 1) from a seed (mulberry32): integer arithmetic only, the same in every runtime. */
export function uniformNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Roughly normal numbers of unit variance: the sum of 12 uniform ones, less 6; no logarithm, whose last bit depends on the engine. */
export function normalNumbers(uniform: () => number): () => number {
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform();
    return sum;
  };
}

/** A random tensor: floats roughly normal with unit variance, integers (and booleans) uniform in 0 … `below` − 1. */
export function randomTensor(type: ElementType, shape: Shape, uniform: () => number, below = 2): Tensor {
  const data = allocateData(type, sizeOf(shape));
  const normal = normalNumbers(uniform);
  if (data instanceof Float32Array || data instanceof Float64Array) {
    for (let i = 0; i < data.length; i++) data[i] = normal();
  } else if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < data.length; i++) data[i] = BigInt(Math.floor(uniform() * below));
  } else if (!Array.isArray(data)) {
    for (let i = 0; i < data.length; i++) data[i] = Math.floor(uniform() * below);
  }
  return new Tensor(type, data as Float32Array, shape);
}
