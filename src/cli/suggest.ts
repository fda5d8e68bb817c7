import { closest, distance } from "fastest-levenshtein";

/** `; did you mean "quantize"?`, or nothing where no word is near. */
export function suggestion(word: string, words: readonly string[]): string {
  if (words.length === 0) return "";
  const near = closest(word.toLowerCase(), words);
  return distance(word.toLowerCase(), near) <= Math.max(1, Math.floor(near.length / 3))
    ? `; did you mean "${near}"?`
    : "";
}
