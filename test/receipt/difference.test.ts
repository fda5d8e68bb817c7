import { describe, expect, it } from "vitest";
import { Tensor } from "../../src/entries/index.ts";
import { sha256 } from "../../src/model/sha256.ts";
import { firstDifference } from "../../src/receipt/difference.ts";
import { digestOf } from "../../src/receipt/digest.ts";

const bits = (...words: number[]) => new Tensor("float32", new Float32Array(Uint32Array.from(words).buffer));

describe("the first difference", () => {
  it.each([
    [new Tensor("float32", [0, 1]), new Tensor("float32", [-0, 1]), { index: 0, expected: 0, got: -0 }],
    [bits(0, 0x7fc00000), bits(0, 0x7fc00001), { index: 1, expected: "0x7fc00000", got: "0x7fc00001" }],
    [new Tensor("int64", [1n, 2n ** 60n]), new Tensor("int64", [1n, 3n]), { index: 1, expected: 2n ** 60n, got: 3n }],
    [new Tensor(["a", "b"]), new Tensor(["a", "c"]), { index: 1, expected: "b", got: "c" }],
    [undefined, new Tensor("int8", [1]), { expected: "nothing", got: "int8 [1]" }],
    [new Tensor("uint8", [1]), new Tensor("int8", [1]), { expected: "uint8 [1]", got: "int8 [1]" }],
  ])("of %o and %o", (made, claimed, difference) => {
    expect(firstDifference("y", made, claimed)).toEqual({ output: "y", ...difference });
    expect(firstDifference("y", made, made)).toBeUndefined();
    expect(digestOf(made)).not.toBe(digestOf(claimed));
  });

  it("of sequences goes by the tensor's place", () => {
    const [a, b] = [new Tensor("int8", [1]), new Tensor("int8", [2])];
    expect(firstDifference("y", [a, a], [a, b])).toEqual({ output: "y[1]", index: 0, expected: 1, got: 2 });
    expect(firstDifference("y", [a], [a, b])).toEqual({ output: "y", expected: "1 tensors", got: "2 tensors" });
    expect(new Set([[], [a], [a, a], a, undefined].map(digestOf)).size).toBe(5);
  });
});

it("digests type, rank, dimensions and elements, little-endian", () => {
  const words = [1, 2, 1, 2].flatMap((word) => [word, 0, 0, 0, 0, 0, 0, 0]);
  const tensor = new Tensor("float32", [1, -0], [1, 2]);
  expect(digestOf(tensor)).toBe(sha256(Uint8Array.from([...words, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x80])));
  const texts = [8, 1, 2, 2].flatMap((word) => [word, 0, 0, 0, 0, 0, 0, 0]);
  expect(digestOf(new Tensor(["é", ""]))).toBe(sha256(Uint8Array.from([...texts, 0xc3, 0xa9, 0, 0, 0, 0, 0, 0, 0, 0])));
});
