import type { Operator } from "../operator.ts";
import { sameAs } from "../rewrite.ts";

/** Operators that ONNX has had since, or that a few of its own are. */
export const contribStandard = {
  "com.microsoft/ExpandDims": {
    since: 1,
    becomes: (node, make) => {
      const [x = "", axis = ""] = node.inputs;
      return make.end("Unsqueeze", [x, make.op("Reshape", [axis, make.integers("vector", [1])])]);
    },
  },
  "com.microsoft/Trilu": { since: 1, others: "upper:int", becomes: sameAs("Trilu") },
  "com.microsoft/GatherND": { since: 1, becomes: sameAs("GatherND") },
  "com.microsoft/GridSample": {
    since: 1,
    others: "align_corners:int mode:text padding_mode:text",
    becomes: sameAs("GridSample"),
  },
  "com.microsoft/Pad": { since: 1, others: "mode:text", becomes: sameAs("Pad") },
  "com.microsoft/Range": {
    since: 1,
    becomes: (node, make) => {
      const [start = "", limit = "", delta = make.op("CastLike", [make.integers("one", [1]), start])] = node.inputs;
      return make.end("Range", [start, limit, delta]);
    },
  },
  // In the order in which values come first; without the places of these.
  "com.microsoft/Unique": {
    since: 1,
    becomes: (node, make) => {
      const [x = ""] = node.inputs;
      const [y = "", inverse = "", counts = ""] = node.outputs;
      return [{ ...make.end("Unique", [x], { sorted: 0 })[0]!, outputs: [y, "", inverse, counts] }];
    },
  },
  // Differences, not products of the rows less their squares as onnxruntime: rows that are nearly the same keep their distance.
  "com.microsoft/CDist": {
    since: 1,
    others: "metric:text",
    becomes: (node, make) => {
      const [a = "", b = ""] = node.inputs;
      const { metric = "sqeuclidean" } = node.attributes;
      if (metric !== "sqeuclidean" && metric !== "euclidean")
        throw make.fail(`"metric" expected sqeuclidean or euclidean, got ${metric}`, "MODEL");
      const apart = make.op("Sub", [
        make.op("Unsqueeze", [a, make.integers("between", [1])]),
        make.op("Unsqueeze", [b, make.integers("before", [0])]),
      ]);
      const inputs = [apart, make.integers("last", [2])];
      if (metric !== "euclidean") return make.end("ReduceSumSquare", inputs, { keepdims: 0 });
      return make.end("ReduceL2", inputs, { keepdims: 0 });
    },
  },
} as const satisfies Readonly<Record<string, Operator>>;
