import { describe, expect, it } from "vitest";
import { broadcast, normalizeAxis, sizeOf, stridesOf, Tensor } from "../../src/tensor/index.ts";

describe("Tensor", () => {
  it("takes the type from the array, or the array from the type", () => {
    expect(new Tensor(new Float32Array(6), [2, 3])).toMatchObject({
      type: "float32",
      dims: [2, 3],
      size: 6,
      location: "cpu",
    });
    expect(new Tensor("int64", [1, 2n]).data).toEqual(new BigInt64Array([1n, 2n]));
    expect(new Tensor([true, false]).data).toEqual(new Uint8Array([1, 0]));
    expect(new Tensor(["a", "b"]).type).toBe("string");
    expect(new Tensor("float16", new Uint16Array([0x3c00]), []).dims).toEqual([]);
  });

  it("says what does not fit", () => {
    expect(() => new Tensor(new Float32Array(5), [2, 3])).toThrow('"dims" [2,3] expected 6 elements, got 5');
    expect(() => new Tensor("float32", new Int32Array(1))).toThrow(
      "expected the array of a float32 tensor, got Int32Array",
    );
    expect(() => new Tensor("complex" as "float32", [1])).toThrow('"type" expected one of');
    expect(() => new Tensor(new Float32Array(0), [-1, 0])).toThrow("integers of at least 0, got -1");
    expect(() => new Tensor("float32", ["x"])).toThrow("expected numbers, got string at 0");
  });

  it("reshapes without copying, and is gone after dispose", async () => {
    const tensor = new Tensor(new Float32Array([1, 2, 3, 4]), [4]);
    const square = tensor.reshape([2, 2]);
    expect(square.data).toBe(tensor.data);
    expect(await square.getData()).toBe(tensor.data);
    tensor.dispose();
    expect(() => tensor.data).toThrow("disposed");
    expect(square.data[3]).toBe(4);
  });
});

describe("shapes", () => {
  it("broadcasts as NumPy does", () => {
    expect(broadcast([2, 1, 3], [4, 1])).toEqual([2, 4, 3]);
    expect(broadcast([], [5])).toEqual([5]);
    expect(broadcast([0], [1])).toEqual([0]);
    expect(broadcast([2], [3])).toBeUndefined();
    expect(broadcast([0], [2])).toBeUndefined();
  });

  it("knows sizes, strides and axes", () => {
    expect(sizeOf([])).toBe(1);
    expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
    expect(normalizeAxis(-1, 3)).toBe(2);
    expect(() => normalizeAxis(3, 3)).toThrow('"axis" expected integer in -3..2, got 3');
  });
});
