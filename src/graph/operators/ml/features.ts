import type { ElementType } from "../../../tensor/index.ts";
import { shape } from "../attend.ts";
import type { Call } from "../call.ts";
import { typeCode } from "../cast.ts";
import type { Maker } from "../maker.ts";
import { ANY, type Operator } from "../operator.ts";
import { exactly, numbersOf, textsOf } from "./attributes.ts";

/** What the operators of this domain take for numbers. */
export const INPUT: readonly ElementType[] = ["float32", "float64", "int32", "int64"];

/** An input in float32, as which the operators compute. */
export function inFloat32(call: Call, make: Maker, i = 0): string {
  const x = call.node.inputs[i]!;
  return call.type(i) === "float32" ? x : make.op("Cast", [x], { to: typeCode("float32") });
}

/** An attribute of one number, or of one for each feature, as a constant that broadcasts over rows. */
function perFeature(call: Call, make: Maker, name: string, type: ElementType = "float32"): string {
  const numbers = numbersOf(call.node.attributes, name);
  const features = call.shape(0).at(-1) ?? 1;
  if (numbers.length !== 1 && numbers.length !== features)
    throw call.fail(`"${name}" expected 1 or ${features} numbers, got ${numbers.length}`);
  return make.tensor(name, type, numbers);
}

const scaler: Operator["expands"] = (call, make) => {
  const { attributes } = call.node;
  let x = inFloat32(call, make);
  if ("offset" in attributes) x = make.op("Sub", [x, perFeature(call, make, "offset")]);
  return "scale" in attributes ? make.end("Mul", [x, perFeature(call, make, "scale")]) : make.end("Identity", [x]);
};

/** Rows over their largest element, the sum of their sizes or their length; a row of zeros stays. */
const normalizer: Operator["expands"] = (call, make) => {
  const rank = call.shape(0).length;
  if (rank !== 1 && rank !== 2) throw call.fail("the input expected shape [features] or [rows, features]");
  const x = inFloat32(call, make);
  const last = make.integers("last", [-1]);
  const norm = call.text("norm", "MAX");
  const reduction = { MAX: "ReduceMax", L1: "ReduceL1", L2: "ReduceL2" }[norm]!;
  const size = make.op(reduction, [x, last], { keepdims: 1 });
  const isZero = make.op("Equal", [size, make.tensor("zero", "float32", 0)]);
  return make.end("Div", [x, make.op("Where", [isZero, make.tensor("one", "float32", 1), size])]);
};

const imputer: Operator["expands"] = (call, make) => {
  const isInteger = call.type(0).startsWith("int");
  const [values, replaced] = isInteger
    ? ["imputed_value_int64s", "replaced_value_int64"]
    : ["imputed_value_floats", "replaced_value_float"];
  const x = call.node.inputs[0]!;
  const given = call.number(replaced, 0);
  const isReplaced = Number.isNaN(given)
    ? make.op("IsNaN", [x])
    : make.op("Equal", [x, make.tensor("replaced", call.type(0), given)]);
  return make.end("Where", [isReplaced, perFeature(call, make, values, call.type(0)), x]);
};

const binarizer: Operator["expands"] = (call, make) => {
  const type = call.type(0);
  const x = call.node.inputs[0]!;
  // An integer is compared as the float that the threshold is.
  const wide = type.startsWith("int") ? make.op("Cast", [x], { to: typeCode("float32") }) : x;
  const bound = make.tensor("threshold", type === "float64" ? "float64" : "float32", call.number("threshold", 0));
  return make.end("Cast", [make.op("Greater", [wide, bound])], { to: typeCode(type) });
};

/** One column for each category; what is none of them has zeros only. */
const oneHot: Operator["expands"] = (call, make) => {
  const { attributes } = call.node;
  const isText = call.type(0) === "string";
  const all = isText ? textsOf(attributes, "cats_strings") : numbersOf(attributes, "cats_int64s");
  if (all.length === 0)
    throw call.fail(`"${isText ? "cats_strings" : "cats_int64s"}" expected categories for ${call.type(0)}`);
  const x = call.node.inputs[0]!;
  const values = isText ? x : make.op("Cast", [x], { to: typeCode("int64") });
  const categories = make.tensor("categories", isText ? "string" : "int64", all as readonly number[], [all.length]);
  const column = make.op("Unsqueeze", [values, make.integers("last", [-1])]);
  return make.end("Cast", [make.op("Equal", [column, categories])], { to: typeCode("float32") });
};

