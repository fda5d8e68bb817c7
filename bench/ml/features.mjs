import { Tensor } from "../../dist/entries/index.js";

const base = { domain: "ai.onnx.ml", opset: 1 };
const f = (random, ...dims) =>
  new Tensor(
    "float32",
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => Math.round(random() * 32 - 16) / 8),
    dims,
  );
const i64 = (data, dims = [data.length]) => new Tensor("int64", data.map(BigInt), dims);
const texts = (data, dims = [data.length]) => new Tensor("string", data, dims);

export function* featureCases(random) {
  const one = (name, op, attributes, inputs, outputs, more = {}) => ({
    ...base,
    name,
    op,
    attributes,
    inputs,
    outputs,
    ...more,
  });
  const floats = (...names) => ({ kinds: Object.fromEntries(names.map((name) => [name, "floats"])) });
  yield one(
    "scaler",
    "Scaler",
    { offset: [1, 2, 0.5], scale: [2, 0.25, 3] },
    [f(random, 4, 3)],
    ["float32"],
    floats("offset", "scale"),
  );
  yield one(
    "scaler of one",
    "Scaler",
    { offset: [1], scale: [2] },
    [f(random, 4, 3)],
    ["float32"],
    floats("offset", "scale"),
  );
  yield one(
    "scaler of integers",
    "Scaler",
    { offset: [1], scale: [0.3] },
    [i64([1, 2, 3, 4], [2, 2])],
    ["float32"],
    floats("offset", "scale"),
  );
  for (const norm of ["MAX", "L1", "L2"]) {
    yield one(`normalizer ${norm}`, "Normalizer", { norm }, [f(random, 4, 3)], ["float32"]);
    yield one(
      `normalizer ${norm} of zeros`,
      "Normalizer",
      { norm },
      [new Tensor("float32", [0, 0, 3, -4], [2, 2])],
      ["float32"],
    );
  }
  const holes = new Tensor("float32", [1, Number.NaN, 3, Number.NaN, 5, 6], [2, 3]);
  yield one(
    "imputer NaN",
    "Imputer",
    { imputed_value_floats: [7, 8, 9], replaced_value_float: Number.NaN },
    [holes],
    ["float32"],
    floats("imputed_value_floats"),
  );
  yield one("imputer 3", "Imputer", { imputed_value_floats: [7], replaced_value_float: 3 }, [holes], ["float32"], {
    kinds: { imputed_value_floats: "floats", replaced_value_float: "float" },
  });
  yield one(
    "imputer of integers",
    "Imputer",
    { imputed_value_int64s: [7, 8], replaced_value_int64: 3 },
    [i64([3, 3, 1, 2], [2, 2])],
    ["int64"],
  );
  yield one("binarizer", "Binarizer", { threshold: 0.5 }, [f(random, 4, 3)], ["float32"]);
  yield one(
    "one-hot integers",
    "OneHotEncoder",
    { cats_int64s: [3, 1, 2], zeros: 1 },
    [i64([1, 2, 3, 4, 1, 2], [3, 2])],
    ["float32"],
  );
  yield one(
    "one-hot floats",
    "OneHotEncoder",
    { cats_int64s: [3, 1, 2], zeros: 1 },
    [new Tensor("float32", [1, 2.5, 3, 9], [4])],
    ["float32"],
  );
  yield one(
    "one-hot strings",
    "OneHotEncoder",
    { cats_strings: ["b", "a"], zeros: 1 },
    [texts(["a", "b", "c"])],
    ["float32"],
  );
  yield one("extract", "ArrayFeatureExtractor", {}, [f(random, 3, 4), i64([2, 0, 2])], ["float32"]);
  yield one("extract of a vector", "ArrayFeatureExtractor", {}, [f(random, 4), i64([2, 0])], ["float32"]);
  yield one(
    "extract strings",
    "ArrayFeatureExtractor",
    {},
    [texts(["a", "b", "c", "d"], [2, 2]), i64([1], [1, 1])],
    ["string"],
  );
  yield one(
    "vectorizer",
    "FeatureVectorizer",
    { inputdimensions: [2, 3] },
    [f(random, 2, 2), f(random, 2, 3)],
    ["float32"],
  );
  yield* labelCases(one, floats);
}

function* labelCases(one, floats) {
  const v2 = { opset: 2 };
  const strings = ["keys_strings", "values_strings"];
  const words = { [strings[0]]: ["a", "b", "ü"] };
  const numbers = { values_int64s: [4, -5, 6] };
  yield one(
    "labels string int64",
    "LabelEncoder",
    { ...words, ...numbers, default_int64: 42 },
    [texts(["ü", "a", "x", "b"], [2, 2])],
    ["int64"],
    v2,
  );
  yield one(
    "labels string int64 no default",
    "LabelEncoder",
    { ...words, ...numbers },
    [texts(["ü", "x"])],
    ["int64"],
    v2,
  );
  yield one(
    "labels string float",
    "LabelEncoder",
    { ...words, values_floats: [0.5, 1, 2] },
    [texts(["ü", "a", "x"])],
    ["float32"],
    { ...v2, ...floats("values_floats") },
  );
  yield one(
    "labels int64 string",
    "LabelEncoder",
    { keys_int64s: [4, -5], values_strings: ["p", "q"] },
    [i64([-5, 4, 0])],
    ["string"],
    v2,
  );
  yield one(
    "labels float string",
    "LabelEncoder",
    { keys_floats: [0.5, Number.NaN, 2], values_strings: ["p", "q", "r"], default_string: "d" },
    [new Tensor("float32", [2, Number.NaN, 0.5, 9], [4])],
    ["string"],
    { opset: 4, ...floats("keys_floats") },
  );
  yield one(
    "labels int64 float",
    "LabelEncoder",
    { keys_int64s: [4, 5], values_floats: [1, 2], default_float: 0.25 },
    [i64([5, 4, 0])],
    ["float32"],
    { opset: 2, kinds: { values_floats: "floats" } },
  );
  yield one(
    "labels of version 1",
    "LabelEncoder",
    { classes_strings: ["x", "y"], default_int64: 9 },
    [texts(["y", "x", "z"])],
    ["int64"],
  );
  yield one(
    "labels of version 1 back",
    "LabelEncoder",
    { classes_strings: ["x", "y"], default_string: "?" },
    [i64([1, 0, 2])],
    ["string"],
  );
  const tensors = {
    keys_tensor: new Tensor("int64", [1n, 2n], [2]),
    values_tensor: new Tensor("float64", [0.1, 0.2], [2]),
    default_tensor: new Tensor("float64", [0.3], [1]),
  };
  yield one("labels of tensors", "LabelEncoder", tensors, [i64([2, 1, 3])], ["float64"], { opset: 4, plain: false });
  yield one(
    "category mapper",
    "CategoryMapper",
    { cats_int64s: [5, 6], cats_strings: ["x", "y"], default_int64: -7 },
    [texts(["y", "x", "z"])],
    ["int64"],
  );
  yield one(
    "category mapper back",
    "CategoryMapper",
    { cats_int64s: [5, 6], cats_strings: ["x", "y"] },
    [i64([6, 5, 7])],
    ["string"],
  );
}
