import { describe, expect, it } from "vitest";
import { newCore } from "../../src/core/index.ts";
import { Constants, type Form } from "../../src/program/constants.ts";

it("asks for the elements of a constant once per form, and again when they have changed", async () => {
  const core = await newCore();
  const constants = new Constants(core);
  let [asked, first] = [0, 1];
  const source = (): Float32Array => {
    asked++;
    return Float32Array.of(first, 2);
  };
  const turned = (key: string): Form => ({
    key,
    bytes: 8,
    pack: (from, to) => core.f32(to, 2).set(core.f32(from, 2).slice().reverse()),
  });
  const at = constants.place("w", source, turned("one"));
  first = 7;
  for (let i = 0; i < 3; i++) expect(constants.place("w", source, turned("one"))).toBe(at);
  expect(asked).toBe(1);
  const all = [at, constants.place("w", source, turned("other")), constants.place("w", source)];
  expect(new Set(all).size).toBe(3);
  expect(asked).toBe(3);
  expect(all.map((one) => [...core.f32(one, 2)])).toEqual([
    [2, 1],
    [2, 7],
    [7, 2],
  ]);
  first = 5;
  constants.replace("w");
  constants.replace("another");
  expect(all.map((one) => [...core.f32(one, 2)])).toEqual([
    [2, 5],
    [2, 5],
    [5, 2],
  ]);
});

describe("what has not been made to its end is made anew, and gives its memory back", () => {
  const ones = new Float32Array(3 * 2 ** 20).fill(1);
  const bytes = ones.byteLength;

  it("packing fails", async () => {
    const core = await newCore();
    const constants = new Constants(core);
    let packed = 0;
    const pack = (from: number, to: number): void => {
      if (++packed === 2) throw new Error("no room");
      core.u8(to, bytes).set(core.u8(from, bytes));
    };
    const place = (): number => constants.place("w", () => ones, { key: "plain", bytes, pack });
    expect(place).toThrow("no room");
    expect(core.bytesInUse).toBe(0);
    const at = place();
    expect(core.bytesInUse).toBe(bytes);
    expect(place()).toBe(at);
    // Of three pieces, all of which are packed again.
    expect(packed).toBe(5);
  });

  // Three pieces are copied, and packed where it is a form.
  it.each<[string, number]>([
    ["a constant", 2],
    ["a form of it", 4],
  ])("%s is left at each of its %i stops", async (what, stops) => {
    const core = await newCore();
    const constants = new Constants(core);
    const seen: number[] = [];
    const pack = (from: number, to: number, part: number, parts: number): void => {
      seen.push(part);
      if (part + 1 === parts) core.u8(to, bytes).set(core.u8(from, bytes));
    };
    const form = what === "a constant" ? undefined : { key: "plain", bytes, pack };
    const begin = () => constants.placing("w", () => ones, form);
    for (let left = 1; left <= stops; left++) {
      const work = begin();
      for (let stop = 0; stop < left; stop++) expect(work.next().done).toBe(false);
      expect(core.bytesInUse).toBeGreaterThan(0);
      work.return(0);
      expect(core.bytesInUse).toBe(0);
    }
    seen.length = 0;
    const work = begin();
    for (let stop = 0; stop < stops; stop++) expect(work.next().done).toBe(false);
    const { done, value } = work.next();
    expect(done).toBe(true);
    expect(Buffer.from(core.u8(value as number, bytes)).equals(Buffer.from(ones.buffer))).toBe(true);
    expect(core.bytesInUse).toBe(bytes);
    expect(seen).toEqual(form === undefined ? [] : [0, 1, 2]);
    expect(begin().next()).toEqual({ done: true, value });
  });
});
