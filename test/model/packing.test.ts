import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BitbasisError } from "../../src/core/index.ts";
import { writeModel } from "../../src/model/index.ts";
import { pack, repeats, unpack } from "../../src/model/packing.ts";
import { packedPart } from "../support/containers.ts";
import { smallModel } from "./models.ts";

describe("packing", () => {
  const roundTrip = (text: Uint8Array) => {
    const packed = pack(text);
    expect(Buffer.compare(unpack(packed, text.length), text)).toBe(0);
    expect(packed.length % 8).toBe(0);
    return packed;
  };

  test("gives every text back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (text) => void roundTrip(text)),
      { numRuns: 100 },
    );
    const few = fc.array(fc.constantFrom("ab", "abc", "x", '"name":', "0"), { maxLength: 400 });
    fc.assert(
      fc.property(few, (parts) => void roundTrip(new TextEncoder().encode(parts.join("")))),
      { numRuns: 100 },
    );
  });

  test("of one byte 50,000 times stays within what may be unpacked", () => {
    expect(roundTrip(new Uint8Array(50_000).fill(97)).length).toBeLessThan(1000);
    expect(() => unpack(pack(new Uint8Array(9)), 8)).toThrow(/says that it holds 9/);
  });

  test("looks at what repeats only: weights of noise cost little time and no bytes", () => {
    const values = new Float32Array(50_000).map((_, i) => Math.fround(((i * 7919) % 10007) / 10007));
    const text = new Uint8Array(values.buffer);
    expect(repeats(text)).toBe(false);
    expect(repeats(new Uint8Array(64))).toBe(true);
    expect(repeats(new Uint8Array(65).subarray(1))).toBe(true);
    expect(roundTrip(text).length).toBeLessThan(1.01 * text.length);
    const far = new Uint8Array(700_000);
    far.set(text);
    far.set(text, 400_000);
    roundTrip(far);
  });

  test("makes little of what repeats", () => {
    const nodes = Array.from({ length: 200 }, (_, i) => ({ name: `/block.${i}/Conv`, op: "Conv", inputs: [`x${i}`] }));
    const text = new TextEncoder().encode(JSON.stringify(nodes));
    expect(roundTrip(text).length).toBeLessThan(text.length / 5);
  });

  test("noise in its place is read as nothing else", async () => {
    const { packed } = packedPart(writeModel(await smallModel()));
    fc.assert(
      fc.property(fc.nat(packed.length - 1), fc.nat(255), (at, byte) => {
        const other = packed.slice();
        other[at] = byte;
        try {
          unpack(other, 1e6);
        } catch (error) {
          expect((error as BitbasisError).code).toBe("MODEL");
        }
      }),
      { numRuns: 500 },
    );
  });
});
