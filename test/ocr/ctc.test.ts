import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode, parseDictionary } from "../../examples/ocr/ctc.ts";
import { dictionaryPath } from "../../examples/ocr/models.ts";

const DICTIONARY = parseDictionary("a\nb\n"); // blank, a, b, space

/** Columns in which the named class has 0.7 and the next one 0.2. */
function columnsOf(classes: readonly number[]): number[] {
  return classes.flatMap((best) => DICTIONARY.map((_, c) => (c === best ? 0.7 : c === (best + 1) % 4 ? 0.2 : 0.05)));
}

const read = (classes: readonly number[]): string => decode(columnsOf(classes), classes.length, DICTIONARY).text;

describe("parseDictionary", () => {
  it("puts the blank before and the space after the lines, whatever the line ends", () => {
    expect(DICTIONARY).toEqual(["", "a", "b", " "]);
    expect(parseDictionary("a\r\nb")).toEqual(["", "a", "b", " "]);
  });

  it("gives PP-OCRv4's 6625 classes", async () => {
    const dictionary = parseDictionary(await readFile(dictionaryPath, "utf8"));
    expect(dictionary).toHaveLength(6625);
    expect(dictionary[0]).toBe("");
    expect(dictionary[6624]).toBe(" ");
    expect(dictionary.slice(1, 6624).every((line) => line.length > 0)).toBe(true);
  });
});

describe("decode", () => {
  it("merges repeats, drops blanks, and keeps a repeat that a blank separates", () => {
    expect(read([0, 1, 1, 0, 1, 2, 2, 3, 0])).toBe("aab ");
    expect(read([0, 0])).toBe("");
    expect(read([])).toBe("");
  });

  it("agrees with collapsing the class string", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { maxLength: 40 }), (classes) => {
        const expected = classes.filter((c, i) => c !== 0 && c !== classes[i - 1]).map((c) => DICTIONARY[c]);
        expect(read(classes)).toBe(expected.join(""));
      }),
    );
  });

  it("reports a character where it is most certain, with its rival and margin", () => {
    const probabilities = [0.1, 0.5, 0.4, 0, 0.25, 0.75, 0, 0, 0.5, 0, 0.25, 0.25];
    const { text, characters, confidence, margin } = decode(probabilities, 3, DICTIONARY);
    expect(text).toBe("a");
    expect(characters).toEqual([{ character: "a", class: 1, step: 1, probability: 0.75, margin: 0.5, rival: "" }]);
    expect(confidence).toBe(0.75);
    expect(margin).toBeCloseTo(0.1, 12); // the first column's, though another one spoke for the character
  });

  it("counts the blank columns' margins too", () => {
    expect(decode([0.5, 0.5, 0, 0], 1, DICTIONARY)).toMatchObject({ text: "", margin: 0 });
  });

  it("refuses probabilities of another size", () => {
    expect(() => decode(new Float32Array(9), 2, DICTIONARY)).toThrow(
      /expected 2 columns of 4 classes = 8 values, got 9/,
    );
  });
});
