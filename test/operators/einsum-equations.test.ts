// Einsum against the oracle: every kind of equation, and what it refuses. As a layer, with constant weights: einsum.test.ts.
import { describe, expect, it } from "vitest";
import { agreesNode, f32, runNode } from "../support/run-node.ts";

describe("Einsum", () => {
  it.each<[string, number[][]]>([
    ["ij->ji", [[2, 3]]],
    ["ij->", [[2, 3]]],
    ["ij", [[2, 3]]],
    ["ji", [[2, 3]]],
    ["ii", [[3, 3]]],
    ["ii->i", [[3, 3]]],
    ["iji->j", [[2, 3, 2]]],
    ["iij->ji", [[2, 2, 3]]],
    ["jii->ij", [[3, 2, 2]]],
    ["iijj->ij", [[2, 2, 3, 3]]],
    ["iii->i", [[3, 3, 3]]],
    ["...ii->...i", [[2, 4, 3, 3]]],
    ["...ij->...ji", [[2, 3]]],
    ["...ij->...ji", [[4, 2, 3]]],
    ["...ij", [[4, 2, 3]]],
    ["i...j->j...", [[4, 2, 3]]],
    [
      "ij,jk",
      [
        [2, 3],
        [3, 4],
      ],
    ],
    [
      "ij,jk->ik",
      [
        [2, 3],
        [3, 4],
      ],
    ],
    [
      "ij,kj->ki",
      [
        [2, 3],
        [4, 3],
      ],
    ],
    [
      "ij,ij->",
      [
        [2, 3],
        [2, 3],
      ],
    ],
    [
      "ij,ij->ij",
      [
        [2, 3],
        [2, 3],
      ],
    ],
    ["i,j->ij", [[2], [3]]],
    ["i,i", [[3], [3]]],
    ["i,i->i", [[3], [3]]],
    [
      "bij,bjk->bik",
      [
        [2, 3, 4],
        [2, 4, 2],
      ],
    ],
    [
      "bij,bkj->bki",
      [
        [2, 3, 4],
        [2, 2, 4],
      ],
    ],
    [
      "bhqd,bhkd->bhqk",
      [
        [1, 2, 3, 2],
        [1, 2, 4, 2],
      ],
    ],
    [
      "...ij,...jk->...ik",
      [
        [2, 2, 3],
        [3, 4],
      ],
    ],
    [
      "...ij,...jk->...ik",
      [
        [3, 1, 2, 3],
        [2, 3, 4],
      ],
    ],
    [
      "...ij,jk",
      [
        [2, 2, 3],
        [3, 4],
      ],
    ],
    ["...,...->...", [[2, 3], [3]]],
    ["...,...->...", [[3], [2, 3]]],
    [
      "...,...",
      [
        [2, 1],
        [1, 3],
      ],
    ],
    ["ij,j", [[1, 3], [3]]],
    [
      "ij,jk->ik",
      [
        [2, 1],
        [3, 4],
      ],
    ],
    [
      "ij,jk->ik",
      [
        [2, 3],
        [1, 4],
      ],
    ],
    [
      "ij,jk,kl->il",
      [
        [2, 3],
        [3, 4],
        [4, 2],
      ],
    ],
    [
      "ij,jk,ik->ijk",
      [
        [2, 3],
        [3, 2],
        [2, 2],
      ],
    ],
    ["i,j,k->kji", [[2], [3], [2]]],
    [
      "ijk,jil->kl",
      [
        [2, 3, 4],
        [3, 2, 2],
      ],
    ],
    [
      "aij,ai->aj",
      [
        [2, 3, 4],
        [2, 3],
      ],
    ],
    [
      "Ab,bA->A",
      [
        [2, 3],
        [3, 2],
      ],
    ],
    [
      " i j , j k -> i k ",
      [
        [2, 3],
        [3, 2],
      ],
    ],
    [
      "ij,jk->ik",
      [
        [0, 3],
        [3, 2],
      ],
    ],
    [
      "ij,jk->ik",
      [
        [2, 0],
        [0, 2],
      ],
    ],
  ])("%s of %j", async (equation, shapes) => {
    const inputs = shapes.map((dims, at) =>
      f32(dims, f32(dims).data.length > 0 ? [...(f32(dims).data as Float32Array)].map((v) => v + at) : []),
    );
    await agreesNode({ op: "Einsum", inputs, attributes: { equation } });
  });

  it.each<[string, string, number[][], string]>([
    ["a sign that is none", "i+j->ij", [[2], [3]], "is not one"],
    ["two arrows", "i->i->i", [[2]], "is not one"],
    ["another number of terms", "i,j->ij", [[2]], "has 2 terms"],
    ["a letter of the result in no term", "i->j", [[2]], '"j" of the result is in no term'],
    ["a letter twice in the result", "i->ii", [[2]], "names a letter twice"],
    ["more letters than axes", "ij->ij", [[2]], 'term "ij" does not fit input 0'],
    ["fewer letters than axes", "i->i", [[2, 2]], 'term "i" does not fit input 0'],
    ["dots and more letters than axes", "...ij->ij", [[2]], 'term "...ij" does not fit input 0'],
    ["two dots", "..ij->ij", [[2, 2]], 'term "..ij" does not fit input 0'],
    ["dots twice", "...i...->i", [[2, 2]], 'term "...i..." does not fit input 0'],
    ["two extents", "i,i->i", [[2], [3]], '"i" has two extents'],
  ])("refuses %s", async (_, equation, shapes, why) =>
    expect(
      runNode({ op: "Einsum", inputs: shapes.map((dims) => f32(dims)), attributes: { equation } }),
    ).rejects.toThrow(why),
  );
});
