import { describe, expect, it } from "vitest";
import { table, visible } from "../../src/cli/print.ts";

const HEADER = ["layer", "bits", "why"];
const ROWS = [
  [
    "/encoder/layer.0/attention/self/query/MatMul",
    13,
    "the first layer; activations not rounded since integers are slower",
  ],
  ["head", 7, "last layer"],
];

describe("a table", () => {
  it("has lines as long as they are where nothing says how wide the terminal is", () => {
    const lines = table(HEADER, ROWS, Number.POSITIVE_INFINITY).split("\n");
    expect(lines).toHaveLength(4);
    expect(lines[2]).toMatch(/MatMul +13 {2}the first layer; activations not rounded since integers are slower$/);
  });

  it.each([60, 72, 100])("goes on below where %i characters are not enough, and loses nothing", (width) => {
    const lines = table(HEADER, ROWS, width).split("\n");
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(width);
    expect(lines.length).toBeGreaterThan(4);
    const letters = (text: string): string => [...text.replace(/[\s-]/g, "")].sort().join("");
    expect(letters(lines.join(""))).toBe(letters([HEADER, ...ROWS].flat().join("")));
  });

  it("keeps numbers whole, and text at a width that can be read", () => {
    const lines = table(["n", "text"], [[123456789, "a text of more than sixteen characters"]], 5).split("\n");
    expect(lines[2]).toMatch(/^123456789 {2}a text of more$/);
  });
});

describe("text of strangers", () => {
  it("has no command for a terminal, and no line of its own in a table", () => {
    expect(visible("a\u001b]0;title\u0007b\u009b31m\u202ec\r\n\td")).toBe(
      "a\\x1b]0;title\\x07b\\x9b31m\\u202ec\\x0d\n\td",
    );
    expect(visible("Größe 日本 🙂 عربي")).toBe("Größe 日本 🙂 عربي");
    expect(table(["name"], [["x\n\u001b[2Jy"]], 80).split("\n")).toEqual(["name", "-----------", "x\\n\\x1b[2Jy"]);
  });
});
