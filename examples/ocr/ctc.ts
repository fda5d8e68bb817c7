/**
 * Greedy CTC decoding: the best class of every column, repeats merged, blanks dropped. Class 0 is the blank, 1…n are the lines of the
 * dictionary file, n + 1 is the space (PP-OCR's convention; n = 6623 for ppocr_keys_v1.txt).
 */

export interface Character {
  readonly character: string;
  readonly class: number;
  /** Column in which the character is most certain. */
  readonly step: number;
  /** Probability of the class in that column, 0…1. */
  readonly probability: number;
  /** Best minus second best probability in that column, 0…1: how near the character came to being another one. */
  readonly margin: number;
  /** What it would have been; "" for the blank. */
  readonly rival: string;
}

export interface Decoded {
  readonly text: string;
  readonly characters: readonly Character[];
  /** Mean probability of the characters; 0 for an empty line. */
  readonly confidence: number;
  /** Least difference between best and second best over all columns, blanks included: a text can only change where this is small. */
  readonly margin: number;
}

/** The classes' characters, from the text of a dictionary file with one character per line. */
export function parseDictionary(file: string): readonly string[] {
  const lines = file.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return ["", ...lines, " "];
}

/**
 * @param probabilities - columns × classes, one line's part of the recogniser's output
 * @param columns - number of columns
 * @param dictionary - character of each class, from {@link parseDictionary}
 * @throws RangeError when the lengths do not fit
 *
 * @example
 * const [, columns] = output.dims; // [1, columns, 6625]
 * const { text } = decode(output.data, columns, parseDictionary(await readFile(dictionaryPath, "utf8")));
 */
export function decode(probabilities: ArrayLike<number>, columns: number, dictionary: readonly string[]): Decoded {
  const classes = dictionary.length;
  if (probabilities.length !== columns * classes) {
    throw new RangeError(
      `"probabilities" expected ${columns} columns of ${classes} classes = ${columns * classes} values, got ${probabilities.length}`,
    );
  }
  const characters: Character[] = [];
  let previous = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let step = 0; step < columns; step++) {
    const best = bestTwo(probabilities, step * classes, classes);
    least = Math.min(least, best.margin);
    if (best.first !== 0) {
      const found: Character = {
        character: dictionary[best.first]!,
        class: best.first,
        step,
        probability: best.probability,
        margin: best.margin,
        rival: dictionary[best.second]!,
      };
      if (best.first !== previous) characters.push(found);
      else if (found.margin > characters.at(-1)!.margin) characters[characters.length - 1] = found;
    }
    previous = best.first;
  }
  const total = characters.reduce((sum, c) => sum + c.probability, 0);
  return {
    text: characters.map((c) => c.character).join(""),
    characters,
    confidence: characters.length === 0 ? 0 : total / characters.length,
    margin: columns === 0 ? 0 : least,
  };
}

function bestTwo(values: ArrayLike<number>, offset: number, classes: number) {
  let first = 0;
  let second = classes > 1 ? 1 : 0;
  if (values[offset + second]! > values[offset]!) [first, second] = [second, first];
  for (let i = 2; i < classes; i++) {
    const value = values[offset + i]!;
    if (value > values[offset + first]!) {
      second = first;
      first = i;
    } else if (value > values[offset + second]!) {
      second = i;
    }
  }
  const probability = values[offset + first]!;
  return { first, second, probability, margin: probability - values[offset + second]! };
}
