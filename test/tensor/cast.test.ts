import { describe, expect, it } from "vitest";
import { ElementCode } from "../../src/core/abi/element.ts";
import {
  allocateData,
  type BitsType,
  castData,
  ELEMENT_TYPES,
  elementBits,
  type FloatRounding,
  halfToFloat,
  holdsBits,
  kindOf,
  type NumericType,
  smallFloatBits,
  smallFloatValue,
  smallFloatValues,
  Tensor,
  type TensorData,
  TYPE_OF_CODE,
} from "../../src/tensor/index.ts";
import { coreOf, runOperator } from "../program/harness.ts";
import { Random } from "../support/random.ts";

const NUMERIC = ELEMENT_TYPES.filter((type): type is NumericType => type !== "string");
const SMALL = NUMERIC.filter((type): type is BitsType => holdsBits(type));

describe("the table of element types", () => {
  it("has a row for every code, and every number of ONNX but the complex ones", () => {
    expect(ELEMENT_TYPES.map((type) => ElementCode[type]).sort((a, b) => a - b)).toEqual([
      ...Array.from({ length: 13 }, (_, i) => i + 1),
      ...Array.from({ length: 11 }, (_, i) => i + 16),
    ]);
    expect(TYPE_OF_CODE[26]).toBe("int2");
    expect(TYPE_OF_CODE[14]).toBeUndefined();
  });

  it("keeps narrow integers in their range and takes bits for small floats only", () => {
    expect(new Tensor("int4", [-8, 7]).data).toEqual(Int8Array.of(-8, 7));
    expect(() => new Tensor("int4", [8])).toThrow('"data" of a int4 tensor expected -8..7, got 8 at 0');
    expect(() => new Tensor("uint2", Uint8Array.of(0, 4))).toThrow("expected 0..3, got 4 at 1");
    expect(() => new Tensor("bfloat16", [1])).toThrow("expected a Uint16Array of bits");
    expect(() => new Tensor("float8e5m2", Int8Array.of(1))).toThrow("got Int8Array");
    expect(new Tensor("float8e5m2", Uint8Array.of(1)).size).toBe(1);
    expect(new Tensor(Uint16Array.of(1)).type).toBe("uint16");
    expect(new Tensor(Uint8ClampedArray.of(1)).type).toBe("uint8");
  });
});

