// Small models in the layout of the Hugging Face hub, made here: random weights from a fixed seed, and a tokenizer of 32 words.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeOnnx } from "../../../dist/onnx/index.js";
import { randomTensor, Tensor, uniformNumbers } from "../../../dist/tensor/index.js";
import { q4, q8 } from "./quantized.mjs";

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

/** The file of a graph whose nodes are `[op, inputs, outputs, attributes, domain]`. */
function graph({ inputs, initializers, nodes, outputs }) {
  return writeOnnx({
    name: "model",
    opsets: { "": 17, "com.microsoft": 1 },
    inputs: inputs.map(([name, type, ...shape]) => ({ name, type, shape })),
    outputs: outputs.map(([name, ...shape]) => ({ name, type: "float32", shape })),
    nodes: nodes.map(([op, from, to, attributes = {}, domain = ""], i) => ({
      ...{ name: `${op}_${i}`, op, domain },
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

const SIZE = HIDDEN / HEADS;

/** Heads of `from` by the weights w`name`: [batch, HEADS, length, SIZE], named `name`. */
const project = (from, name) => [
  ["MatMul", [from, `w${name}`], [`${name}/flat`]],
  ["Reshape", [`${name}/flat`, "heads"], [`${name}/split`]],
  ["Transpose", [`${name}/split`], [name], { perm: [0, 2, 1, 3] }],
];
/** Attention of q over keys and values, [batch, length, HIDDEN], named `to`. */
const attend = (q, keys, values, to) => [
  ["Transpose", [keys], [`${to}/kt`], { perm: [0, 1, 3, 2] }],
  ["MatMul", [q, `${to}/kt`], [`${to}/scores`]],
  ["Mul", [`${to}/scores`, "scale"], [`${to}/scaled`]],
  ["Softmax", [`${to}/scaled`], [`${to}/p`], { axis: -1 }],
  ["MatMul", [`${to}/p`, values], [`${to}/o`]],
  ["Transpose", [`${to}/o`], [`${to}/ot`], { perm: [0, 2, 1, 3] }],
  ["Reshape", [`${to}/ot`, "flat"], [to]],
];
const squares = (...names) => Object.fromEntries(names.map((name) => [name, weights(HIDDEN, HIDDEN)]));
const shapes = () => ({
  ...{ heads: ids(0, 0, HEADS, SIZE), flat: ids(0, 0, HIDDEN) },
  scale: new Tensor("float32", [SIZE ** -0.5], []),
});

/** One decoder layer with a KV cache: the answer depends on every token before. */
function decoder() {
  const past = ["batch_size", HEADS, "past_sequence_length", SIZE];
  return {
    inputs: [
      ["input_ids", "int64", "batch_size", "length"],
      ["attention_mask", "int64", "batch_size", "total_length"],
      ["position_ids", "int64", "batch_size", "length"],
      ["past_key_values.0.key", "float32", ...past],
      ["past_key_values.0.value", "float32", ...past],
    ],
    initializers: {
      ...{ table: weights(VOCABULARY, HIDDEN), places: weights(64, HIDDEN), out: weights(HIDDEN, VOCABULARY) },
      ...squares("wq", "wk", "wv"),
      ...shapes(),
    },
    nodes: [
      ["Gather", ["table", "input_ids"], ["words"]],
      ["Gather", ["places", "position_ids"], ["at"]],
      ["Add", ["words", "at"], ["e"]],
      ...["q", "k", "v"].flatMap((name) => project("e", name)),
      ["Concat", ["past_key_values.0.key", "k"], ["present.0.key"], { axis: 2 }],
      ["Concat", ["past_key_values.0.value", "v"], ["present.0.value"], { axis: 2 }],
      ...attend("q", "present.0.key", "present.0.value", "a"),
      ["Add", ["a", "e"], ["s"]],
      ["MatMul", ["s", "out"], ["logits"]],
    ],
    outputs: [
      ["logits", "batch_size", "length", VOCABULARY],
      ["present.0.key", "batch_size", HEADS, "all", SIZE],
      ["present.0.value", "batch_size", HEADS, "all", SIZE],
    ],
  };
}

/** Samples of sound that make one state of the encoder. */
const STRIDE = 800;

/** Sound to states. */
const listener = () => ({
  inputs: [["input_values", "float32", "batch_size", "samples"]],
  initializers: { channel: ids(1), filters: weights(HIDDEN, 1, STRIDE), w1: weights(HIDDEN, HIDDEN) },
  nodes: [
    ["Unsqueeze", ["input_values", "channel"], ["sound"]],
    ["Conv", ["sound", "filters"], ["c"], { strides: [STRIDE], kernel_shape: [STRIDE] }],
    ["Tanh", ["c"], ["t"]],
    ["Transpose", ["t"], ["states"], { perm: [0, 2, 1] }],
    ["MatMul", ["states", "w1"], ["last_hidden_state"]],
  ],
  outputs: [["last_hidden_state", "batch_size", "states", HIDDEN]],
});

/** One decoder layer with a cache of its own keys, which looks at the encoder's states too. */
function speaker() {
  const past = ["batch_size", HEADS, "past_sequence_length", SIZE];
  const present = ["decoder.key", "decoder.value", "encoder.key", "encoder.value"];
  return {
    inputs: [
      ["input_ids", "int64", "batch_size", "length"],
      ["encoder_hidden_states", "float32", "batch_size", "states", HIDDEN],
      ["past_key_values.0.decoder.key", "float32", ...past],
      ["past_key_values.0.decoder.value", "float32", ...past],
    ],
    initializers: {
      ...{ table: weights(VOCABULARY, HIDDEN), out: weights(HIDDEN, VOCABULARY) },
      ...squares("wq", "wk", "wv", "wcq", "wpresent.0.encoder.key", "wpresent.0.encoder.value"),
      ...shapes(),
    },
    nodes: [
      ["Gather", ["table", "input_ids"], ["e"]],
      ...["q", "k", "v"].flatMap((name) => project("e", name)),
      ["Concat", ["past_key_values.0.decoder.key", "k"], ["present.0.decoder.key"], { axis: 2 }],
      ["Concat", ["past_key_values.0.decoder.value", "v"], ["present.0.decoder.value"], { axis: 2 }],
      ...attend("q", "present.0.decoder.key", "present.0.decoder.value", "a"),
      ["Add", ["a", "e"], ["s"]],
      ...project("s", "cq"),
      ...project("encoder_hidden_states", "present.0.encoder.key"),
      ...project("encoder_hidden_states", "present.0.encoder.value"),
      ...attend("cq", "present.0.encoder.key", "present.0.encoder.value", "cross"),
      ["Add", ["cross", "s"], ["seen"]],
      ["MatMul", ["seen", "out"], ["logits"]],
    ],
    outputs: [
      ["logits", "batch_size", "length", VOCABULARY],
      ...present.map((name) => [`present.0.${name}`, "batch_size", HEADS, `all_${name}`, SIZE]),
    ],
  };
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
    files: {
      model: () => ({
        ...ENCODER,
        inputs: TEXT,
        nodes: [...ENCODER.nodes, ["Identity", ["h"], ["last_hidden_state"]]],
        outputs: [["last_hidden_state", "batch_size", "length", HIDDEN]],
      }),
    },
  },
  sentiment: {
    config: { ...bert, architectures: ["BertForSequenceClassification"], ...labels("NEGATIVE", "POSITIVE") },
    files: {
      model: () => ({
        ...head(2),
        nodes: [
          ...ENCODER.nodes,
          ["ReduceMean", ["h"], ["mean"], { axes: [1], keepdims: 0 }],
          ["MatMul", ["mean", "w2"], ["logits"]],
        ],
        outputs: [["logits", "batch_size", 2]],
      }),
    },
  },
  entities: {
    config: { ...bert, architectures: ["BertForTokenClassification"], ...labels("O", "B-ANIMAL", "B-PLACE") },
    files: {
      model: () => ({
        ...head(3),
        nodes: [...ENCODER.nodes, ["MatMul", ["h", "w2"], ["logits"]]],
        outputs: [["logits", "batch_size", "length", 3]],
      }),
    },
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
    files: { model: decoder },
  },
  speech: {
    config: {
      ...{ model_type: "moonshine", architectures: ["MoonshineForConditionalGeneration"], hidden_size: HIDDEN },
      ...{ decoder_num_hidden_layers: 1, decoder_num_attention_heads: HEADS, decoder_num_key_value_heads: HEADS },
      ...{ encoder_num_hidden_layers: 1, encoder_num_attention_heads: HEADS, encoder_num_key_value_heads: HEADS },
      ...{ is_encoder_decoder: true, vocab_size: VOCABULARY, decoder_start_token_id: 2 },
      ...{ bos_token_id: 2, eos_token_id: 3 },
      "transformers.js_config": { kv_cache_dtype: "float32" },
    },
    files: { encoder_model: listener, decoder_model_merged: speaker },
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
  for (const [name, { config, files }] of Object.entries(MODELS)) {
    mkdirSync(join(folder, name, "onnx"), { recursive: true });
    const write = (file, value) => writeFileSync(join(folder, name, file), JSON.stringify(value));
    write("config.json", config);
    write("generation_config.json", {
      ...{ bos_token_id: 2, eos_token_id: 3, pad_token_id: 0, decoder_start_token_id: 2 },
    });
    write("preprocessor_config.json", {
      ...{ feature_extractor_type: "MoonshineFeatureExtractor", sampling_rate: 16_000 },
      processor_class: "MoonshineProcessor",
    });
    write("tokenizer.json", tokenizer);
    write("tokenizer_config.json", tokens);
    for (const [file, make] of Object.entries(files)) {
      const spec = make();
      for (const [suffix, form] of Object.entries({ "": (spec) => spec, _quantized: q8, _q4: q4 }))
        writeFileSync(join(folder, name, `onnx/${file}${suffix}.onnx`), graph(form(spec)));
    }
  }
}
