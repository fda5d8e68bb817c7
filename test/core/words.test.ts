import { describe, expect, test } from "vitest";
import { CopyStep, FillStep, GatherStep } from "../../src/core/abi/movement.ts";
import { Opcode } from "../../src/core/abi/opcode.ts";
import { PoolStep } from "../../src/core/abi/pool.ts";
import { type Argument, type Step, step, uncountable, wordsOf } from "../../src/core/index.ts";

const copy = (changes: Partial<Record<"input" | "rank", Argument>>, ...lists: number[]): Step => {
  const base = step(Opcode.Copy, CopyStep, {
    input: 1024,
    output: { buffer: 0, offset: 0 },
    elementBytes: 4,
    rank: 1,
    ...changes,
  });
  return { ...base, words: [...base.words, ...lists] };
};

describe("the words of a step", () => {
  test("are known for every opcode", () => {
    for (const opcode of Object.values(Opcode).filter((code) => typeof code === "number")) {
      const { reads, writes } = wordsOf(opcode, []);
      expect([...reads, ...writes].every((word) => Number.isInteger(word) && word > 0)).toBe(true);
      expect(writes.length).toBeGreaterThan(0);
    }
    expect(() => wordsOf(999 as Opcode, [])).toThrow("got 999");
  });

  test("say of a scatter that it writes its data", () => {
    const gather = new Array<number>(GatherStep.length).fill(0);
    expect(wordsOf(Opcode.Gather, gather).writes).toEqual([GatherStep.output]);
    gather[GatherStep.scatter] = 1;
    expect(wordsOf(Opcode.Gather, gather).writes).toEqual([GatherStep.data]);
  });

  test("fit int32, addresses uint32", () => {
    expect(uncountable(copy({}, 3, -(2 ** 31), 2 ** 31 - 1))).toBeUndefined();
    expect(uncountable(copy({}, 3, 2 ** 31, 4))).toMatch(/needs the number 2147483648/);
    expect(uncountable(copy({}, 3, 4, -(2 ** 31) - 1))).toMatch(/int32$/);
    expect(uncountable(copy({ input: 2 ** 32 - 64 }, 3, 4, 4))).toBeUndefined();
    expect(uncountable(copy({ input: 2 ** 32 }, 3, 4, 4))).toMatch(/needs the number/);
    for (const odd of [0.5, Number.NaN, Infinity])
      expect(uncountable(copy({ rank: odd }))).toMatch(/expected an integer/);
    const fill = { output: { buffer: 0, offset: 0 }, elementBytes: 4, count: 2 ** 31 - 1, low: -1, high: 0 };
    expect(uncountable(step(Opcode.Fill, FillStep, fill))).toBeUndefined();
  });

  test("keep windows inside of what two of them add up to", () => {
    const pool = (changes: Record<string, number>): string | undefined => {
      const words = new Array<number>(PoolStep.length).fill(1);
      for (const [name, value] of Object.entries(changes)) words[PoolStep[name as "input"]] = value;
      return uncountable({ opcode: Opcode.Pool, words });
    };
    expect(pool({})).toBeUndefined();
    expect(pool({ dilationHeight: 2 ** 30, padLeft: 2 ** 30 })).toBeUndefined();
    // dilation − 1 + pad leaves int32 although one tap is never dilated
    expect(pool({ dilationHeight: 2 ** 31 - 1, padTop: 2 })).toMatch(/reaches over 2147483647 elements/);
    expect(pool({ padTop: -(2 ** 30) - 1 })).toMatch(/reaches over/);
    expect(pool({ outWidth: 5, strideWidth: 2 ** 28 })).toBeUndefined();
    expect(pool({ outWidth: 6, strideWidth: 2 ** 28 })).toMatch(/reaches over/);
    expect(pool({ outWidth: 5, strideWidth: 2 ** 28, kernelWidth: 2 })).toMatch(/reaches over 1073741825/);
  });
});
