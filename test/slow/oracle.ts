// Judges the judge: the test suite's own interpreter (test/support/oracle) against ONNX's node cases, whose answers come from elsewhere.
//
//     BITBASIS_CONFORMANCE=folder node --import ./test/support/typescript.mjs test/slow/oracle.ts [--verbose]
//
// The folder holds a folder per case with model.onnx, test_data_set_*, and perhaps tol (rtol and atol). Exit 1 on a wrong answer.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readOnnx } from "../../src/onnx/index.ts";
import { readTensorProto } from "../../src/onnx/schema.ts";
import { readTensor } from "../../src/onnx/tensors.ts";
import { StrictReader } from "../../src/onnx/wire.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import { interpret, Refusal } from "../support/oracle/index.ts";
import { fromTensor } from "../support/oracle/value.ts";

const folder = process.env["BITBASIS_CONFORMANCE"];
if (folder === undefined) {
  console.log("skipped: BITBASIS_CONFORMANCE names no folder of cases");
  process.exit(0);
}
const verbose = process.argv.includes("--verbose");
/** Where the oracle answers otherwise on purpose. */
const DEVIATIONS: readonly (readonly [RegExp, string])[] = [
  [/^test_resize_downsample_scales_(cubic|linear)_align_corners$/, "corners are those of the resized tensor"],
  [/^test_attention_4d_causal_fp16_expanded$/, "float16 is rounded after every operator: one bit"],
];
const counts = { right: 0, wrong: 0, refused: 0, unread: 0 };
const refusals = new Map<string, number>();

for (const name of readdirSync(folder).sort()) {
  const model = join(folder, name, "model.onnx");
  if (!existsSync(model)) continue;
  let outcome: string | undefined;
  try {
    if (DEVIATIONS.some(([names]) => names.test(name))) continue;
    outcome = wrong(join(folder, name), new Uint8Array(readFileSync(model)));
    counts[outcome === undefined ? "right" : "wrong"]++;
    if (outcome !== undefined) console.log(`wrong: ${name}: ${outcome}`);
  } catch (error) {
    const refused = error instanceof Refusal;
    counts[refused ? "refused" : "unread"]++;
    const why = `${refused ? "" : "unread: "}${(error as Error).message.split("\n")[0]}`;
    refusals.set(why, (refusals.get(why) ?? 0) + 1);
    if (verbose) console.log(`${refused ? "refused" : "unread"}: ${name}: ${why}`);
  }
}
console.log(
  `${counts.right} right, ${counts.wrong} wrong, ${counts.refused} refused by the oracle, ${counts.unread} not read`,
);
process.exitCode = counts.wrong > 0 ? 1 : 0;

/** What is wrong with the answer to the case in `path`. */
function wrong(path: string, bytes: Uint8Array): string | undefined {
  const graph = readOnnx(bytes);
  const inner = new Set(graph.initializers.keys());
  const inputs = graph.inputs.filter(({ name }) => !inner.has(name));
  const [rtol, atol] = existsSync(join(path, "tol"))
    ? readFileSync(join(path, "tol"), "utf8").trim().split(/\s+/).map(Number)
    : [1e-3, 1e-7];
  for (const set of readdirSync(path).filter((f) => f.startsWith("test_data_set"))) {
    const feeds = Object.fromEntries(inputs.map(({ name }, i) => [name, load(join(path, set, `input_${i}.pb`))]));
    const values = interpret(graph, feeds);
    for (const [i, { name }] of graph.outputs.entries()) {
      const why = differs(values.get(name)!, load(join(path, set, `output_${i}.pb`)), rtol!, atol!);
      if (why !== undefined) return `"${name}" ${why}`;
    }
  }
  return undefined;
}

function load(path: string): Tensor {
  const bytes = new Uint8Array(readFileSync(path));
  return readTensor(readTensorProto(new StrictReader(bytes), bytes.length), path);
}

function differs(got: Tensor, expected: Tensor, rtol: number, atol: number): string | undefined {
  if (got.type !== expected.type) return `has type ${got.type}, not ${expected.type}`;
  if (got.dims.join() !== expected.dims.join()) return `has shape [${got.dims}], not [${expected.dims}]`;
  const [a, b] = [fromTensor(got).data, fromTensor(expected).data];
  for (const [i, y] of b.entries()) {
    const x = a[i];
    if (Object.is(x, y) || x === y) continue;
    if (typeof x === "number" && Math.abs(x - (y as number)) <= atol + rtol * Math.abs(y as number)) continue;
    return `[${i}] = ${x}, not ${y}`;
  }
  return undefined;
}
