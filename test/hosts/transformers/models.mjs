// Small models in the layout of the Hugging Face hub, made here: random weights from a fixed seed, and a tokenizer of 32 words.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeOnnx } from "../../../dist/onnx/index.js";
import { randomTensor, Tensor, uniformNumbers } from "../../../dist/tensor/index.js";

const WORDS =
  "[PAD] [UNK] <s> </s> a the cat dog sat ran on under mat tree and then saw red blue sky bird flew over hill home slept woke ate fish jumped high low".split(
    " ",
  );
const [VOCABULARY, HIDDEN, HEADS] = [WORDS.length, 32, 2];

const random = uniformNumbers(7);
const weights = (...dims) =>
  new Tensor(
    "float32",
    randomTensor("float32", dims, random).data.map((v) => v / 4),
    dims,
  );
const ids = (...values) => new Tensor("int64", values);

/** A graph from `[op, inputs, outputs, attributes]`. */
function graph({ inputs, initializers, nodes, outputs }) {
  return writeOnnx({
    name: "model",
    opsets: { "": 17 },
    inputs: inputs.map(([name, type, ...shape]) => ({ name, type, shape })),
    outputs: outputs.map(([name, ...shape]) => ({ name, type: "float32", shape })),
    nodes: nodes.map(([op, from, to, attributes = {}], i) => ({
      ...{ name: `${op}_${i}`, op, domain: "" },
      inputs: from,
      outputs: to,
      attributes,
    })),
    initializers: new Map(Object.entries(initializers)),
  });
}

const TEXT = [
  ["input_ids", "int64", "batch_size", "length"],
  ["attention_mask", "int64", "batch_size", "length"],
];
/** Embeddings, one layer, padding set to nothing: h [batch, length, HIDDEN]. */
const ENCODER = {
  initializers: { table: weights(VOCABULARY, HIDDEN), w1: weights(HIDDEN, HIDDEN), last: ids(-1) },
  nodes: [
    ["Gather", ["table", "input_ids"], ["e"]],
    ["MatMul", ["e", "w1"], ["m"]],
    ["Tanh", ["m"], ["t"]],
    ["Cast", ["attention_mask"], ["mask"], { to: 1 }],
    ["Unsqueeze", ["mask", "last"], ["masks"]],
    ["Mul", ["t", "masks"], ["h"]],
  ],
};

const head = (size) => ({ inputs: TEXT, initializers: { ...ENCODER.initializers, w2: weights(HIDDEN, size) } });

/** One decoder layer with a KV cache: the answer depends on every token before. */
function decoder() {
  const [size, past] = [HIDDEN / HEADS, ["batch_size", HEADS, "past_sequence_length", HIDDEN / HEADS]];
  const project = (name) => [
    ["MatMul", ["e", `w${name}`], [`${name}0`]],
    ["Reshape", [`${name}0`, "heads"], [`${name}1`]],
    ["Transpose", [`${name}1`], [`${name}2`], { perm: [0, 2, 1, 3] }],
  ];
  return graph({
    inputs: [
      ["input_ids", "int64", "batch_size", "length"],
      ["attention_mask", "int64", "batch_size", "total_length"],
      ["position_ids", "int64", "batch_size", "length"],
      ["past_key_values.0.key", "float32", ...past],
      ["past_key_values.0.value", "float32", ...past],
    ],
    initializers: {
      ...{ table: weights(VOCABULARY, HIDDEN), places: weights(64, HIDDEN), out: weights(HIDDEN, VOCABULARY) },
      ...{ wq: weights(HIDDEN, HIDDEN), wk: weights(HIDDEN, HIDDEN), wv: weights(HIDDEN, HIDDEN) },
      ...{ heads: ids(0, 0, HEADS, size), flat: ids(0, 0, HIDDEN), scale: new Tensor("float32", [size ** -0.5], []) },
    },
    nodes: [
      ["Gather", ["table", "input_ids"], ["words"]],
      ["Gather", ["places", "position_ids"], ["at"]],
      ["Add", ["words", "at"], ["e"]],
      ...["q", "k", "v"].flatMap(project),
      ["Concat", ["past_key_values.0.key", "k2"], ["present.0.key"], { axis: 2 }],
      ["Concat", ["past_key_values.0.value", "v2"], ["present.0.value"], { axis: 2 }],
      ["Transpose", ["present.0.key"], ["kt"], { perm: [0, 1, 3, 2] }],
      ["MatMul", ["q2", "kt"], ["scores"]],
      ["Mul", ["scores", "scale"], ["scaled"]],
      ["Softmax", ["scaled"], ["p"], { axis: -1 }],
      ["MatMul", ["p", "present.0.value"], ["o"]],
      ["Transpose", ["o"], ["ot"], { perm: [0, 2, 1, 3] }],
      ["Reshape", ["ot", "flat"], ["of"]],
      ["Add", ["of", "e"], ["s"]],
      ["MatMul", ["s", "out"], ["logits"]],
    ],
    outputs: [
      ["logits", "batch_size", "length", VOCABULARY],
      ["present.0.key", "batch_size", HEADS, "all", size],
      ["present.0.value", "batch_size", HEADS, "all", size],
    ],
  });
}

