import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { fromText } from "../../src/core/wasm-text.ts";

const { asText } = (await import(new URL("../../scripts/wasm-text.mjs", import.meta.url).href)) as {
  asText(bytes: Uint8Array): string;
};

const ALL = Uint8Array.from({ length: 256 }, (_, i) => i);
const TEXTS: readonly (readonly [string, Uint8Array])[] = [
  ["no bytes", new Uint8Array()],
  ["each byte once", ALL],
  ["the last bytes most often", Uint8Array.from([...ALL, ...ALL.subarray(150)])],
  ["a module", readFileSync(new URL("../../build/lattice.wasm", import.meta.url))],
];

it.each(TEXTS)("%s come back from a text that no tool changes", (_, bytes) => {
  const text = asText(bytes);
  expect(text).toMatch(/^[ -~]*$/);
  expect(text).not.toMatch(/["'`\\$<]/);
  expect(fromText(text)).toEqual(new Uint8Array(bytes));
});

it("most bytes of a module are one character", () => {
  const bytes = readFileSync(new URL("../../build/simd.wasm", import.meta.url));
  expect(asText(bytes).length).toBeLessThan(1.1 * bytes.length);
});
