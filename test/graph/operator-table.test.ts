// docs/operators.md is made from the records: `UPDATE_DOCS=1 npx vitest run test/graph/operator-table.test.ts` writes it, the test holds it against them.
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { runsBetween } from "../../src/graph/host.ts";
import { COMMON } from "../../src/graph/operators/common.ts";
import { signatureOf } from "../../src/graph/operators/contract.ts";
import type { Operator } from "../../src/graph/operators/operator.ts";
import { CHUNKS } from "../../src/program/operators/chunks.ts";

const FILE = new URL("../../docs/operators.md", import.meta.url);

const DOMAINS: readonly (readonly [domain: string, title: string])[] = [
  ["", "ai.onnx"],
  ["ai.onnx.ml", "ai.onnx.ml"],
  ["com.microsoft", "com.microsoft"],
];

/** All records, those of chunks included. */
const ALL: Readonly<Record<string, Operator>> = Object.assign(
  {},
  ...(await Promise.all(Object.values(CHUNKS).map(async (load) => (await load()).records))),
);

function how(
  domain: string,
  op: string,
  { steps, becomes, expands, evaluate, evaluatesShapes, layout }: Operator,
): string {
  const node = { name: "", op, domain, inputs: [], outputs: [], attributes: {} };
  if (steps) return "kernel";
  if (evaluatesShapes) return "shapes only";
  if (runsBetween(node)) return "between programs";
  if (layout !== undefined) return "channels-last kernel";
  if (expands !== undefined) return "other operators, once shapes are known";
  if (evaluate !== undefined) return "in JavaScript, between programs";
  return becomes === undefined ? "–" : "other operators, when the file is read";
}

function types({ inputs = "", types = {} }: Operator): string {
  const letters = [...new Set(signatureOf(inputs).parameters.map(({ type }) => type))];
  return letters
    .map((letter) => (types[letter] === undefined ? letter : `${letter}: ${types[letter].join(" ")}`))
    .join("; ");
}

function table(): string {
  const lines = [
    "# Operators",
    "",
    "Made from the records in `src/graph/operators/`. An older form of an operator is rewritten into the newest one when the file is read; types are those of the newest form. Where float32 is listed and a 16-bit float is not,",
    "the operator computes in float32 and its results are rounded.",
    "",
    "What ends in *chunk* is code that is imported when a model has one of these operators. Operators of ai.onnx.ml compute what onnxruntime 1.30 computes, where it and the standard agree; else the standard: the one score of a",
    "regressor goes through its `post_transform`, two classes that both have scores are compared with each other, and base values count where no tree speaks. OneHotEncoder gives zeros for what is no category, also where `zeros` is 0.",
    "ZipMap leaves the tensor that it would make maps of, with the columns in the order of its labels: onnxruntime-web cannot return maps. Inputs that are maps (DictVectorizer, CastMap) are refused.",
    "Tokenizer takes regular expressions of RE2 without flags, names and classes of Unicode, each match in time that grows with the text. A Cast to texts writes eight digits, as onnxruntime does; one of texts takes numbers and nothing else.",
    "Random operators draw from one counter-based generator: the same model gives the same numbers in every run, from `seed`, or else from a fixed seed and the name of the node's output, so that two nodes differ.",
    "",
    "Not here, each refused with its name when a session is created: training (Adam, Adagrad, Momentum, Gradient); FlexAttention of ai.onnx.preview, whose scores are changed by graphs; ImageDecoder (the host decodes pictures: feed pixels);",
    "RegexFullMatch, whose patterns match in linear time, which those of JavaScript do not; of com.microsoft what searches or samples (BeamSearch, GreedySearch, Sampling), mixtures of experts (MoE, QMoE), Inverse, ConvTransposeWithDynamicPads, CropAndResize,",
    "MaxpoolWithMask, MurmurHash3, NGramRepeatBlock and DecoderMaskedMultiHeadAttention.",
  ];
  for (const [domain, title] of DOMAINS) {
    const rows = Object.entries(ALL)
      .filter(([key]) => key.slice(0, key.lastIndexOf("/")) === domain)
      .map(([key, record]) => [key.slice(key.lastIndexOf("/") + 1), record] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    lines.push(
      "",
      `## ${title}: ${rows.length}`,
      "",
      "| operator | versions | inputs | types | runs as |",
      "|---|---|---|---|---|",
    );
    for (const [op, record] of rows) {
      const versions = record.until === undefined ? `${record.since}…` : `${record.since}…${record.until}`;
      const place = `${domain}/${op}` in COMMON ? "" : ", chunk";
      const row = [op, versions, record.inputs ?? "", types(record), how(domain, op, record) + place];
      lines.push(`| ${row.join(" | ")} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

it("docs/operators.md says what the records say", () => {
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(FILE, table());
  expect(readFileSync(FILE, "utf8")).toBe(table());
});
