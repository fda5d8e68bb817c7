import { Tensor } from "../../dist/entries/index.js";

const TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];
const AGGREGATES = ["AVERAGE", "SUM", "MIN", "MAX"];
const MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
const FEATURES = 4;

/** A row of a table of lists. */
function push(lists, row) {
  for (const [i, list] of Object.values(lists).entries()) list.push(row[i]);
}

/** Trees that split at quarters, so that values fall on thresholds too. */
function forest(random, { trees, modes, weightsOf }) {
  const nodes = {
    treeids: [],
    nodeids: [],
    featureids: [],
    values: [],
    modes: [],
    truenodeids: [],
    falsenodeids: [],
    missing: [],
  };
  const weights = { treeids: [], nodeids: [], ids: [], weights: [] };
  const pick = (all) => all[Math.floor(random() * all.length)];
  for (let tree = 0; tree < trees; tree++) {
    let next = 0;
    const grow = (depth) => {
      const id = next++;
      const at = nodes.nodeids.length;
      const isLeaf = depth === 0 || (depth < 3 && random() < 0.3);
      const row = [
        tree,
        id,
        Math.floor(random() * FEATURES),
        Math.round(random() * 8 - 4) / 4,
        isLeaf ? "LEAF" : pick(modes),
        0,
        0,
        Number(random() < 0.5),
      ];
      push(nodes, row);
      if (isLeaf) {
        for (const [target, weight] of weightsOf(random)) push(weights, [tree, id, target, weight]);
        return id;
      }
      nodes.truenodeids[at] = grow(depth - 1);
      nodes.falsenodeids[at] = grow(depth - 1);
      return id;
    };
    grow(3);
  }
  return { nodes, weights };
}

function attributesOf({ nodes, weights }, prefix, missing) {
  const { missing: tracks, ...named } = nodes;
  return {
    ...Object.fromEntries(Object.entries(named).map(([name, list]) => [`nodes_${name}`, list])),
    ...(missing && { nodes_missing_value_tracks_true: tracks }),
    ...Object.fromEntries(Object.entries(weights).map(([name, list]) => [`${prefix}_${name}`, list])),
  };
}

const KINDS = { nodes_values: "floats", target_weights: "floats", class_weights: "floats", base_values: "floats" };

function rows(random, count, type, nan) {
  const data = Array.from({ length: count * FEATURES }, () => Math.round(random() * 16 - 8) / 4);
  if (nan) for (let i = 0; i < data.length; i += 3) data[i] = Number.NaN;
  if (type.startsWith("int"))
    return new Tensor(
      type,
      data.map((v) => Math.round(v)),
      [count, FEATURES],
    );
  return new Tensor(type, data, [count, FEATURES]);
}

const small = (random) => Math.round(random() * 2000 - 1000) / 1024;

/** @param size - trees of an ensemble */
export function* ensembleCases(random, size) {
  const base = { domain: "ai.onnx.ml", opset: 3, kinds: KINDS };
  for (const [targets, transforms] of [
    [1, ["NONE", "PROBIT"]],
    [3, TRANSFORMS],
  ]) {
    for (const post_transform of transforms) {
      for (const aggregate_function of post_transform === "NONE" ? AGGREGATES : ["SUM"]) {
        for (const bases of [0, targets]) {
          const made = forest(random, {
            trees: size,
            modes: ["BRANCH_LEQ"],
            weightsOf: (r) =>
              Array.from({ length: targets }, (_, t) => [t, post_transform === "PROBIT" ? r() / 16 : small(r)]).filter(
                () => targets === 1 || r() < 0.8,
              ),
          });
          const base_values = Array.from({ length: bases }, () =>
            post_transform === "PROBIT" ? random() / 8 : small(random),
          );
          yield {
            ...base,
            name: `regressor ${targets} ${post_transform} ${aggregate_function} base ${bases}`,
            op: "TreeEnsembleRegressor",
            attributes: {
              ...attributesOf(made, "target", false),
              n_targets: targets,
              post_transform,
              aggregate_function,
              ...(bases > 0 && { base_values }),
            },
            inputs: [rows(random, 5, "float32", false)],
            outputs: ["float32"],
            ...(post_transform === "PROBIT" && { tolerance: 1e-4 }),
          };
        }
      }
    }
  }
  for (const mode of [...MODES, "mixed"]) {
    for (const missing of [false, true]) {
      const made = forest(random, {
        trees: size,
        modes: mode === "mixed" ? MODES : [mode],
        weightsOf: (r) => [[0, small(r)]],
      });
      for (const type of ["float32", "float64"]) {
        yield {
          ...base,
          name: `modes ${mode} ${missing ? "tracks" : "plain"} ${type}`,
          op: "TreeEnsembleRegressor",
          attributes: { ...attributesOf(made, "target", missing), n_targets: 1 },
          inputs: [rows(random, 6, type, type.startsWith("float"))],
          outputs: ["float32"],
        };
      }
    }
  }
  const classes = [
    ["binary positive", 2, (r) => [[0, r() / 5]]],
    ["binary positive 1", 2, (r) => [[1, r() / 5]]],
    ["binary mixed", 2, (r) => [[0, small(r)]]],
    ["binary mixed 1", 2, (r) => [[1, small(r)]]],
    [
      "two",
      2,
      (r) => {
        const p = r() / 5;
        return [
          [0, 0.2 - p],
          [1, p],
        ];
      },
    ],
    [
      "three",
      3,
      (r) => [
        [0, small(r)],
        [1, small(r)],
        [2, small(r)],
      ],
    ],
    ["three sparse", 3, (r) => [[Math.floor(r() * 3), small(r)]]],
  ];
  for (const [name, count, weightsOf] of classes) {
    for (const post_transform of TRANSFORMS) {
      // Two base values of two classes are not what onnxruntime adds, and of probits of one score it writes half.
      if (post_transform === "PROBIT" && name.startsWith("binary")) continue;
      for (const bases of count === 2 ? [0, ...(name.endsWith("1") || name === "two" ? [] : [1])] : [0, count]) {
        for (const labels of post_transform === "NONE" ? ["ints", "strings"] : ["ints"]) {
          const made = forest(random, { trees: size, modes: ["BRANCH_LEQ"], weightsOf });
          const base_values = Array.from({ length: bases }, () => small(random) / 4);
          yield {
            ...base,
            name: `classifier ${name} ${post_transform} ${labels} base ${bases}`,
            op: "TreeEnsembleClassifier",
            attributes: {
              ...attributesOf(made, "class", false),
              post_transform,
              ...(bases > 0 && { base_values }),
              ...(labels === "ints"
                ? { classlabels_int64s: [4, 7, 9].slice(0, count) }
                : { classlabels_strings: ["a", "b", "c"].slice(0, count) }),
            },
            inputs: [rows(random, 5, "float32", false)],
            outputs: [labels === "ints" ? "int64" : "string", "float32"],
            ...(post_transform === "PROBIT" && { tolerance: 1e-4 }),
            // Of two classes that both have scores onnxruntime takes the second one if its score is above 0, and names it 1.
            ...(name === "two" && { compared: [1] }),
          };
        }
      }
    }
  }
}
