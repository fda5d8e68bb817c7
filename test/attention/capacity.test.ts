import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { retrievalCapacity } from "../../src/attention/index.ts";

const vectors = JSON.parse(readFileSync(new URL("../vectors/gamma.json", import.meta.url), "utf8")).data;

/** Whether every point is the strict maximum of some query: a query between the normals of its two edges, here any of a fine fan. */
function allReturnable(keys: readonly (readonly [number, number])[]): boolean {
  const queries: [number, number][] = [];
  for (let x = -8; x <= 8; x++) for (let y = -8; y <= 8; y++) queries.push([x, y]);
  return keys.every((key, i) =>
    queries.some(([x, y]) =>
      keys.every((other, j) => j === i || x * other[0] + y * other[1] < x * key[0] + y * key[1]),
    ),
  );
}

describe("retrievalCapacity", () => {
  it("reproduces the vectors", () => {
    expect({ "M=1": retrievalCapacity(1), "M=3": retrievalCapacity(2) }).toEqual(vectors.retrieval_capacity_dk2);
  });

  it("agrees with all subsets of the 3 × 3 grid", () => {
    const grid = [-1, 0, 1].flatMap((x) => [-1, 0, 1].map((y) => [x, y] as const));
    let most = 0;
    for (let subset = 1; subset < 512; subset++) {
      const keys = grid.filter((_, i) => (subset >> i) & 1);
      if (keys.length > most && allReturnable(keys)) most = keys.length;
    }
    expect(most).toBe(retrievalCapacity(1));
  });

  it("is far below the number of distinct keys", () => {
    expect(retrievalCapacity(3)).toBe(20);
    expect(() => retrievalCapacity(4)).toThrow('"p" expected integer in 1..3, got 4');
  });
});
