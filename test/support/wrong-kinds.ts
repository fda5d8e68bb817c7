/** A value of every kind that an argument may wrongly have, and what the kind is called. */
export const WRONG_KINDS: readonly (readonly [kind: string, value: unknown])[] = [
  ["null", null],
  ["NaN", Number.NaN],
  ["a text", "x"],
  ["an object", { odd: 1 }],
  ["a list", [1]],
  ["a function", () => 1],
  ["a negative number", -1],
  ["a huge number", 1e300],
];