const bert = {
  model_type: "bert",
  hidden_size: HIDDEN,
  num_attention_heads: HEADS,
  num_hidden_layers: 1,
  vocab_size: VOCABULARY,
};
const labels = (...names) => ({
  id2label: { ...names },
  label2id: Object.fromEntries(names.map((name, i) => [name, i])),
});

const MODELS = {
  features: {
    config: { ...bert, architectures: ["BertModel"] },
    onnx: () =>
      graph({
        ...ENCODER,
        inputs: TEXT,
        nodes: [...ENCODER.nodes, ["Identity", ["h"], ["last_hidden_state"]]],
        outputs: [["last_hidden_state", "batch_size", "length", HIDDEN]],
      }),
  },
  sentiment: {
    config: { ...bert, architectures: ["BertForSequenceClassification"], ...labels("NEGATIVE", "POSITIVE") },
    onnx: () =>
      graph({
        ...head(2),
        nodes: [
          ...ENCODER.nodes,
          ["ReduceMean", ["h"], ["mean"], { axes: [1], keepdims: 0 }],
          ["MatMul", ["mean", "w2"], ["logits"]],
        ],
        outputs: [["logits", "batch_size", 2]],
      }),
  },
  entities: {
    config: { ...bert, architectures: ["BertForTokenClassification"], ...labels("O", "B-ANIMAL", "B-PLACE") },
    onnx: () =>
      graph({
        ...head(3),
        nodes: [...ENCODER.nodes, ["MatMul", ["h", "w2"], ["logits"]]],
        outputs: [["logits", "batch_size", "length", 3]],
      }),
  },
  story: {
    config: {
      ...{
        model_type: "gpt2",
        architectures: ["GPT2LMHeadModel"],
        n_embd: HIDDEN,
        n_head: HEADS,
        n_layer: 1,
        n_positions: 64,
      },
      ...{
        vocab_size: VOCABULARY,
        bos_token_id: 2,
        eos_token_id: 3,
        "transformers.js_config": { kv_cache_dtype: "float32" },
      },
    },
    onnx: decoder,
  },
};

/** Writes all models under `folder`, each as transformers.js looks for it. */
export function writeModels(folder) {
  const special = WORDS.slice(0, 4).map((content, id) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }));
  const tokenizer = {
    ...{
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: special,
      normalizer: null,
      post_processor: null,
      decoder: null,
    },
    pre_tokenizer: { type: "WhitespaceSplit" },
    model: { type: "WordLevel", vocab: Object.fromEntries(WORDS.map((word, i) => [word, i])), unk_token: "[UNK]" },
  };
  const tokens = {
    tokenizer_class: "PreTrainedTokenizer",
    pad_token: "[PAD]",
    unk_token: "[UNK]",
    model_max_length: 64,
  };
  for (const [name, { config, onnx }] of Object.entries(MODELS)) {
    mkdirSync(join(folder, name, "onnx"), { recursive: true });
    const write = (file, value) => writeFileSync(join(folder, name, file), JSON.stringify(value));
    write("config.json", config);
    write("generation_config.json", { bos_token_id: 2, eos_token_id: 3, pad_token_id: 0 });
    write("tokenizer.json", tokenizer);
    write("tokenizer_config.json", tokens);
    writeFileSync(join(folder, name, "onnx/model.onnx"), onnx());
  }
}
