import { describe, expect, test } from "vitest";
import { readOnnx, writeOnnx } from "../../src/onnx/index.ts";
import { quantize } from "../../src/quantize/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build } from "../graph/build.ts";
import { noise } from "../model/models.ts";

const EXTENTS: Readonly<Record<string, number>> = { a: 2, b: 3, c: 5, d: 4, e: 6 };

function filled(letters: string, seed: number): Tensor<"float32"> {
  const dims = [...letters].map((letter) => EXTENTS[letter]!);
  return new Tensor(
    "float32",
    noise(
      dims.reduce((a, b) => a * b, 1),
      seed,
    ),
    dims,
  );
}

/** The sum over all places of all letters, term by term. */
function plain(equation: string, factors: readonly Tensor<"float32">[]): number[] {
  const [left, result] = equation.split("->") as [string, string];
  const terms = left.split(",");
  const letters = [...new Set(left.replace(",", ""))];
  const at = (term: string, place: ReadonlyMap<string, number>) =>
    [...term].reduce((flat, letter) => flat * EXTENTS[letter]! + place.get(letter)!, 0);
  const sums = new Array<number>([...result].reduce((size, letter) => size * EXTENTS[letter]!, 1)).fill(0);
  const visit = (i: number, place: Map<string, number>): void => {
    if (i === letters.length) {
      sums[at(result, place)]! += terms.reduce((product, term, k) => product * factors[k]!.data[at(term, place)]!, 1);
      return;
    }
    for (let n = 0; n < EXTENTS[letters[i]!]!; n++) visit(i + 1, place.set(letters[i]!, n));
  };
  visit(0, new Map());
  return sums;
}

function graphOf(equation: string, constant: 0 | 1, last?: number) {
  const terms = equation.split("->")[0]!.split(",");
  const factors = [filled(terms[0]!, 1), filled(terms[1]!, 2)] as const;
  const names = constant === 1 ? ["x", "w"] : ["w", "x"];
  const fed = factors[1 - constant]!;
  const dims = last === undefined ? fed.dims : [...fed.dims.slice(0, -1), last];
  const x = new Tensor(
    "float32",
    fed.data.slice(
      0,
      dims.reduce((a, b) => a * b, 1),
    ),
    dims,
  );
  const io = { x: { type: "float32" as const, shape: x.dims } };
  const graph = build(io, { w: factors[constant]! }, [["Einsum", names, ["y"], { equation }]], ["y"], 21);
  return { onnx: writeOnnx(graph), x, factors };
}

