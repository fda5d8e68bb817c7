import { readFile } from "node:fs/promises";
import { InferenceSession } from "bitbasis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDictionary } from "../../examples/ocr/ctc.ts";
import { classifierPath, detectorPath, dictionaryPath, recognizerPath } from "../../examples/ocr/models.ts";
import { type PageLine, type Reader, readPage } from "../../examples/ocr/page.ts";
import { readPicture } from "../../examples/ocr/picture.ts";

const FOLDER = new URL("../../examples/ocr/", import.meta.url);
/** Of clean, tight lines float32 itself drops spaces, and writes brackets as in Chinese. */
const plain = (text: string): string => text.replaceAll(/\s/g, "").replaceAll("（", "(").replaceAll("）", ")");

describe("a whole page", () => {
  let reader: Reader;
  let lines: readonly PageLine[];
  let written: string[];
  beforeAll(async () => {
    const [detector, classifier, recognizer] = await Promise.all(
      [detectorPath, classifierPath, recognizerPath].map((path) => InferenceSession.create(path)),
    );
    const dictionary = parseDictionary(await readFile(dictionaryPath, "utf8"));
    reader = { detector: detector!, classifier: classifier!, recognizer: recognizer!, dictionary };
    lines = await readPage(reader, await readPicture(await readFile(new URL("scan.png", FOLDER))));
    written = (await readFile(new URL("scan.txt", FOLDER), "utf8")).trimEnd().split("\n");
  }, 120_000);
  afterAll(() => Promise.all([reader.detector, reader.classifier, reader.recognizer].map((s) => s.release())));

  it("is read in order: two columns, a dark box, a slanted note, a line on its head, no picture", () => {
    expect(lines.map(({ text }) => plain(text))).toEqual(written.map(plain));
  });

  it("knows which line stands on its head, and how a note is turned", () => {
    expect(lines.filter(({ upsideDown }) => upsideDown).map(({ text }) => text)).toEqual(["Answers to the riddle: 42"]);
    const note = lines.find(({ text }) => text === "sold out!")!;
    expect((note.angle * 180) / Math.PI).toBeCloseTo(-9, -1);
  });
});
