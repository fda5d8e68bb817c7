import { expect, it } from "vitest";
import { newCore } from "../../src/core/index.ts";
import { Constants } from "../../src/program/constants.ts";

it("asks for the elements of a constant once per form, and again when they have changed", async () => {
  const core = await newCore();
  const constants = new Constants(core);
  let asked = 0;
  const source = (first: number) => (): Float32Array => {
    asked++;
    return Float32Array.of(first, 2);
  };
  const pack = (from: number, to: number): void => core.f32(to, 2).set(core.f32(from, 2));
  const at = constants.derive("w", "plain", source(1), 8, pack);
  for (let i = 0; i < 3; i++) expect(constants.derive("w", "plain", source(7), 8, pack)).toBe(at);
  expect(asked).toBe(1);
  expect(constants.derive("w", "other", source(1), 8, pack)).not.toBe(at);
  expect(asked).toBe(2);
  constants.rederive("w", source(5));
  expect([...core.f32(at, 2)]).toEqual([5, 2]);
});
