import { Tensor } from "../../dist/entries/index.js";

const TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];
const FEATURES = 4;
const KINDS = Object.fromEntries(
  ["coefficients", "intercepts", "kernel_params", "prob_a", "prob_b", "rho", "support_vectors"].map((name) => [
    name,
    "floats",
  ]),
);

const list = (random, count, scale = 1) =>
  Array.from({ length: count }, () => (Math.round(random() * 2048 - 1024) / 1024) * scale);
const rows = (random, count = 5) => new Tensor("float32", list(random, count * FEATURES), [count, FEATURES]);

export function* linearCases(random) {
  const base = { domain: "ai.onnx.ml", opset: 1, kinds: KINDS };
  for (const post_transform of TRANSFORMS) {
    const tolerance = post_transform === "PROBIT" ? { tolerance: 1e-4 } : {};
    for (const targets of [1, 3]) {
      // onnxruntime leaves the one score of a regressor as it is, but for PROBIT; the standard does not.
      if (targets === 1 && !["NONE", "PROBIT"].includes(post_transform)) continue;
      yield {
        ...base,
        ...tolerance,
        name: `linear regressor ${targets} ${post_transform}`,
        op: "LinearRegressor",
        attributes: {
          coefficients: list(random, targets * FEATURES, 0.2),
          intercepts: list(random, targets),
          targets,
          post_transform,
        },
        inputs: [rows(random)],
        outputs: ["float32"],
      };
    }
    for (const [classes, targets] of [
      [2, 1],
      [2, 2],
      [3, 3],
    ]) {
      // Of probits of one score onnxruntime writes half.
      if (targets === 1 && post_transform === "PROBIT") continue;
      yield {
        ...base,
        ...tolerance,
        name: `linear classifier ${classes} of ${targets} ${post_transform}`,
        op: "LinearClassifier",
        attributes: {
          coefficients: list(random, targets * FEATURES),
          intercepts: list(random, targets),
          post_transform,
          classlabels_ints: [4, 7, 9].slice(0, classes),
        },
        inputs: [rows(random)],
        outputs: ["int64", "float32"],
      };
    }
  }
  yield {
    ...base,
    name: "linear classifier strings",
    op: "LinearClassifier",
    attributes: {
      coefficients: list(random, 3 * FEATURES),
      intercepts: list(random, 3),
      post_transform: "SOFTMAX",
      classlabels_strings: ["a", "ü", "c"],
    },
    inputs: [rows(random)],
    outputs: ["string", "float32"],
  };
  yield* machines(random, base);
}

function* machines(random, base) {
  for (const kernel_type of ["LINEAR", "POLY", "RBF", "SIGMOID"]) {
    const kernel = { kernel_type, kernel_params: [0.5, 0.25, 2] };
    for (const one_class of [0, 1]) {
      yield {
        ...base,
        name: `svm regressor ${kernel_type} one class ${one_class}`,
        op: "SVMRegressor",
        attributes: {
          ...kernel,
          one_class,
          n_supports: 6,
          coefficients: list(random, 6),
          support_vectors: list(random, 6 * FEATURES),
          rho: list(random, 1),
        },
        inputs: [rows(random)],
        outputs: ["float32"],
      };
    }
    for (const counts of [
      [3, 4],
      [2, 3, 2],
      [1, 2, 3, 2],
    ]) {
      const vectors = counts.reduce((a, b) => a + b, 0);
      const pairs = (counts.length * (counts.length - 1)) / 2;
      for (const probabilities of [false, true]) {
        const made = {
          ...base,
          op: "SVMClassifier",
          inputs: [rows(random)],
          outputs: ["int64", "float32"],
          tolerance: 1e-5,
        };
        const attributes = {
          ...kernel,
          vectors_per_class: counts,
          coefficients: list(random, (counts.length - 1) * vectors),
          support_vectors: list(random, vectors * FEATURES),
          rho: list(random, pairs, 0.25),
          classlabels_ints: [4, 7, 9, 12].slice(0, counts.length),
          ...(probabilities && { prob_a: list(random, pairs, 2), prob_b: list(random, pairs, 0.5) }),
        };
        yield {
          ...made,
          name: `svm ${kernel_type} ${counts.length} ${probabilities ? "probabilities" : "scores"}`,
          attributes,
        };
        if (kernel_type !== "RBF" || counts.length > 3) continue;
        for (const post_transform of ["SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"])
          yield {
            ...made,
            name: `svm ${post_transform} ${counts.length} ${probabilities ? "probabilities" : "scores"}`,
            attributes: { ...attributes, post_transform },
          };
      }
    }
  }
  for (const post_transform of ["NONE", "LOGISTIC", "SOFTMAX"])
    yield {
      ...base,
      name: `svm without vectors ${post_transform}`,
      op: "SVMClassifier",
      attributes: {
        coefficients: list(random, 3 * FEATURES),
        rho: list(random, 1),
        classlabels_ints: [4, 7, 9],
        kernel_params: [0, 0, 0],
        post_transform,
      },
      inputs: [rows(random)],
      outputs: ["int64", "float32"],
    };
}