const extract: Operator["expands"] = (call, make) => {
  const dims = call.shape(0);
  const count = call.shape(1).reduce((a, b) => a * b, 1);
  if (dims.length === 0 || count === 0) throw call.fail("expected features, and indices of some");
  const picked = make.op(
    "Gather",
    [call.node.inputs[0]!, make.op("Reshape", [call.node.inputs[1]!, shape(make, [count])])],
    {
      axis: -1,
    },
  );
  return make.end("Reshape", [picked, shape(make, dims.length === 1 ? [1, count] : [...dims.slice(0, -1), count])]);
};

/** The features of all inputs side by side. */
const vectorize: Operator["expands"] = (call, make) => {
  const rows = call.shape(0)[0] ?? 1;
  const widths = exactly(call.node.attributes, "inputdimensions", call.count, (why) => call.fail(why));
  const parts = widths.map((width, i) => {
    const dims = call.shape(i);
    const size = dims.slice(1).reduce((a, b) => a * b, 1);
    if (dims.length === 0 || dims[0] !== rows || size !== width)
      throw call.fail(`input ${i} expected shape [${rows}, ${width}]`);
    return make.op("Reshape", [inFloat32(call, make, i), shape(make, [rows, width])]);
  });
  return make.end("Concat", parts, { axis: 1 });
};

/** Maps are no values here. */
const ofMaps: Operator["becomes"] = (_, make) => {
  throw make.fail("it takes a map, and a value is a tensor, a sequence or an optional here");
};

/**
 * ZipMap would give each row as a map from label to probability. Its tensor is what a caller can use, and what other runtimes in JavaScript cannot give
 * once it has become maps: it stays one, with the columns in the order of the labels.
 */
const zipMap: Operator["becomes"] = (node, make) => make.end("Identity", node.inputs.slice(0, 1));

export const features = {
  "ai.onnx.ml/Scaler": {
    since: 1,
    inputs: "T",
    types: { T: INPUT },
    attributes: { offset: "floats", scale: "floats" },
    expands: scaler,
  },
  "ai.onnx.ml/Normalizer": {
    since: 1,
    inputs: "T",
    types: { T: INPUT },
    attributes: { norm: ["MAX", "L1", "L2"] },
    expands: normalizer,
  },
  "ai.onnx.ml/Imputer": {
    since: 1,
    inputs: "T",
    types: { T: INPUT },
    attributes: {
      imputed_value_floats: "floats",
      imputed_value_int64s: "ints",
      replaced_value_float: "float",
      replaced_value_int64: "int",
    },
    expands: imputer,
  },
  "ai.onnx.ml/Binarizer": {
    since: 1,
    inputs: "T",
    types: { T: INPUT },
    attributes: { threshold: "float" },
    expands: binarizer,
  },
  "ai.onnx.ml/OneHotEncoder": {
    since: 1,
    inputs: "T",
    types: { T: [...INPUT, "string"] },
    attributes: { cats_int64s: "ints", cats_strings: "texts", zeros: "int" },
    expands: oneHot,
  },
  "ai.onnx.ml/ArrayFeatureExtractor": { since: 1, inputs: "T int64", types: { T: ANY }, expands: extract },
  "ai.onnx.ml/FeatureVectorizer": {
    since: 1,
    inputs: "T...",
    types: { T: INPUT },
    attributes: { inputdimensions: "ints" },
    expands: vectorize,
  },
  "ai.onnx.ml/ZipMap": { since: 1, others: "classlabels_int64s:ints classlabels_strings:texts", becomes: zipMap },
  "ai.onnx.ml/DictVectorizer": { since: 1, others: "int64_vocabulary:ints string_vocabulary:texts", becomes: ofMaps },
  "ai.onnx.ml/CastMap": { since: 1, others: "cast_to:text map_form:text max_map:int", becomes: ofMaps },
} as const satisfies Readonly<Record<string, Operator>>;
