// Small tensors for the cases of com.microsoft's operators, from one seed: their order is part of the fixtures.
import { Tensor } from "../../dist/tensor/index.js";

let state = 7;
function uniform() {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 8) / 2 ** 24;
}
export const f = (...dims) => {
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor(
    "float32",
    Array.from({ length: size }, () => Math.round((uniform() * 4 - 2) * 256) / 256),
    dims,
  );
};
export const i32 = (data, dims = [data.length]) => new Tensor("int32", data, dims);
export const i64 = (data, dims = [data.length]) => new Tensor("int64", data.map(BigInt), dims);
export const u8 = (size, dims) =>
  new Tensor(
    "uint8",
    Array.from({ length: size }, () => Math.floor(uniform() * 256)),
    dims,
  );

export const bytes = (type, ...dims) => {
  const low = type === "int8" ? -128 : 0;
  const size = dims.reduce((a, b) => a * b, 1);
  return new Tensor(
    type,
    Array.from({ length: size }, () => low + Math.floor(uniform() * 256)),
    dims,
  );
};
/** Bytes whose products onnxruntime adds without saturation on every processor: it adds pairs of products with int8 in 16 bits. */
export const small = (...dims) => {
  const { data } = bytes("int8", ...dims);
  return new Tensor(
    "int8",
    Array.from(data, (v) => v >> 1),
    dims,
  );
};
export const scalar = (type, value) => [new Tensor(type, [value], [])];
export const s = (value) => scalar("float32", value);
export const z = (value) => scalar("uint8", value);
export const scales = (...dims) => {
  const { data } = f(...dims);
  return new Tensor(
    "float32",
    Array.from(data, (v) => (Math.abs(v) + 0.5) / 64),
    dims,
  );
};
/** The block of every input of a matrix of `depth`, in turns. */
export const turns = (depth, blocks) => i32(Array.from({ length: depth }, (_, i) => i % blocks));