describe("floats of 16 bits and less", () => {
  it("have the values of their definitions", () => {
    const values = (type: BitsType, ...bits: number[]) => bits.map((b) => smallFloatValue(type, b));
    expect(values("float16", 0x3c00, 0xc000, 1, 0x7bff, 0x7c00, 0x7c01)).toEqual([
      1,
      -2,
      2 ** -24,
      65504,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ]);
    expect(values("bfloat16", 0x3f80, 0x7f7f, 0xff80, 1)).toEqual([
      1,
      2 ** 128 - 2 ** 120,
      Number.NEGATIVE_INFINITY,
      2 ** -133,
    ]);
    expect(values("float8e4m3fn", 0x7e, 1, 0x7f, 0xff, 0x80)).toEqual([448, 2 ** -9, Number.NaN, Number.NaN, -0]);
    expect(values("float8e4m3fnuz", 0x7f, 1, 0x80, 0xff)).toEqual([240, 2 ** -10, Number.NaN, -240]);
    expect(values("float8e5m2", 0x7b, 1, 0x7c, 0xfc, 0x7d)).toEqual([
      57344,
      2 ** -16,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]);
    expect(values("float8e5m2fnuz", 0x7f, 1, 0x80)).toEqual([57344, 2 ** -17, Number.NaN]);
    expect(values("float8e8m0", 0, 127, 254, 255)).toEqual([2 ** -127, 1, 2 ** 127, Number.NaN]);
    expect(Array.from({ length: 16 }, (_, bits) => smallFloatValue("float4e2m1", bits))).toEqual([
      ...[0, 0.5, 1, 1.5, 2, 3, 4, 6],
      ...[-0, -0.5, -1, -1.5, -2, -3, -4, -6],
    ]);
  });

  it.each(SMALL)("%s: every number is itself, every midpoint goes to the even neighbour", (type) => {
    if (type === "float8e8m0") return;
    const count = 2 ** (elementBits(type) - 1);
    for (let bits = 0; bits < count; bits += count > 256 ? 7 : 1) {
      const value = smallFloatValue(type, bits);
      if (!Number.isFinite(value)) continue;
      expect(smallFloatBits(type, value)).toBe(bits);
      const next = smallFloatValue(type, bits + 1);
      if (bits + 1 === count || !Number.isFinite(next)) continue;
      const middle = (value + next) / 2;
      expect(smallFloatBits(type, middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(smallFloatBits(type, middle + (next - value) / 64)).toBe(bits + 1);
      expect(smallFloatBits(type, middle - (next - value) / 64)).toBe(bits);
    }
  });

  it("overflow as Cast's `saturate` says", () => {
    const bits = (type: BitsType, saturate: boolean, ...values: number[]) =>
      values.map((v) => smallFloatBits(type, v, { saturate }));
    const infinite = Number.POSITIVE_INFINITY;
    expect(bits("float8e4m3fn", true, 1e6, infinite, -infinite, Number.NaN)).toEqual([0x7e, 0x7e, 0xfe, 0x7f]);
    expect(bits("float8e4m3fn", false, 464, 465, infinite, -infinite)).toEqual([0x7e, 0x7f, 0x7f, 0xff]);
    expect(bits("float8e4m3fnuz", true, 1e6, -infinite, -1e-9, Number.NaN)).toEqual([0x7f, 0xff, 0, 0x80]);
    expect(bits("float8e4m3fnuz", false, 1e6, -infinite)).toEqual([0x80, 0x80]);
    expect(bits("float8e5m2", false, 1e6, -infinite, Number.NaN)).toEqual([0x7c, 0xfc, 0x7f]);
    expect(bits("float16", true, 65519.99, 65520)).toEqual([0x7bff, 0x7c00]);
    expect(bits("bfloat16", true, 3.4e38, -infinite)).toEqual([0x7f80, 0xff80]);
    expect(bits("float4e2m1", false, 100, -infinite, Number.NaN)).toEqual([7, 15, 8]);
  });

  it("round magnitudes to powers of two in three ways", () => {
    const bits = (power: FloatRounding["power"], ...values: number[]) =>
      values.map((v) => smallFloatBits("float8e8m0", v, { power }));
    expect(bits("up", 0, 1, -1, 1.01, 1e-45, 1e39, Number.NaN, Number.POSITIVE_INFINITY)).toEqual([
      ...[0, 127, 127, 128, 0, 254, 255, 255],
    ]);
    expect(bits("down", 1.99, 2, 3e38)).toEqual([127, 128, 254]);
    expect(bits("nearest", 1.49, 1.5, 3)).toEqual([127, 128, 129]);
    expect(smallFloatBits("float8e8m0", 3e38, { saturate: false })).toBe(255);
  });

  it("are read from tables that hold the same", () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const values = smallFloatValues("float16", all);
    for (let i = 0; i < 65536; i += 7) expect(values[i]).toBe(smallFloatValue("float16", i));
    expect(halfToFloat(0x3c01)).toBe(1 + 2 ** -10);
  });
});

/** Numbers around everything that a type rounds, overflows or wraps at. */
function numbersOf(type: NumericType, random: Random): Tensor {
  if (holdsBits(type)) {
    const count = 2 ** Math.min(elementBits(type), 12);
    const step = 2 ** elementBits(type) / count;
    const data = allocateData(type, count) as Uint16Array;
    for (let i = 0; i < count; i++) data[i] = i * step + (i % step);
    return new Tensor(type, data);
  }
  if (kindOf(type) === "float") {
    const special = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, 1e300, -1e300];
    const tries = Array.from({ length: 600 }, (_, i) => {
      const scale = 2 ** random.integer(-140, 130);
      return i % 3 === 0 ? random.integer(-70000, 70000) / 8 : random.uniform(-1, 1) * scale;
    });
    const edges = [7, 8, 127, 128, 255, 256, 2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64].flatMap((v) => [
      v,
      -v,
      v - 0.5,
      0.5 - v,
    ]);
    return new Tensor(type, [...special, ...tries, ...edges]);
  }
  const wide = Array.from({ length: 400 }, () => {
    const bits = (BigInt(random.bits()) << 32n) | BigInt(random.bits());
    return BigInt.asIntN(random.integer(1, 64), bits);
  });
  // On both sides of a tie of bfloat16 and of float32 that float64 cannot tell apart.
  wide.push(
    2n ** 62n + 2n ** 54n + 1n,
    2n ** 62n + 2n ** 54n,
    -(2n ** 62n) - 2n ** 38n - 1n,
    2n ** 63n - 1n,
    2n ** 53n + 1n,
  );
  if (type === "bool") return new Tensor(type, [0, 1]);
  const own = wide.map((v) => (kindOf(type) === "signed" ? BigInt.asIntN : BigInt.asUintN)(elementBits(type), v));
  return new Tensor(type, elementBits(type) === 64 ? own : own.map(Number));
}

