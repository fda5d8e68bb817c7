// Writes test/fixtures/contrib.json: what onnxruntime answers for operators of its own domain, on small seeded inputs. The tests hold ours against it.
//
//     npm run build && node bench/contrib.mjs
import { writeFileSync } from "node:fs";
import ort from "onnxruntime-node";
import { writeOnnx } from "../dist/onnx/index.js";
import { CASES } from "./contrib/cases.mjs";

const MS = "com.microsoft";
const fixtures = [];
for (const [name, op, inputs, attributes, outputs, kept = 9] of CASES) {
  const typed = typeof outputs === "number" ? Array.from({ length: outputs }, (_, i) => `y${i}`) : outputs;
  const names = typed.map((one) => one.split(":")[0]);
  const typeOf = (one) => typed.find((each) => each.startsWith(`${one}:`))?.split(":")[1] ?? "float32";
  const initializers = new Map();
  const feeds = {};
  const infos = [];
  const given = inputs.map((input, i) => {
    if (input === "") return "";
    const constant = Array.isArray(input);
    const tensor = constant ? input[0] : input;
    if (constant) initializers.set(`x${i}`, tensor);
    else {
      feeds[`x${i}`] = new ort.Tensor(tensor.type, tensor.data, tensor.dims);
      infos.push({ name: `x${i}`, type: tensor.type, shape: tensor.dims });
    }
    return `x${i}`;
  });
  const made = names.filter((one) => one !== "");
  const graph = {
    name,
    opsets: { "": 17, [MS]: 1 },
    inputs: infos,
    initializers,
    outputs: made.map((one) => ({ name: one, type: typeOf(one), shape: undefined })),
    nodes: [{ name: op, op, domain: MS, inputs: given, outputs: names, attributes }],
  };
  try {
    const session = await ort.InferenceSession.create(writeOnnx(graph), { logSeverityLevel: 4 });
    const results = await session.run(feeds);
    const plain = (t) => ({ type: t.type, dims: [...t.dims], data: Array.from(t.data, Number) });
    fixtures.push({
      name,
      op,
      attributes,
      inputs: inputs.map((input) =>
        input === "" ? null : Array.isArray(input) ? { ...plain(input[0]), constant: true } : plain(input),
      ),
      outputs: names.slice(0, kept).map((one) => (one === "" ? null : { name: one, ...plain(results[one]) })),
    });
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  }
}
writeFileSync(new URL("../test/fixtures/contrib.json", import.meta.url), `${JSON.stringify(fixtures)}\n`);
console.log(`${fixtures.length} of ${CASES.length} cases`);
