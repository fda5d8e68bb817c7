import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { decode, parseDictionary } from "../../examples/ocr/ctc.ts";
import { dictionaryPath, recognizerPath } from "../../examples/ocr/models.ts";
import { prepareLine } from "../../examples/ocr/prepare.ts";
import { InferenceSession, type Preset, Tensor } from "../../src/entries/index.ts";
import { renderLines } from "./render.ts";

/** The short form of bench/agreement.mjs, which reads 200 lines: all the same text with faithful, 98 % with fast and compact. */
const LINES = 24;
const lines = [...renderLines(7, LINES)].map(({ text, picture }) => ({ text, input: prepareLine(picture) }));
const onnx = new Uint8Array(readFileSync(recognizerPath));
const dictionary = parseDictionary(readFileSync(dictionaryPath, "utf8"));

/** Float32 itself now and then adds or drops a space. */
const withoutSpaces = (text: string) => text.replace(/\s/g, "");

async function read(preset: Preset): Promise<string[]> {
  await using session = await InferenceSession.create(onnx, { preset });
  const texts: string[] = [];
  for (const { input } of lines) {
    const outputs = await session.run({ x: new Tensor("float32", input.data, input.dims) });
    const { data, dims } = outputs[session.outputNames[0]!]!;
    texts.push(withoutSpaces(decode(data as Float32Array, dims[1]!, dictionary).text));
  }
  return texts;
}

const count = (a: readonly string[], b: readonly string[]) => a.filter((text, i) => text === b[i]).length;

describe("PP-OCR reads rendered lines", () => {
  let reference: string[];
  beforeAll(async () => {
    reference = await read("float32");
  });

  test("float32 reads what is written", () => {
    const written = lines.map(({ text }) => withoutSpaces(text));
    expect(count(reference, written)).toBeGreaterThanOrEqual(LINES - 1);
  });

  test("faithful reads the same text as float32, line by line", async () => {
    expect(await read("faithful")).toEqual(reference);
  });

  test.each<Preset>(["fast", "compact"])("%s reads nine of ten lines the same", async (preset) => {
    expect(count(await read(preset), reference)).toBeGreaterThanOrEqual(Math.ceil(0.9 * LINES));
  });
});