describe("a product with a constant is a layer", () => {
  test.each<[string, 0 | 1]>([
    ["abc,cd->abd", 1],
    ["abc,cde->abde", 1],
    ["abde,cde->abc", 1],
    ["abde,edc->abc", 1],
    ["abc,dce->eabd", 1],
    ["cde,abc->abde", 0],
    ["dc,bca->bad", 0],
    ["ac,cb->ba", 1],
    ["ca,cb->ab", 1],
  ])("%s with constant %i", async (equation, constant) => {
    const { onnx, x, factors } = graphOf(equation, constant);
    const session = await InferenceSession.create(onnx, { preset: "float32" });
    const y = (await session.run({ x }))["y"]!;
    await session.release();
    const expected = plain(equation, factors);
    expect(y.dims).toEqual([...equation.split("->")[1]!].map((letter) => EXTENTS[letter]));
    for (const [i, value] of expected.entries()) expect((y.data as Float32Array)[i]).toBeCloseTo(value, 4);
    const { report } = await quantize(onnx, { preset: "compact", check: false });
    expect(report.layers.map(({ op, shape }) => [op, shape!.length])).toEqual([["MatMul", 2]]);
  });

  test("an axis of 1 is fed in the place of a longer one", async () => {
    const { onnx, x, factors } = graphOf("abc,cde->abde", 1, 1);
    const session = await InferenceSession.create(onnx, { preset: "float32" });
    const y = (await session.run({ x }))["y"]!;
    await session.release();
    const wide = new Tensor(
      "float32",
      Float32Array.from({ length: 30 }, (_, i) => x.data[Math.floor(i / 5)]!),
      [2, 3, 5],
    );
    for (const [i, value] of plain("abc,cde->abde", [wide, factors[1]]).entries()) {
      expect((y.data as Float32Array)[i]).toBeCloseTo(value, 4);
    }
  });

  test("an input of another rank than the equation's is refused, as by the operator", async () => {
    const equation = { equation: "abc,cde->abde" };
    const graph = build(
      { x: { type: "float32", shape: undefined } },
      { w: filled("cde", 1) },
      [["Einsum", ["x", "w"], ["y"], equation]],
      ["y"],
      21,
    );
    for (const preset of ["float32", "fast"] as const) {
      const session = await InferenceSession.create(writeOnnx(graph), { preset });
      const x = new Tensor("float32", noise(15, 1), [3, 5]);
      await expect(session.run({ x })).rejects.toThrow(/Einsum.*term "abc" does not fit input 0/);
      await session.release();
    }
  });

  test("those of a body are layers too, with weights that it has or captures", async () => {
    const io = { x: { type: "float32" as const, shape: [2, 3, 5] } };
    const equation = { equation: "abc,cde->abde" };
    const body = (weights: string) =>
      build(
        {},
        weights === "own" ? { own: filled("cde", 3) } : {},
        [["Einsum", ["x", weights], ["z"], equation]],
        ["z"],
        21,
      );
    const cond = { type: "bool" as const, shape: [] };
    const branches = { then_branch: body("w"), else_branch: body("own") };
    const graph = build({ ...io, cond }, { w: filled("cde", 2) }, [["If", ["cond"], ["y"], branches]], ["y"], 21);
    const onnx = writeOnnx(graph);
    const { bytes, report } = await quantize(onnx, { preset: "faithful", check: false });
    expect(report.layers.map(({ op, shape }) => [op, shape])).toEqual([
      ["MatMul", [5, 24]],
      ["MatMul", [5, 24]],
    ]);
    const [exact, close] = [
      await InferenceSession.create(onnx, { preset: "float32" }),
      await InferenceSession.create(bytes),
    ];
    for (const truth of [0, 1]) {
      const feeds = { x: filled("abc", 1), cond: new Tensor("bool", Uint8Array.of(truth), []) };
      const [y, z] = [(await exact.run(feeds))["y"]!, (await close.run(feeds))["y"]!];
      expect(z.dims).toEqual(y.dims);
      for (const [i, value] of (y.data as Float32Array).entries())
        expect((z.data as Float32Array)[i]).toBeCloseTo(value, 2);
    }
    await exact.release();
    await close.release();
  });

  test("values that are called like those that a layer needs stay what they are, and reports have the Einsum's name", async () => {
    const { onnx, x, factors } = graphOf("abc,cde->abde", 1);
    const graph = readOnnx(onnx);
    const [einsum] = graph.nodes;
    const taken = ["MatMul", "MatMul_1", "Reshape", "shape"].map((part) => `${einsum!.name}/${part}`);
    const extra = new Tensor("float32", [1], []);
    const nodes = [
      ...graph.nodes,
      ...taken.map((name, i) => ({
        ...einsum!,
        name: `sum ${i}`,
        op: "Add",
        inputs: ["y", name],
        outputs: [`sum ${i}`],
        attributes: {},
      })),
    ];
    const initializers = new Map([...graph.initializers, ...taken.map((name) => [name, extra] as const)]);
    const outputs = nodes.map(({ outputs: [name] }) => ({ name: name!, type: "float32" as const, shape: undefined }));
    const { bytes, report } = await quantize(writeOnnx({ ...graph, nodes, initializers, outputs }), {
      preset: "faithful",
      check: false,
    });
    expect(report.layers.map(({ name }) => name)).toEqual([einsum!.name]);
    const session = await InferenceSession.create(bytes);
    const found = await session.run({ x });
    await session.release();
    const expected = plain("abc,cde->abde", factors);
    for (const i of taken.keys())
      for (const [j, value] of expected.entries())
        expect((found[`sum ${i}`]!.data as Float32Array)[j]).toBeCloseTo(value + 1, 2);
  });

  test("one layer behind another", async () => {
    const constants = { q: filled("cde", 1), o: filled("cde", 2) };
    const graph = build(
      { x: { type: "float32", shape: ["N", 3, 5] } },
      constants,
      [
        ["Einsum", ["x", "q"], ["heads"], { equation: "abc,cde->abde" }],
        ["Einsum", ["heads", "o"], ["y"], { equation: "abde, cde -> abc" }],
      ],
      ["y"],
      21,
    );
    const { report } = await quantize(writeOnnx(graph), { preset: "compact", check: false });
    expect(report.layers.map(({ shape }) => shape)).toEqual([
      [5, 24],
      [24, 5],
    ]);
  });

  test.each<[string, 0 | 1]>([
    ["abc,abd->acd", 1],
    ["abc,abd->abcd", 1],
    ["ab,b->ab", 1],
    ["abc,cd->ad", 1],
    ["abc,de->abcde", 1],
  ])("%s is none", async (equation, constant) => {
    const { onnx, x, factors } = graphOf(equation, constant);
    const session = await InferenceSession.create(onnx, { preset: "float32" });
    const y = (await session.run({ x }))["y"]!;
    await session.release();
    for (const [i, value] of plain(equation, factors).entries()) {
      expect((y.data as Float32Array)[i]).toBeCloseTo(value, 4);
    }
    const { report } = await quantize(onnx, { preset: "compact", check: false });
    expect(report.layers).toEqual([]);
  });
});
