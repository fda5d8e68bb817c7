import { Tensor } from "../../dist/entries/index.js";

const texts = (data, dims = [data.length]) => new Tensor("string", data, dims);

export function* stringCases(random) {
  const base = { domain: "", opset: 21, opsets: { "": 21 }, outputs: ["string"] };
  const words = ["a", "bb", "Üb", "the", "The", "x y", ""];
  const pick = (count) => Array.from({ length: count }, () => words[Math.floor(random() * words.length)]);
  yield {
    ...base,
    name: "string concat",
    op: "StringConcat",
    attributes: {},
    inputs: [texts(pick(6), [2, 3]), texts(pick(3), [3])],
  };
  for (const [delimiter, maxsplit] of [
    [undefined, undefined],
    ["b", undefined],
    [undefined, 1],
    [" ", 2],
    ["aa", 1],
  ]) {
    yield {
      ...base,
      name: `string split ${delimiter} ${maxsplit}`,
      op: "StringSplit",
      attributes: { ...(delimiter !== undefined && { delimiter }), ...(maxsplit !== undefined && { maxsplit }) },
      inputs: [texts([" x  y z ", "", "abcb", "aaaab  ", ...pick(2)], [3, 2])],
      outputs: ["string", "int64"],
    };
  }
  for (const case_change_action of ["NONE", "LOWER", "UPPER"]) {
    for (const is_case_sensitive of [0, 1]) {
      yield {
        ...base,
        name: `string normalizer ${case_change_action} ${is_case_sensitive}`,
        op: "StringNormalizer",
        attributes: { case_change_action, is_case_sensitive, stopwords: ["the", "x y"], locale: "C" },
        inputs: [texts(["The", "ub", "THE", "uB", ...pick(2).map((text) => text.replace("Ü", "U"))])],
      };
    }
  }
  yield {
    ...base,
    name: "string normalizer of stop words",
    op: "StringNormalizer",
    attributes: { stopwords: ["a"], is_case_sensitive: 1 },
    inputs: [texts(["a", "a"])],
  };
  for (const mode of ["TF", "IDF", "TFIDF"]) {
    for (const [min_gram_length, max_gram_length, max_skip_count] of [
      [1, 1, 2],
      [1, 2, 0],
      [2, 3, 1],
      [1, 3, 2],
    ]) {
      yield {
        ...base,
        name: `tfidf ${mode} ${min_gram_length} ${max_gram_length} ${max_skip_count}`,
        op: "TfIdfVectorizer",
        kinds: { weights: "floats" },
        attributes: {
          mode,
          min_gram_length,
          max_gram_length,
          max_skip_count,
          pool_int64s: [1, 2, 3, 1, 2, 2, 2, 3, 1, 1, 2, 3, 2, 2, 2],
          ngram_counts: [0, 3, 9],
          ngram_indexes: [0, 1, 2, 3, 4, 5, 7, 6],
          weights: [0.5, 1, 2, 3, 4, 5, 6, 7],
        },
        inputs: [
          new Tensor(
            "int64",
            Array.from({ length: 14 }, () => BigInt(Math.floor(random() * 3) + 1)),
            [2, 7],
          ),
        ],
        outputs: ["float32"],
      };
    }
  }
}