/** The bytes as one string: comparing these is a hundred times as fast as comparing arrays. NaNs of float32 and float64 are canonical. */
function bytesOf(data: TensorData): string {
  const { buffer, byteOffset, byteLength } = data as Uint8Array;
  if (data instanceof Float32Array || data instanceof Float64Array)
    return Array.from(data, (v) => (Object.is(v, -0) ? "-0" : v)).join();
  return new TextDecoder("latin1").decode(new Uint8Array(buffer, byteOffset, byteLength));
}

describe("castData", () => {
  const rounding: FloatRounding[] = [{}, { saturate: false, power: "down" }, { power: "nearest" }];
  it.each(NUMERIC)("gives the bits of the core's Cast from %s to every type, in both builds", async (from) => {
    await coreOf("scalar");
    const x = numbersOf(from, new Random(ElementCode[from]));
    for (const to of NUMERIC) {
      for (const how of to.startsWith("float8") ? rounding : [{}]) {
        const expected = castData(x.data, from, to, how);
        const attributes = {
          to: ElementCode[to],
          saturate: how.saturate === false ? 0 : 1,
          round_mode: how.power ?? "up",
        };
        for (const build of ["scalar", "simd"] as const) {
          const outputs = [{ type: to, shape: x.dims }];
          const [y] = await runOperator({ op: "Cast", inputs: [x], attributes, outputs }, { build, threads: 3 });
          expect(bytesOf(y!.data), `${build}, to ${to}`).toBe(bytesOf(expected!));
        }
      }
    }
  });

  it("rounds once from wide integers", () => {
    const wide = BigInt64Array.of(2n ** 62n + 2n ** 54n + 1n, 2n ** 62n + 2n ** 54n, 2n ** 62n + 2n ** 38n + 1n);
    expect(Array.from(castData(wide, "int64", "bfloat16") as Uint16Array)).toEqual([0x5e81, 0x5e80, 0x5e80]);
    expect((castData(wide, "int64", "float32") as Float32Array)[2]).toBe(2 ** 62 + 2 ** 39);
  });

  it("wraps to 4 and 2 bits and saturates floats elsewhere", () => {
    const cast = (data: number[], from: NumericType, to: NumericType) =>
      Array.from(castData(new Tensor(from, data).data, from, to) as Int8Array);
    expect(cast([-9, 8, 7, 200], "int16", "int4")).toEqual([7, -8, 7, -8]);
    expect(cast([-9, -3.7, 8], "float32", "int4")).toEqual([7, -3, -8]);
    expect(cast([-1, 5], "int8", "uint2")).toEqual([3, 1]);
    expect(cast([300, -300, Number.NaN, 2.9], "float32", "int8")).toEqual([127, -128, 0, 2]);
    expect(castData(["1"], "string", "float32")).toBeUndefined();
  });
});
