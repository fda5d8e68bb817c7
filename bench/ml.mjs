// Writes test/fixtures/ml.json: what onnxruntime answers for operators of ai.onnx.ml and of strings, on small seeded inputs. The tests hold ours against it.
//
//     npm run build && node bench/ml.mjs            writes the file
//     node bench/ml.mjs --seeds=50 [--filter=RE]    compares that many seeds of every case with ours instead
import { writeFileSync } from "node:fs";
import ort from "onnxruntime-node";
import { InferenceSession } from "../dist/entries/index.js";
import { writeOnnx } from "../dist/onnx/index.js";
import { ensembleCases } from "./ml/ensembles.mjs";
import { featureCases } from "./ml/features.mjs";
import { linearCases } from "./ml/linear.mjs";
import { stringCases } from "./ml/strings.mjs";

ort.env.logLevel = "fatal";
const args = process.argv.slice(2);
const option = (name) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const filter = new RegExp(option("filter") ?? "");

/** Numbers of a small linear congruential generator. */
function numbers(seed) {
  let state = seed * 7919 + 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 24;
  };
}

function* cases(seed, trees) {
  for (const make of [ensembleCases, linearCases, featureCases, stringCases])
    for (const one of make(numbers(seed), trees)) if (filter.test(one.name)) yield one;
}

function onnxOf({ name, op, domain, opset, opsets = {}, attributes, kinds, inputs, outputs }) {
  const named = inputs.map((tensor, i) => [`x${i}`, tensor]);
  return writeOnnx({
    name,
    opsets: { "": 17, ...(domain !== "" && { [domain]: opset }), ...opsets },
    inputs: named.map(([input, { type, dims }]) => ({ name: input, type, shape: dims.map((_, i) => `${input}_${i}`) })),
    outputs: outputs.map((type, i) => ({ name: `y${i}`, type, shape: undefined })),
    initializers: new Map(),
    nodes: [
      {
        name: op,
        op,
        domain,
        inputs: named.map(([input]) => input),
        outputs: outputs.map((_, i) => `y${i}`),
        attributes,
        kinds,
      },
    ],
  });
}

const plain = ({ type, dims, data }) => ({
  type,
  dims: [...dims],
  data: type === "string" ? [...data] : Array.from(data, Number),
});

/** Numbers that JSON does not have. */
const spelled = (_, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value);

async function theirs(one) {
  const session = await ort.InferenceSession.create(onnxOf(one), { intraOpNumThreads: 1 });
  const feeds = Object.fromEntries(
    one.inputs.map(({ type, data, dims }, i) => [`x${i}`, new ort.Tensor(type, data, dims)]),
  );
  const results = await session.run(feeds);
  await session.release();
  return one.outputs.map((_, i) => results[`y${i}`]);
}

async function ours(one) {
  const session = await InferenceSession.create(onnxOf(one), { preset: "float32" });
  const results = await session.run(Object.fromEntries(one.inputs.map((x, i) => [`x${i}`, x])));
  await session.release();
  return one.outputs.map((_, i) => results[`y${i}`]);
}

function difference(one, expected, got) {
  if (expected.type !== got.type) return `type ${got.type}, expected ${expected.type}`;
  if (expected.dims.join() !== got.dims.join()) return `shape [${got.dims}], expected [${expected.dims}]`;
  for (const [i, value] of expected.data.entries()) {
    const own = got.data[i];
    if (Object.is(value, own) || value === own) continue;
    if (typeof value === "number" && Math.abs(value - own) <= (one.tolerance ?? 2e-6) * Math.max(1, Math.abs(value)))
      continue;
    return `${own} at ${i}, expected ${value}: ${Array.from(got.data).slice(0, 8)} | ${Array.from(expected.data).slice(0, 8)}`;
  }
  return undefined;
}

if (option("seeds") === undefined) {
  const fixtures = [];
  for (const one of cases(1, 2)) {
    if (one.plain === false) continue;
    const { inputs, outputs, compared = outputs.map((_, i) => i), ...rest } = one;
    const answers = (await theirs(one)).map((tensor, i) =>
      compared.includes(i) ? plain(tensor) : { type: outputs[i] },
    );
    fixtures.push({ ...rest, inputs: inputs.map(plain), outputs: answers });
  }
  writeFileSync(
    new URL("../test/fixtures/ml.json", import.meta.url),
    `[\n${fixtures.map((f) => JSON.stringify(f, spelled)).join(",\n")}\n]\n`,
  );
  console.log(`${fixtures.length} cases`);
} else {
  const found = new Map();
  let count = 0;
  for (let seed = 1; seed <= Number(option("seeds")); seed++) {
    for (const one of cases(seed, 5)) {
      count++;
      let why;
      try {
        const expected = await theirs(one);
        const got = await ours(one);
        const compared = one.compared ?? one.outputs.map((_, i) => i);
        why = compared.map((i) => difference(one, expected[i], got[i])).find((d) => d !== undefined);
      } catch (error) {
        why = `${error.message.slice(0, 300)}`;
      }
      if (why !== undefined) found.set(one.name, [...(found.get(one.name) ?? []), `seed ${seed}: ${why}`]);
    }
  }
  for (const [name, all] of found) console.log(`${name}: ${all.length}\n    ${all[0]}`);
  console.log(`${count} runs, ${[...found.values()].flat().length} differ`);
}
